//! Work that came after its session was completed, and what a manager makes of it.

use actix_web::{HttpResponse, web};
use firemode_domain::session::LateDecision;
use firemode_storage::sessions::Session;
use firemode_storage::{Hold, changes, clocks};
use firemode_web::Problem;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::call::Call;

/// What was decided about late work.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LateDecided {
    session_id: Uuid,
    state: LateDecision,
    /// How many changes waited for the decision.
    changes: u64,
}

/// Makes late work part of the record
#[utoipa::path(post, path = "/v1/tests/sessions/{session_id}/late/accept", tag = "sessions",
    params(("session_id" = Uuid, Path)),
    responses((status = 200, description = "Merged into the document.", body = LateDecided)))]
pub(crate) async fn accept_late(id: web::Path<Uuid>, call: Call) -> Result<HttpResponse, Problem> {
    decide(*id, LateDecision::Accept, &call).await
}

/// Keeps late work apart for good
///
/// Nothing is deleted.
#[utoipa::path(post, path = "/v1/tests/sessions/{session_id}/late/reject", tag = "sessions",
    params(("session_id" = Uuid, Path)),
    responses((status = 200, description = "Kept apart.", body = LateDecided)))]
pub(crate) async fn reject_late(id: web::Path<Uuid>, call: Call) -> Result<HttpResponse, Problem> {
    decide(*id, LateDecision::Reject, &call).await
}

async fn decide(id: Uuid, decision: LateDecision, call: &Call) -> Result<HttpResponse, Problem> {
    let action = match decision {
        LateDecision::Accept => "late.accept",
        LateDecision::Reject => "late.reject",
    };
    let tx = call.transaction().await?;
    call.find::<Session>(&tx, id, Hold::Alone).await?;
    let changes = changes::decide_late(&tx, call.organisation_id(), id, call.user_id(), decision).await?;
    clocks::settle(&tx, call.organisation_id(), id).await?;
    call.record(&tx, action, ("session", id), None, Some(json!({"changes": changes}))).await?;
    tx.commit().await?;
    Ok(HttpResponse::Ok().json(LateDecided { session_id: id, state: decision, changes }))
}
