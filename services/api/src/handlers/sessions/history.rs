//! Who changed what of a session, and the session as it was.

use actix_web::{HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use data_encoding::HEXLOWER;
use firemode_domain::document::{
    ActorId, ChangeHash, PlaceInHistory, Provenance, RecordedChange, SessionDocument, Standing, Touch,
    VectorClock, covered_by,
};
use firemode_domain::input::{self, AsSent, At, Faults, FieldError, Input};
use firemode_domain::session::LateState;
use firemode_storage::Hold;
use firemode_storage::changes::change_hash;
use firemode_storage::history::{self as stored, HistoryEntry, PlacedChange};
use firemode_storage::page::Page;
use firemode_storage::sessions::Session;
use firemode_web::Problem;
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;
use time::OffsetDateTime;
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};
use uuid::Uuid;

use crate::call::Call;
use crate::handlers::sessions::view::SessionDetail;
use crate::list::{Everything, List, Listing};

/// A request for a past document waits so long for those before it.
const PAST_WAIT_SECONDS_MAX: u64 = 10;

/// One change of a session's document.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HistoryView {
    /// The change's hash, in hex.
    hash: String,
    /// Automerge actor, in hex.
    actor: String,
    /// The actor's number for it.
    seq: i64,
    /// Who brought it.
    user_id: Uuid,
    /// The device that a JSON operation named; null for a change that a device made itself.
    device: Option<String>,
    /// When it was received.
    #[serde(with = "time::serde::rfc3339")]
    received_at: OffsetDateTime,
    /// When its author says that it was made; null where it does not say, or says something before 1970 or after 9999.
    #[serde(with = "time::serde::rfc3339::option")]
    stated_at: Option<OffsetDateTime>,
    /// True where it says something before 1970 or after 9999.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    clock_suspect: bool,
    /// What became of it; `apart` for late work that was not accepted.
    standing: Standing,
    /// What was decided on it, where it came after the completion.
    late: Option<LateState>,
    /// What it changed.
    touched: Vec<Touch>,
    /// True where it changed more places than are named here.
    touched_more: bool,
}

/// Lists who changed what
///
/// Every change of the session's document, newest first, late work included.
#[utoipa::path(get, path = "/v1/tests/sessions/{session_id}/history", tag = "sessions",
    params(("session_id" = Uuid, Path), Listing<Everything>),
    responses((status = 200, description = "One page.", body = List<HistoryView>)))]
pub(crate) async fn history(id: web::Path<Uuid>, list: Listing<Everything>) -> Result<HttpResponse, Problem> {
    list.answer_within::<Session, _>(*id, async |tx, Listing { call, .. }, keyset| {
        let organisation_id = call.organisation_id();
        let Page { rows, next } = stored::list(tx, organisation_id, *id, keyset).await?;
        let views = |document: &SessionDocument| {
            rows.into_iter().map(|entry| view_of(document, entry)).collect::<Result<Vec<_>, _>>()
        };
        let rows = call.state.documents.read(tx, organisation_id, *id, views).await??;
        Ok(Page { rows, next })
    })
    .await
}

fn view_of(document: &SessionDocument, entry: HistoryEntry) -> Result<HistoryView, Problem> {
    let HistoryEntry { change, actor, seq, late_state, .. } = entry;
    let summary = document.summary_of(&change_hash(&change.hash)?, &change.bytes);
    Ok(HistoryView {
        hash: HEXLOWER.encode(&change.hash),
        actor: HEXLOWER.encode(&actor),
        seq,
        user_id: change.user_id,
        device: change.device,
        received_at: change.received_at,
        stated_at: summary.stated_at.at,
        clock_suspect: summary.stated_at.is_suspect,
        standing: summary.standing,
        late: late_state,
        touched: summary.touched,
        touched_more: summary.is_cut,
    })
}

/// A clock from a query: JSON, or the same in base64url.
#[derive(Debug)]
pub(crate) struct PastClock(pub(crate) VectorClock);

impl Input for PastClock {
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let Value::String(text) = value else { return VectorClock::read(value, at, faults).map(Self) };
        let json = match text.starts_with('{') {
            true => Some(text.into_bytes()),
            false => URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok(),
        };
        let mut inside = Faults::default();
        let clock = match json.map(|json| input::parse(&json, at, &mut inside)) {
            Some(Ok(value)) => VectorClock::read(value, at, &mut inside),
            Some(Err(_)) | None => {
                let why = "must be a vector clock: a JSON object from actor to number, plain or in base64url";
                inside.add(at, why);
                None
            }
        };
        // To the client it is one parameter: faults inside stand at its own name.
        let add_all =
            |errors: Vec<FieldError>| errors.into_iter().for_each(|error| faults.add(at, error.message));
        inside.into_result(clock).map_err(add_all).ok().map(Self)
    }

    fn schema() -> RefOr<Schema> {
        AsSent::schema()
    }
}

/// The session with its document as a reader with this clock had seen it.
///
/// # Errors
/// 404, 422 for a clock that names changes which are not on record, 503 where too many ask for the past.
pub(crate) async fn detail_at(call: &Call, id: Uuid, clock: &VectorClock) -> Result<SessionDetail, Problem> {
    // Such a document is built for one request and thrown away, so only few of them may be built at a time. The turn comes
    // first: who waits for it holds no connection.
    let wait = Duration::from_secs(PAST_WAIT_SECONDS_MAX);
    let turn = tokio::time::timeout(wait, call.state.past_documents.acquire()).await;
    let _turn =
        turn.map_err(|_| Problem::unavailable("Many requests look into the past at once. Try again."))?;
    let tx = call.read().await?;
    let session: Session = call.find(&tx, id, Hold::None).await?;
    let changes = stored::placed(&tx, call.organisation_id(), id).await?;
    drop(tx);
    let places = changes.iter().map(place).collect::<Result<Vec<_>, _>>()?;
    let covered =
        covered_by(clock, &places).map_err(|unknown| Problem::invalid_field("at", unknown.to_string()))?;
    let records = changes.into_iter().zip(places).zip(covered).filter(|(_, is_covered)| *is_covered);
    let records: Vec<RecordedChange> =
        records.map(|((change, place), _)| recorded(change, place.hash)).collect();
    let limits = call.state.limits.clone();
    let built = tokio::task::spawn_blocking(move || {
        let mut document = SessionDocument::empty();
        document.integrate(records);
        SessionDetail::new(session, &document, 0, &limits)
    });
    built.await.map_err(Problem::internal)
}

fn place(change: &PlacedChange) -> Result<PlaceInHistory, Problem> {
    Ok(PlaceInHistory {
        hash: change_hash(&change.change.hash)?,
        actor: ActorId::from(change.actor.as_slice()),
        seq: u64::try_from(change.seq).map_err(Problem::internal)?,
        deps: change.deps.iter().map(|dep| change_hash(dep)).collect::<Result<_, _>>()?,
    })
}

fn recorded(placed: PlacedChange, hash: ChangeHash) -> RecordedChange {
    let change = placed.change;
    let provenance =
        Provenance { user_id: change.user_id, device: change.device, received_at: change.received_at };
    RecordedChange { hash, bytes: change.bytes, provenance }
}
