//! Work that came after its session was completed, and what a manager makes of it.

use actix_web::{HttpResponse, web};
use firemode_storage::audit;
use firemode_storage::changes::{self, LateDecision};
use firemode_storage::sessions::{self, Hold};
use firemode_web::{Problem, RequestContext};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::acts::act;
use crate::handlers::sessions::lookup::no_such_session;
use crate::principal::Principal;
use crate::state::State;

/// What was decided about late work.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LateDecided {
    session_id: Uuid,
    /// `accepted` or `rejected`.
    #[schema(example = "accepted")]
    state: &'static str,
    /// How many changes waited for the decision.
    changes: u64,
}

/// Makes late work part of the record
#[utoipa::path(post, path = "/v1/tests/sessions/{session_id}/late/accept", tag = "sessions",
    params(("session_id" = Uuid, Path)),
    responses((status = 200, description = "Merged into the document.", body = LateDecided)))]
pub(crate) async fn accept_late(
    id: web::Path<Uuid>,
    principal: Principal,
    context: RequestContext,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    decide(*id, LateDecision::Accept, &principal, context, &state).await
}

/// Keeps late work apart for good
///
/// Nothing is deleted.
#[utoipa::path(post, path = "/v1/tests/sessions/{session_id}/late/reject", tag = "sessions",
    params(("session_id" = Uuid, Path)),
    responses((status = 200, description = "Kept apart.", body = LateDecided)))]
pub(crate) async fn reject_late(
    id: web::Path<Uuid>,
    principal: Principal,
    context: RequestContext,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    decide(*id, LateDecision::Reject, &principal, context, &state).await
}

async fn decide(
    id: Uuid,
    decision: LateDecision,
    principal: &Principal,
    context: RequestContext,
    state: &State,
) -> Result<HttpResponse, Problem> {
    let (name, action) = match decision {
        LateDecision::Accept => ("accepted", "late.accept"),
        LateDecision::Reject => ("rejected", "late.reject"),
    };
    let tx = state.database.tenant(principal.organisation_id).transaction().await?;
    let session = sessions::find(&tx, principal.organisation_id, id, Hold::Alone).await?;
    session.ok_or_else(no_such_session)?;
    let changes =
        changes::decide_late(&tx, principal.organisation_id, id, principal.user_id, decision).await?;
    let event = act(principal, context, action, ("session", id), None, Some(json!({"changes": changes})));
    audit::record(&tx, &[event]).await?;
    tx.commit().await?;
    Ok(HttpResponse::Ok().json(LateDecided { session_id: id, state: name, changes }))
}
