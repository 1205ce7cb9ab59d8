//! The health of a session's synchronisation: nothing is stuck unseen.

use actix_web::{HttpResponse, web};
use data_encoding::HEXLOWER;
use firemode_domain::document::SessionDocument;
use firemode_domain::session::LateState;
use firemode_storage::Hold;
use firemode_storage::documents::Needs;
use firemode_storage::history::{self, LateChange, Writer};
use firemode_storage::session_summaries::{self, StoredSummary};
use firemode_storage::sessions::Session;
use firemode_web::Problem;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::call::Call;
use crate::people::People;

/// Rows of each kind that are listed; the totals count all.
const ROWS_MAX: usize = 1_000;

/// What waits, what is set aside, what came late, and who wrote last.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SyncView {
    session_id: Uuid,
    /// Changes that wait for others, longest first; at most 1,000 are named.
    held: Vec<HeldView>,
    held_total: usize,
    /// Changes that would damage the document: kept, never merged.
    quarantined: Vec<QuarantinedChange>,
    quarantined_total: usize,
    /// Changes that came after the completion, the last first.
    late: Vec<LateView>,
    late_total: i64,
    /// Writers, the latest first.
    writers: Vec<WriterView>,
    writers_total: i64,
}

/// A change that waits.
#[derive(Debug, Serialize, ToSchema)]
struct HeldView {
    /// Its hash, in hex.
    hash: String,
    /// Automerge actor, in hex.
    actor: String,
    /// The actor's number for it.
    seq: u64,
    /// Who brought it.
    user_id: Uuid,
    /// What that user is called.
    #[schema(example = "Ada E.")]
    user_name: Option<String>,
    /// Since when it waits.
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
    /// Hashes of the changes that are missing.
    waits_for: Vec<String>,
    /// True where one of those is not stored in this session at all: it has not arrived yet, or this change belongs to another session.
    may_be_of_another_session: bool,
}

/// A change that is set aside.
#[derive(Debug, Serialize, ToSchema)]
struct QuarantinedChange {
    /// Its hash, in hex.
    hash: String,
    /// Who brought it.
    user_id: Uuid,
    /// What that user is called.
    #[schema(example = "Ada E.")]
    user_name: Option<String>,
    /// The device that a JSON operation named.
    device: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    received_at: OffsetDateTime,
    /// What is wrong with it.
    reason: String,
}

/// A change that came late.
#[derive(Debug, Serialize, ToSchema)]
struct LateView {
    /// Its hash, in hex.
    hash: String,
    /// Who brought it.
    user_id: Uuid,
    /// What that user is called.
    #[schema(example = "Ada E.")]
    user_name: Option<String>,
    /// The device that a JSON operation named.
    device: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    received_at: OffsetDateTime,
    /// What was decided on it.
    state: LateState,
    /// Who decided on it.
    decided_by: Option<Uuid>,
    /// What that user is called.
    #[schema(example = "Ada E.")]
    decided_by_name: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    decided_at: Option<OffsetDateTime>,
}

/// Somebody who writes to the session.
#[derive(Debug, Serialize, ToSchema)]
struct WriterView {
    /// Automerge actor, in hex.
    actor: String,
    /// The device that JSON operations named; null where the device makes its own changes.
    device: Option<String>,
    /// Who brought the last change.
    user_id: Uuid,
    /// What that user is called.
    #[schema(example = "Ada E.")]
    user_name: Option<String>,
    /// The last change's number.
    seq: i64,
    /// When it came.
    #[serde(with = "time::serde::rfc3339")]
    last_seen_at: OffsetDateTime,
}

/// Shows how synchronisation goes
///
/// What waits for what and since when, what is set aside and why, what came late, and when each device wrote last.
#[utoipa::path(get, path = "/v1/tests/sessions/{session_id}/sync", tag = "sessions",
    params(("session_id" = Uuid, Path)),
    responses((status = 200, description = "How it goes.", body = SyncView)))]
pub(crate) async fn sync(id: web::Path<Uuid>, call: Call) -> Result<HttpResponse, Problem> {
    let (organisation_id, state) = (call.organisation_id(), &call.state);
    let tx = call.read().await?;
    call.find::<Session>(&tx, *id, Hold::None).await?;
    let rows_max = i64::try_from(ROWS_MAX).map_err(Problem::internal)?;
    let (late, late_total) = history::late(&tx, organisation_id, *id, rows_max).await?;
    let (writers, writers_total) = history::writers(&tx, organisation_id, *id, rows_max).await?;
    let mut stored = session_summaries::find(&tx, organisation_id, &[*id]).await?;
    drop(tx);
    let (mut held, mut quarantined) = match stored.remove(&*id) {
        Some(StoredSummary { summary, is_present: true, .. }) if summary.unmerged_count == 0 => {
            Default::default()
        }
        _ => {
            let look = |document: &SessionDocument| (document.held_since(), document.quarantined());
            let key = (organisation_id, *id);
            state.documents.read(&state.database, key, Needs::Changes, look).await?.0
        }
    };
    let (held_total, quarantined_total) = (held.len(), quarantined.len());
    held.sort_by_key(|(_, provenance)| provenance.received_at);
    held.truncate(ROWS_MAX);
    quarantined.sort_by_key(|change| change.provenance.received_at);
    quarantined.truncate(ROWS_MAX);
    let brought = held.iter().map(|(_, provenance)| provenance.user_id);
    let brought = brought.chain(quarantined.iter().map(|change| change.provenance.user_id)).map(Some);
    let wrote = writers.iter().map(|writer| Some(writer.user_id));
    let came_late = late.iter().flat_map(|late| [Some(late.user_id), late.decided.map(|(by, _)| by)]);
    let tx = call.read().await?;
    let people = call.people(&tx, brought.chain(wrote).chain(came_late)).await?;
    drop(tx);
    let held = held.into_iter().map(|(held, provenance)| HeldView {
        hash: held.hash,
        actor: held.actor,
        seq: held.seq,
        user_id: provenance.user_id,
        user_name: people.name(provenance.user_id),
        since: provenance.received_at,
        waits_for: held.waits_for,
        may_be_of_another_session: held.may_be_of_another_session,
    });
    let quarantined = quarantined.into_iter().map(|change| QuarantinedChange {
        hash: change.hash.to_string(),
        user_id: change.provenance.user_id,
        user_name: people.name(change.provenance.user_id),
        device: change.provenance.device,
        received_at: change.provenance.received_at,
        reason: change.fault.to_string(),
    });
    Ok(HttpResponse::Ok().json(SyncView {
        session_id: *id,
        held: held.collect(),
        held_total,
        quarantined: quarantined.collect(),
        quarantined_total,
        late: late.into_iter().map(|late| LateView::of(late, &people)).collect(),
        late_total,
        writers: writers.into_iter().map(|writer| WriterView::of(writer, &people)).collect(),
        writers_total,
    }))
}

impl LateView {
    fn of(change: LateChange, people: &People) -> Self {
        let (decided_by, decided_at) = change.decided.unzip();
        Self {
            hash: HEXLOWER.encode(&change.hash),
            user_id: change.user_id,
            user_name: people.name(change.user_id),
            device: change.device,
            received_at: change.received_at,
            state: change.state,
            decided_by,
            decided_by_name: people.name(decided_by),
            decided_at,
        }
    }
}

impl WriterView {
    fn of(writer: Writer, people: &People) -> Self {
        Self {
            actor: HEXLOWER.encode(&writer.actor),
            device: writer.device,
            user_id: writer.user_id,
            user_name: people.name(writer.user_id),
            seq: writer.seq,
            last_seen_at: writer.received_at,
        }
    }
}
