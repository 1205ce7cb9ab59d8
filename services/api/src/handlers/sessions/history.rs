//! Who changed what of a session.

use actix_web::{HttpResponse, web};
use data_encoding::HEXLOWER;
use firemode_domain::document::{SessionDocument, Standing, Touch};
use firemode_domain::session::LateState;
use firemode_storage::changes::change_hash;
use firemode_storage::documents::Needs;
use firemode_storage::history::{self as stored, HistoryEntry};
use firemode_storage::sessions::Session;
use firemode_web::Problem;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::list::{Everything, List, Listing};

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
    /// What that user is called.
    #[schema(example = "Ada E.")]
    user_name: Option<String>,
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
    let key = (list.call.organisation_id(), *id);
    list.answer_within_from::<Session, _, _>(
        *id,
        async |tx, Listing { call, .. }, keyset| {
            let page = stored::list(tx, call.organisation_id(), *id, keyset).await?;
            let people = call.people(tx, page.rows.iter().map(|entry| entry.change.user_id)).await?;
            Ok(page.map(|entry| (people.name(entry.change.user_id), entry)))
        },
        async |Listing { call, .. }, entries: Vec<(Option<String>, HistoryEntry)>| {
            let look = |document: &SessionDocument| {
                entries.into_iter().map(|entry| view_of(document, entry)).collect::<Result<Vec<_>, _>>()
            };
            let (rows, _room) =
                call.state.documents.read(&call.state.database, key, Needs::Changes, look).await?;
            rows
        },
    )
    .await
}

fn view_of(
    document: &SessionDocument,
    (user_name, entry): (Option<String>, HistoryEntry),
) -> Result<HistoryView, Problem> {
    let HistoryEntry { change, actor, seq, late_state, .. } = entry;
    let summary = document.summary_of(&change_hash(&change.hash)?, &change.bytes);
    Ok(HistoryView {
        hash: HEXLOWER.encode(&change.hash),
        actor: HEXLOWER.encode(&actor),
        seq,
        user_id: change.user_id,
        user_name,
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
