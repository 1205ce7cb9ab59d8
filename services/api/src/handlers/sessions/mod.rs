//! Test sessions.

mod answer;
pub(crate) mod bundle;
pub(crate) mod feed;
pub(crate) mod history;
pub(crate) mod items;
pub(crate) mod late;
mod new_items;
mod past;
pub(crate) mod sync;
mod view;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use firemode_domain::body;
use firemode_domain::document::{DocumentSummary, ItemSeed, SessionDocument, time_ordered_actor};
use firemode_domain::input::{self, At, Faults, Given, Line, Time};
use firemode_domain::session::{SessionStatus, TransitionError};
use firemode_storage::assets::Asset;
use firemode_storage::changes::{self, Origin};
use firemode_storage::documents::Needs;
use firemode_storage::session_summaries::{self, NewSummary};
use firemode_storage::sessions::{self, NewSession, Session, SessionFilter};
use firemode_storage::{
    Hold, StorageError, Transaction, assets, audit, buildings, clocks, recent_sessions, users,
};
use firemode_web::{Body, IdempotencyKey, Outcome, Params, Problem, refuse};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::call::Call;
use crate::etag::IfMatch;
use crate::handlers::sessions::answer::{Answer, Ready};
use crate::handlers::sessions::past::{PastClock, past};
use crate::handlers::sessions::view::{NamedSession, SessionDetail, SessionView, ShownDocument};
use crate::list::{Filters, List, Listing};
use crate::object::{Object, on_record};
use crate::people::People;

/// How often a session is held until what its document is then is known.
const HOLD_TRIES_MAX: usize = 5;

body! {
    /// A session to be made.
    #[derive(Debug)]
    pub(crate) struct CreateSession like {
        "building_id": "01a1fc48-aaab-75d3-91f1-3e1c86c07f58", "name": "Harbour Tower, yearly"
    } {
        /// The building that is tested.
        building_id: Uuid,
        /// The building's name and the day, where left out.
        name: Option<Line<200>> = "Harbour Tower, yearly",
        /// Who is to do it.
        technician_id: Option<Uuid>,
        /// What is tested; all active assets of the building, where left out.
        asset_ids: Option<input::List<Uuid, 0, 10_000>>,
    }
}

body! {
    /// New values; what is left out stays.
    #[derive(Debug)]
    pub(crate) struct UpdateSession like {"name": "Harbour Tower, second visit"} {
        name: Given<Line<200>>,
        /// Null leaves the session without a technician.
        technician_id: Given<Option<Uuid>>,
        /// pending → active → completed, pending or active → cancelled; completed → active or cancelled for a manager.
        status: Given<SessionStatus>,
    }
}

impl Object for Session {
    const NOUN: &'static str = "session";
    const CALLED: &'static str = "test session";
}

impl Filters for SessionFilter {
    fn scope(&self, path: &str, _: Option<Uuid>) -> (String, String) {
        let (statuses, building_id, technician_id) = (&self.status.0, self.building_id, self.technician_id);
        let (from, to) = (self.date_from.map(Time::get), self.date_to.map(Time::get));
        let mut filters = format!(
            "SessionFilter {{ statuses: {statuses:?}, building_id: {building_id:?}, from: {from:?}, to: {to:?}, \
             technician_id: {technician_id:?} }}"
        );
        if let Some(actor) = &self.actor {
            filters.push_str(&format!(" actor: {actor:?}"));
        }
        let reviewed =
            [("has_late", self.has_late), ("needs_review", self.needs_review), ("has_held", self.has_held)];
        for (name, asked) in reviewed {
            filters.extend(asked.map(|asked| format!(" {name}: {asked}")));
        }
        (path.to_owned(), filters)
    }
}

/// Opens a test session
///
/// Every asset becomes an item of its document.
#[utoipa::path(post, path = "/v1/tests/sessions", tag = "sessions", request_body = CreateSession, params(IdempotencyKey),
    responses((status = 201, description = "Opened.", body = NamedSession)))]
pub(crate) async fn create(
    body: Body<CreateSession>,
    key: IdempotencyKey,
    call: Call,
) -> Result<HttpResponse, Problem> {
    let outcome = call
        .run_once(&key, &body.fingerprint, async |tx| {
            let view = open(tx, &body.value, &call).await?;
            let commitments = audit::commitments(tx, call.organisation_id(), view.id).await?;
            let opened = on_record(&commitments, &view)?;
            call.record(tx, "session.create", (Session::NOUN, view.id), None, opened).await?;
            Outcome::new(StatusCode::CREATED, &NamedSession::of(view, &People::default()))
        })
        .await?;
    call.created(call.with_names(outcome, NamedSession::NAMES).await?, SessionView::etag_of_body)
}

async fn open(tx: &Transaction, new: &CreateSession, call: &Call) -> Result<SessionView, Problem> {
    let (organisation_id, user_id) = (call.organisation_id(), call.user_id());
    let mut faults = Faults::default();
    let building = buildings::find(tx, organisation_id, new.building_id).await?;
    match &building {
        None => faults.add(&At::named("building_id"), "is not a building of your organisation"),
        Some(building) if !building.is_active => faults.add(&At::named("building_id"), "is deactivated"),
        Some(_) => {}
    }
    check_technician(tx, organisation_id, new.technician_id, &mut faults).await?;
    let asset_ids = new.asset_ids.as_ref().map(|ids| ids.0.as_slice());
    let tested = assets::active_of(tx, organisation_id, new.building_id, asset_ids).await?;
    for (index, id) in asset_ids.into_iter().flatten().enumerate() {
        if !tested.iter().any(|asset| asset.id == *id) {
            faults.add(&At::Entry(&At::named("asset_ids"), index), "is not an active asset of the building");
        }
    }
    refuse(faults)?;

    let now = OffsetDateTime::now_utc();
    let site_name = building.map(|building| building.site_name).unwrap_or_default();
    let name = new.name.as_deref().map_or_else(|| default_name(&site_name, now), str::to_owned);
    let seeds: Vec<ItemSeed> = tested.into_iter().map(seed).collect();
    let change = SessionDocument::creation_change(&time_ordered_actor(Uuid::now_v7()), &seeds, now)
        .map_err(|refusal| Problem::invalid_field("asset_ids", refusal.to_string()))?;
    let session = NewSession {
        id: Uuid::now_v7(),
        building_id: new.building_id,
        name: &name,
        technician_id: new.technician_id,
        created_by: user_id,
        item_count: i32::try_from(seeds.len()).map_err(Problem::internal)?,
    };
    let session = sessions::insert(tx, organisation_id, &session).await?;
    let origin =
        Origin { organisation_id, session_id: session.id, user_id, process_id: call.state.process_id };
    let received_at = changes::insert(tx, &origin, &[changes::NewChange::of(&change, Vec::new())]).await?;
    recent_sessions::note(tx, &[origin.visit()]).await?;
    let mut document = SessionDocument::empty();
    document.integrate([change.recorded(user_id, received_at)]);
    let summary = document.summary();
    let (session_id, read_up_to) = (session.id, None);
    let new = NewSummary { organisation_id, session_id, summary: summary.clone(), read_up_to };
    session_summaries::keep(tx, &[new]).await?;
    Ok(SessionView::new(session, summary))
}

/// Lists test sessions, newest first
#[utoipa::path(get, path = "/v1/tests/sessions", tag = "sessions", params(Listing<SessionFilter>),
    responses((status = 200, description = "One page.", body = List<NamedSession>)))]
pub(crate) async fn list(list: Listing<SessionFilter>) -> Result<HttpResponse, Problem> {
    list.answer_from(
        async |tx, Listing { call, filter, .. }, keyset| {
            let page = sessions::list(tx, call.organisation_id(), filter, keyset).await?;
            let people = call.people(tx, page.rows.iter().map(|session| session.technician_id)).await?;
            Ok(page.map(|session| (people.name(session.technician_id), session)))
        },
        async |Listing { call, .. }, rows: Vec<(Option<String>, Session)>| {
            let (names, sessions): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
            let named = views(call, sessions).await?.into_iter().zip(names);
            Ok(named.map(|(session, technician_name)| NamedSession { session, technician_name }).collect())
        },
    )
    .await
}

/// Sessions as lists show them. No connection is held meanwhile.
pub(crate) async fn views(call: &Call, sessions: Vec<Session>) -> Result<Vec<SessionView>, Problem> {
    let (database, organisation_id) = (&call.state.database, call.organisation_id());
    let ids: Vec<Uuid> = sessions.iter().map(|session| session.id).collect();
    let summaries = call.state.documents.summaries(database, organisation_id, &ids).await?;
    let rows = sessions.into_iter().zip(summaries);
    Ok(rows.map(|(session, summary)| SessionView::new(session, summary)).collect())
}

body! {
    /// Which moment of a session is wanted.
    #[derive(Debug)]
    pub(crate) struct Moment {
        /// A vector clock of this session: a JSON object from actor to number, plain or in base64url.
        at: Option<PastClock>,
    }
}

/// Reads a test session with its merged document
///
/// With `at`, a vector clock: the document, its conflicts and held changes as a reader with that clock had seen them.
#[utoipa::path(get, path = "/v1/tests/sessions/{session_id}", tag = "sessions",
    params(("session_id" = Uuid, Path), Params<Moment>),
    responses((status = 200, description = "The session.", body = SessionDetail,
               headers(("ETag"))),
              (status = 304, description = "You have it already.")))]
pub(crate) async fn get(
    id: web::Path<Uuid>,
    Params(Moment { at }): Params<Moment>,
    call: Call,
) -> Result<HttpResponse, Problem> {
    let tx = call.read().await?;
    let session: Session = call.find(&tx, *id, Hold::None).await?;
    let technician = call.people(&tx, [session.technician_id]).await?;
    let answer = match at {
        Some(PastClock(clock)) => {
            drop(tx);
            past(&call, session, technician, clock).await?
        }
        None => {
            let late = changes::count_late(&tx, call.organisation_id(), *id).await?;
            drop(tx);
            present(&call, session, technician, late).await?
        }
    };
    call.state.note_fetched(&call.principal, *id).await;
    Ok(answer.respond())
}

/// The session with its document as it is now. Who brought what is quarantined only the document tells: then it is looked at again with
/// their names.
async fn present(call: &Call, session: Session, technician: People, late: i64) -> Result<Ready, Problem> {
    let (key, limits) = ((call.organisation_id(), session.id), &call.state.limits);
    let mut people = technician;
    loop {
        let (answer, limits) = (Answer::to(call), limits.clone());
        let (session, named) = (session.clone(), people.clone());
        let look = move |document: &SessionDocument| {
            let quarantined = document.quarantined();
            let unknown = named.unknown_of(quarantined.iter().map(|change| change.provenance.user_id));
            if !unknown.is_empty() {
                return Ok(Err(unknown));
            }
            let near_limits = document.near_limits(&limits);
            let shown = ShownDocument { late, near_limits, ..ShownDocument::whole(document) };
            answer.of(SessionDetail::new(session, shown, &named)).map(Ok)
        };
        let (seen, _room) =
            call.state.documents.read(&call.state.database, key, Needs::Changes, look).await?;
        match seen? {
            Ok(ready) => return Ok(ready),
            Err(unknown) => {
                let tx = call.read().await?;
                people = people.and(call.people(&tx, unknown).await?);
            }
        }
    }
}

/// Renames, assigns, completes, cancels or reopens a test session
#[utoipa::path(patch, path = "/v1/tests/sessions/{session_id}", tag = "sessions", request_body = UpdateSession,
    params(("session_id" = Uuid, Path), IfMatch),
    responses((status = 200, description = "Changed, or as it was.", body = NamedSession)))]
pub(crate) async fn update(
    id: web::Path<Uuid>,
    body: Body<UpdateSession>,
    call: Call,
) -> Result<HttpResponse, Problem> {
    let organisation_id = call.organisation_id();
    let (tx, before, summary) = hold_alone(&call, *id).await?;
    let seen = SessionView::new(before.clone(), summary.clone());
    call.check_if_match(&seen.etag()?)?;
    let mut wanted = before.clone();
    body.value.apply(&mut wanted);
    check_change(&tx, &call, &before, &wanted).await?;
    let people = call.people(&tx, [wanted.technician_id]).await?;
    let Some(after) = sessions::update(&tx, organisation_id, &wanted).await? else {
        return NamedSession::of(seen, &people).respond();
    };
    let action = match (before.status, after.status) {
        (from, to) if from == to => "session.update",
        (SessionStatus::Completed, SessionStatus::Active) => "session.reopen",
        (_, SessionStatus::Completed) => "session.complete",
        (_, SessionStatus::Cancelled) => "session.cancel",
        _ => "session.activate",
    };
    call.record_change(&tx, action, &before, &after).await?;
    if after.status == SessionStatus::Completed {
        clocks::settle(&tx, organisation_id, *id).await?;
    }
    tx.commit().await?;
    NamedSession::of(SessionView::new(after, summary), &people).respond()
}

/// Holds a session alone, with what its document is then: results hold it together, so none of them can cross a completion.
async fn hold_alone(call: &Call, id: Uuid) -> Result<(Transaction, Session, DocumentSummary), Problem> {
    let key @ (organisation_id, _) = (call.organisation_id(), id);
    let mut is_too_large = false;
    for _ in 0..HOLD_TRIES_MAX {
        let tx = call.transaction().await?;
        let session: Session = call.find(&tx, id, Hold::Alone).await?;
        let mut stored = session_summaries::find(&tx, organisation_id, &[id]).await?;
        match stored.remove(&id) {
            Some(stored) if stored.is_present || is_too_large => return Ok((tx, session, stored.summary)),
            None if is_too_large => return Ok((tx, session, DocumentSummary::empty())),
            _ => drop(tx),
        }
        // It has to be worked out first, which holds up nobody.
        is_too_large = match call.state.documents.summary(&call.state.database, key).await {
            Ok(_) => false,
            Err(StorageError::TooLarge { .. }) => true,
            Err(error) => return Err(error.into()),
        };
    }
    Err(Problem::unavailable("The session is being written to all the time. Try again."))
}

impl UpdateSession {
    fn apply(self, session: &mut Session) {
        self.name.apply(&mut session.name);
        self.technician_id.apply(&mut session.technician_id);
        self.status.apply(&mut session.status);
    }
}

/// May the caller make this of a session?
async fn check_change(
    tx: &Transaction,
    call: &Call,
    before: &Session,
    wanted: &Session,
) -> Result<(), Problem> {
    let mut faults = Faults::default();
    if wanted.technician_id != before.technician_id {
        check_technician(tx, call.organisation_id(), wanted.technician_id, &mut faults).await?;
    }
    match before.status.check_step(wanted.status, call.principal.role) {
        Ok(()) => {}
        Err(error @ TransitionError::NotAllowed { .. }) => return Err(Problem::forbidden(error.to_string())),
        Err(error) => faults.add(&At::named("status"), error.to_string()),
    }
    refuse(faults)
}

async fn check_technician(
    tx: &Transaction,
    organisation_id: Uuid,
    technician_id: Option<Uuid>,
    faults: &mut Faults,
) -> Result<(), Problem> {
    if let Some(id) = technician_id
        && users::find(tx, organisation_id, id).await?.is_none()
    {
        faults.add(&At::named("technician_id"), "is not a user of your organisation");
    }
    Ok(())
}

fn default_name(site_name: &str, now: OffsetDateTime) -> String {
    let site_name: String = site_name.chars().take(180).collect();
    format!("{site_name} {}", now.date())
}

fn seed(asset: Asset) -> ItemSeed {
    ItemSeed {
        item_id: asset.id.to_string(),
        asset_id: Some(asset.id.to_string()),
        item_code: Some(asset.item_code),
        label: Some(asset.label),
        location: Some(asset.location),
        data: None,
    }
}
