//! `POST /v1/evidence`: read and hash, make durable, commit, answer.

pub(crate) mod again;
mod body;
mod disposition;
pub(crate) mod fields;
pub(crate) mod form;
pub(crate) mod incoming;
pub(crate) mod keep;
mod key_lease;
mod multipart;
pub(crate) mod sniff;

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use firemode_domain::media_type::MediaType;
use firemode_domain::session::SessionStatus;
use firemode_storage::Executor;
use firemode_storage::evidence_store::Upload;
use firemode_storage::sessions::{self, Hold};
use firemode_web::wire::EvidenceFields;
use firemode_web::{IdempotencyKey, Problem, catalogue};
use futures_util::StreamExt as _;
use uuid::Uuid;

use self::key_lease::KeyLease;
use crate::detached;
use crate::principal::Principal;
use crate::state::IngestState;

/// Largest JSON body, in bytes: a file of 1 MB in base64, and what is said about it.
pub(crate) const JSON_BYTES_MAX: usize = 3 << 19;

/// Evidence that has been read and whose bytes have been hashed, but that nothing refers to yet.
#[derive(Debug)]
struct Received {
    fields: EvidenceFields,
    /// What the device calls the file, where the form says so.
    file_name: Option<String>,
    upload: Upload,
    content_type: MediaType,
    /// Distinguishes two requests under one idempotency key.
    fingerprint: [u8; 32],
}

/// Takes a piece of evidence.
pub(crate) async fn upload(
    principal: Principal,
    key: IdempotencyKey,
    request: HttpRequest,
    state: web::Data<IngestState>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let scope = key.required_scope(principal.organisation_id, principal.user_id)?;
    let lease = match KeyLease::take(&state, scope.clone()).await {
        Ok(lease) => lease,
        Err(problem) => {
            skip(payload, state.settings.ingest.evidence_bytes_max).await;
            return Err(problem);
        }
    };
    let received = match receive(&state, &principal, &request, payload).await {
        Ok(received) => received,
        Err(problem) => {
            release(lease).await;
            return Err(problem);
        }
    };
    let kept = async move {
        let kept = keep::keep(&state, &principal, Some(scope), received).await;
        release(lease).await;
        kept
    };
    detached::run_to_completion(kept).await?.respond_created(|evidence| {
        [(LOCATION, evidence["evidence_id"].as_str().map(|id| format!("/v1/evidence/{id}")))]
    })
}

async fn receive(
    state: &IngestState,
    principal: &Principal,
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<Received, Problem> {
    match request.content_type().to_ascii_lowercase().as_str() {
        "multipart/form-data" => form::receive(state, principal, request, payload).await,
        "application/json" => body::receive(state, principal, request, payload).await,
        _ => {
            let detail = "Evidence is a form (Content-Type: multipart/form-data) or JSON (application/json).";
            Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
        }
    }
}

/// Reads what the client is still sending, and keeps none of it: many look for an answer only once the body is sent.
async fn skip(mut payload: web::Payload, bytes_max: u64) {
    let mut bytes = 0;
    while let Some(Ok(chunk)) = payload.next().await {
        bytes += chunk.len() as u64;
        if bytes > bytes_max {
            return;
        }
    }
}

async fn release(lease: Option<KeyLease>) {
    if let Some(lease) = lease {
        lease.release().await;
    }
}

/// Is the session there, and does it take evidence? A completed one does: proof may come after the result.
async fn check_session(
    on: &impl Executor,
    organisation_id: Uuid,
    session_id: Uuid,
    hold: Hold,
) -> Result<(), Problem> {
    let session = sessions::find(on, organisation_id, session_id, hold).await?;
    match session.map(|session| session.status) {
        None => Err(Problem::not_found("test session")),
        Some(SessionStatus::Cancelled) => {
            Err(Problem::of(catalogue::CANCELLED, "The session is cancelled and takes no more evidence."))
        }
        Some(_) => Ok(()),
    }
}
