//! Is it alive, is it ready.

use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpResponse, web};
use firemode_domain::role::Role;
use firemode_web::KeepBody;

use crate::ingest_client::IngestClient;
use crate::principal::Principal;
use crate::readiness::{self, Readiness};
use crate::state::ApiState;

/// Does this process answer?
///
/// Touches nothing else.
#[utoipa::path(get, path = "/health", tag = "service",
    responses((status = 200, description = "It does.", content_type = "application/json",
               example = json!({"status": "ok"}))))]
pub(crate) async fn health() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({"status": "ok"}))
}

/// Is this process worth keeping?
///
/// For restarts: never depends on the database.
#[utoipa::path(get, path = "/health/live", tag = "service",
    responses((status = 200, description = "It is.", content_type = "application/json",
               example = json!({"status": "ok"}))))]
pub(crate) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({"status": "ok"}))
}

/// Can the appliance do its work?
///
/// `details` are for the token of an admin.
#[utoipa::path(get, path = "/health/ready", tag = "service",
    responses((status = 200, description = "Every check is true.", body = Readiness),
              (status = 503, description = "At least one check is false.", body = Readiness)))]
pub(crate) async fn ready(
    principal: Option<Principal>,
    state: web::Data<ApiState>,
    client: web::Data<IngestClient>,
) -> HttpResponse {
    let with_details = principal.is_some_and(|principal| principal.role == Role::Admin);
    let readiness = readiness::check(&state, &client, with_details).await;
    if readiness.is_ready() {
        return HttpResponse::Ok().json(readiness);
    }
    let mut response = HttpResponse::ServiceUnavailable().insert_header((RETRY_AFTER, "1")).json(readiness);
    // The checks are the answer, so no problem body takes their place.
    response.extensions_mut().insert(KeepBody);
    response
}
