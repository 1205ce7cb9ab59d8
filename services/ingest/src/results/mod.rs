//! `POST /v1/tests/sessions/{session_id}/results`: decode and prepare, commit, adopt, answer.

mod accept;
mod answer;
mod decode;
mod refusal;
mod remainder;

use actix_web::{HttpRequest, HttpResponse, web};
use firemode_web::{Key, Problem};
use uuid::Uuid;

use self::accept::Acceptance;
use self::decode::Form;
use crate::caller::Caller;
use crate::detached;
use crate::state::State;

/// Takes results of a session.
pub(crate) async fn submit(
    caller: Caller,
    key: Key,
    session_id: web::Path<Uuid>,
    request: HttpRequest,
    state: web::Data<State>,
    body: web::Bytes,
) -> Result<HttpResponse, Problem> {
    use actix_web::HttpMessage as _;
    let form = Form::of(request.content_type())?;
    let (limits, user_id) = (state.limits.clone(), caller.user_id);
    let decoded = web::block(move || decode::decode(form, &body, user_id, &limits))
        .await
        .map_err(Problem::internal)??;
    let key = key.or_from_body(decoded.idempotency_key.as_deref())?.required()?;
    let acceptance = Acceptance {
        scope: key.scope(caller.organisation_id, caller.user_id),
        session_id: *session_id,
        fingerprint: decoded.fingerprint,
        submission: decoded.submission,
        caller,
        state,
    };
    Ok(detached::to_the_end(async move { acceptance.run().await }).await?.respond())
}
