//! `POST /v1/evidence`: read and hash, make durable, commit, answer.

mod body;
pub(crate) mod fields;
pub(crate) mod form;
pub(crate) mod incoming;
pub(crate) mod keep;
pub(crate) mod sniff;

use actix_web::http::StatusCode;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use firemode_domain::session::SessionStatus;
use firemode_storage::Executor;
use firemode_storage::evidence_store::Upload;
use firemode_storage::sessions::{self, Hold};
use firemode_web::shapes::EvidenceFields;
use firemode_web::{Key, Problem};
use uuid::Uuid;

use crate::caller::Caller;
use crate::detached;
use crate::state::State;

/// Largest JSON body, in bytes: a file of 1 MB in base64, and what is said about it.
pub(crate) const JSON_BYTES_MAX: usize = 3 << 19;

/// Evidence that has been read and whose bytes have been hashed, but that nothing refers to yet.
#[derive(Debug)]
struct Received {
    fields: EvidenceFields,
    upload: Upload,
    content_type: &'static str,
    /// Tells two requests under one idempotency key apart.
    fingerprint: [u8; 32],
}

/// Takes a piece of evidence.
pub(crate) async fn upload(
    caller: Caller,
    key: Key,
    request: HttpRequest,
    state: web::Data<State>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let key = key.required()?;
    let received = match request.content_type().to_ascii_lowercase().as_str() {
        "multipart/form-data" => form::receive(&state, &caller, &request, payload).await?,
        "application/json" => body::receive(&state, &caller, &request, payload).await?,
        _ => {
            let detail = "Evidence is a form (Content-Type: multipart/form-data) or JSON (application/json).";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
    };
    let scope = key.scope(caller.organisation_id, caller.user_id);
    let kept = async move { keep::keep(&state, &caller, scope, received).await };
    Ok(detached::to_the_end(kept).await?.respond())
}

/// Is the session there, and does it take evidence? A completed one does: proof may come after the result.
pub(crate) async fn check_session(
    on: &impl Executor,
    organisation_id: Uuid,
    session_id: Uuid,
    hold: Hold,
) -> Result<(), Problem> {
    let session = sessions::find(on, organisation_id, session_id, hold).await?;
    match session.map(|session| session.status) {
        None => Err(Problem::not_found("test session")),
        Some(SessionStatus::Cancelled) => {
            Err(Problem::conflict("The session is cancelled and takes no more evidence."))
        }
        Some(_) => Ok(()),
    }
}
