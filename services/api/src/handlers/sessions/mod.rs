//! Test sessions.

pub(crate) mod bundle;
pub(crate) mod feed;
pub(crate) mod history;
pub(crate) mod items;
pub(crate) mod late;
pub(crate) mod lookup;
mod new_items;
pub(crate) mod sync;
mod view;

use actix_web::http::StatusCode;
use actix_web::http::header::ETAG;
use actix_web::{HttpRequest, HttpResponse, web};
use firemode_domain::audit::{Commitments, NewSessionOnRecord, SessionOnRecord};
use firemode_domain::body;
use firemode_domain::document::{ItemSeed, SessionDocument, time_ordered_actor};
use firemode_domain::input::{self, At, Faults, Given, Line, Time};
use firemode_domain::session::{SessionStatus, TransitionError};
use firemode_storage::assets::Asset;
use firemode_storage::changes::{self, Origin};
use firemode_storage::sessions::{self, Hold, NewSession, Session, SessionFilter, SessionPatch};
use firemode_storage::{Transaction, assets, audit, buildings, recent_sessions, users};
use firemode_web::{Body, Key, Outcome, Params, Problem, ProblemBody, RequestContext, WalkScope, refuse};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::acts::{act, on_record};
use crate::etag;
use crate::handlers::sessions::history::{PastClock, detail_at};
use crate::handlers::sessions::lookup::{find, no_such_session};
use crate::handlers::sessions::view::{SessionDetail, SessionView, Summary};
use crate::list::List;
use crate::principal::Principal;
use crate::state::State;

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
        /// Null takes the session from whoever has it.
        technician_id: Given<Option<Uuid>>,
        /// pending → active → completed, any → cancelled; completed → active for a manager.
        status: Given<SessionStatus>,
    }
}

/// Opens a test session
///
/// Every asset becomes an item of its document.
#[utoipa::path(post, path = "/v1/tests/sessions", tag = "sessions", request_body = CreateSession,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a retry safe.")),
    responses((status = 201, description = "Opened.", body = SessionView)))]
pub(crate) async fn create(
    body: Body<CreateSession>,
    key: Key,
    principal: Principal,
    context: RequestContext,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let outcome = state
        .run_once(&principal, &key, &body.fingerprint, async |tx| {
            let view = open(tx, &body.value, &principal, &state).await?;
            let commitments = audit::commitments(tx, principal.organisation_id, view.id).await?;
            let opened = NewSessionOnRecord {
                building_id: view.building_id,
                name: commitments.to_text("name", &view.name),
                technician_id: view.technician_id,
                item_count: view.item_count,
                heads: view.heads.clone(),
            };
            let resource = ("session", view.id);
            let event = act(&principal, context, "session.create", resource, None, on_record(&opened)?);
            audit::record(tx, &[event]).await?;
            Outcome::new(StatusCode::CREATED, &view)
        })
        .await?;
    Ok(outcome.respond())
}

async fn open(
    tx: &Transaction,
    new: &CreateSession,
    principal: &Principal,
    state: &State,
) -> Result<SessionView, Problem> {
    let organisation_id = principal.organisation_id;
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
        created_by: principal.user_id,
        item_count: i32::try_from(seeds.len()).map_err(Problem::internal)?,
    };
    let session = sessions::insert(tx, organisation_id, &session).await?;
    let origin = Origin {
        organisation_id,
        session_id: session.id,
        user_id: principal.user_id,
        instance_id: state.instance_id,
    };
    let received_at = changes::insert(tx, &origin, &[changes::NewChange::of(&change, Vec::new())]).await?;
    recent_sessions::note(tx, &[origin.visit()]).await?;
    let mut document = SessionDocument::empty();
    document.integrate([change.recorded(principal.user_id, received_at)]);
    Ok(SessionView::new(session, Summary::of(&document)))
}

/// Lists test sessions, newest first
#[utoipa::path(get, path = "/v1/tests/sessions", tag = "sessions",
    params(("limit" = Option<i64>, Query, description = "Rows on a page, 1 to 100.", example = 20),
           ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
           ("status" = Option<Vec<SessionStatus>>, Query, description = "Any of these; may be repeated."),
           ("building_id" = Option<Uuid>, Query, description = "Sessions in one building."),
           ("date_from" = Option<String>, Query, description = "Made at or after (RFC 3339)."),
           ("date_to" = Option<String>, Query, description = "Made at or before (RFC 3339)."),
           ("technician_id" = Option<Uuid>, Query, description = "Sessions of one technician.")),
    responses((status = 200, description = "One page.", body = List<SessionView>),
              (status = 400, description = "The cursor is not of this list.", body = ProblemBody,
               content_type = "application/problem+json"),
              (status = 410, description = "The cursor is from before a restore.", body = ProblemBody,
               content_type = "application/problem+json")))]
pub(crate) async fn list(
    request: HttpRequest,
    principal: Principal,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let mut params = Params::of(&request)?;
    let page = params.page();
    let filter = SessionFilter {
        statuses: params.repeated("status"),
        building_id: params.optional("building_id"),
        from: params.optional("date_from").map(Time::get),
        to: params.optional("date_to").map(Time::get),
        technician_id: params.optional("technician_id"),
    };
    params.finish()?;
    let filters = format!("{filter:?}");
    let organisation_id = principal.organisation_id;
    let scope = WalkScope { organisation_id, list: "/v1/tests/sessions", filters: &filters };
    let tx = state.database.tenant(organisation_id).read().await?;
    let walk = state.cursor_key.walk(&tx, &page, scope).await?;
    let page = sessions::list(&tx, organisation_id, &filter, &walk).await?;
    let next_cursor = page.next.map(|last| state.cursor_key.next(&walk, last, scope)).transpose()?;
    let ids: Vec<Uuid> = page.rows.iter().map(|session| session.id).collect();
    let summaries = state.documents.read_many(&tx, organisation_id, &ids, Summary::of).await?;
    let rows = page.rows.into_iter().zip(summaries);
    let data = rows.map(|(session, summary)| SessionView::new(session, summary)).collect();
    Ok(List { data, next_cursor }.respond(&request))
}

/// Reads a test session with its merged document
///
/// With `at`, a vector clock: the document, its conflicts and held changes as a reader with that clock had seen them.
#[utoipa::path(get, path = "/v1/tests/sessions/{session_id}", tag = "sessions",
    params(("session_id" = Uuid, Path),
           ("at" = Option<String>, Query,
            description = "A vector clock of this session: a JSON object from actor to number, plain or in base64url.")),
    responses((status = 200, description = "The session; `ETag` names its state.", body = SessionDetail),
              (status = 304, description = "You have it already.")))]
pub(crate) async fn get(
    id: web::Path<Uuid>,
    request: HttpRequest,
    principal: Principal,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let mut params = Params::of(&request)?;
    let at: Option<PastClock> = params.optional("at");
    params.finish()?;
    let organisation_id = principal.organisation_id;
    let detail = match at {
        Some(PastClock(clock)) => detail_at(&state, organisation_id, *id, &clock).await?,
        None => present_detail(&state, organisation_id, *id).await?,
    };
    state.note_fetched(&principal, *id).await;
    answer(&request, detail)
}

async fn present_detail(state: &State, organisation_id: Uuid, id: Uuid) -> Result<SessionDetail, Problem> {
    let tx = state.database.tenant(organisation_id).read().await?;
    let session = find(&tx, organisation_id, id).await?;
    let late = changes::count_late(&tx, organisation_id, id).await?;
    let look = move |document: &SessionDocument| SessionDetail::new(session, document, late);
    Ok(state.documents.read(&tx, organisation_id, id, look).await?)
}

fn answer(request: &HttpRequest, detail: SessionDetail) -> Result<HttpResponse, Problem> {
    let tag = detail.session.etag()?;
    if etag::is_known(request, &tag) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, tag)).finish());
    }
    Ok(HttpResponse::Ok().insert_header((ETAG, tag)).json(detail))
}

/// Renames, assigns, completes, cancels or reopens a test session
#[utoipa::path(patch, path = "/v1/tests/sessions/{session_id}", tag = "sessions", request_body = UpdateSession,
    params(("session_id" = Uuid, Path),
           ("If-Match" = Option<String>, Header, description = "`ETag` of the state that you read.")),
    responses((status = 200, description = "Changed.", body = SessionView),
              (status = 412, description = "It has changed since you read it.", body = ProblemBody,
               content_type = "application/problem+json")))]
pub(crate) async fn update(
    id: web::Path<Uuid>,
    request: HttpRequest,
    body: Body<UpdateSession>,
    principal: Principal,
    context: RequestContext,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let organisation_id = principal.organisation_id;
    let tx = state.database.tenant(organisation_id).transaction().await?;
    // Held alone: results hold it together, so none of them can cross a completion.
    let before = sessions::find(&tx, organisation_id, *id, Hold::Alone).await?;
    let before = before.ok_or_else(no_such_session)?;
    let summary = state.documents.read(&tx, organisation_id, *id, Summary::of).await?;
    let seen = SessionView::new(before.clone(), summary.clone());
    etag::check_if_match(&request, &seen.etag()?)?;
    let UpdateSession { name, technician_id, status: Given(status) } = body.value;
    let mut faults = Faults::default();
    check_technician(&tx, organisation_id, technician_id.0.flatten(), &mut faults).await?;
    match before.status.check_step(status.unwrap_or(before.status), principal.role) {
        Ok(()) => {}
        Err(error @ TransitionError::NotAllowed) => return Err(Problem::forbidden(error.to_string())),
        Err(error) => faults.add(&At::named("status"), error.to_string()),
    }
    refuse(faults)?;
    let patch = SessionPatch { name: name.0.map(Line::into_string), technician_id: technician_id.0, status };
    let after = sessions::update(&tx, organisation_id, *id, &patch).await?;
    let action = match (before.status, after.status) {
        (from, to) if from == to => "session.update",
        (SessionStatus::Completed, SessionStatus::Active) => "session.reopen",
        (_, SessionStatus::Completed) => "session.complete",
        (_, SessionStatus::Cancelled) => "session.cancel",
        _ => "session.activate",
    };
    let commitments = audit::commitments(&tx, organisation_id, *id).await?;
    let (was, is) = (record_of(&commitments, &before), record_of(&commitments, &after));
    let event = act(&principal, context, action, ("session", *id), on_record(&was)?, on_record(&is)?);
    audit::record(&tx, &[event]).await?;
    tx.commit().await?;
    let view = SessionView::new(after, summary);
    let tag = view.etag()?;
    Ok(HttpResponse::Ok().insert_header((ETAG, tag)).json(view))
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

fn record_of(commitments: &Commitments, session: &Session) -> SessionOnRecord {
    SessionOnRecord {
        name: commitments.to_text("name", &session.name),
        status: session.status,
        technician_id: session.technician_id,
    }
}
