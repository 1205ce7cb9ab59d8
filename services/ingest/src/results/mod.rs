//! `POST /v1/tests/sessions/{session_id}/results`: decode → line up → merge → commit → answer, many requests at a time.

pub(crate) mod admission;
mod answer;
mod batch;
mod counts;
mod decode;
mod elsewhere;
mod entry_selection;
mod failure;
mod lane;
mod merge;
pub(crate) mod queue;
mod refusal;

use std::sync::OnceLock;

use actix_web::{HttpRequest, HttpResponse, web};
use firemode_web::{BodyLimit, IdempotencyKey, Problem, collect, collect_json};
use uuid::Uuid;

pub(crate) use self::counts::describe;
use self::decode::{Decoded, Form};
use self::queue::Request;
use crate::principal::Principal;
use crate::state::IngestState;

/// A body of this size is read at once: handing it to another thread would take longer.
const READ_AT_ONCE_BYTES_MAX: usize = 16 << 10;

/// Takes results of a session.
pub(crate) async fn submit(
    principal: Principal,
    key: IdempotencyKey,
    session_id: web::Path<Uuid>,
    request: HttpRequest,
    state: web::Data<IngestState>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    use actix_web::HttpMessage as _;
    let form = Form::of(request.content_type())?;
    let payload = payload.into_inner();
    let body = match form {
        Form::Json => collect_json(&request, payload).await?,
        Form::Automerge => collect(&request, payload, BodyLimit::of(&request)).await?,
    };
    let byte_count = body.len();
    let decoded = decode(form, body, principal.user_id, &state).await?;
    let key = key.or_from_body(decoded.idempotency_key.as_deref())?;
    let answer = state.queue.push(Request {
        scope: key.required_scope(principal.organisation_id, principal.user_id)?,
        session_id: *session_id,
        fingerprint: decoded.fingerprint,
        submission: decoded.submission,
        strangers: OnceLock::new(),
        byte_count,
        operation_count: decoded.operation_count,
        principal,
    })?;
    Ok(answer.await.map_err(Problem::internal)??.respond())
}

async fn decode(
    form: Form,
    body: web::Bytes,
    user_id: Uuid,
    state: &IngestState,
) -> Result<Decoded, Problem> {
    if body.len() <= READ_AT_ONCE_BYTES_MAX {
        return decode::decode(form, &body, user_id, &state.limits);
    }
    let limits = state.limits.clone();
    web::block(move || decode::decode(form, &body, user_id, &limits)).await.map_err(Problem::internal)?
}
