//! What every answer has in common, in one middleware.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::ConnectionType;
use actix_web::http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING,
};
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage as _, HttpRequest};
use tracing::Instrument as _;
use uuid::Uuid;

use crate::observed::Observed;
use crate::routing::Decision;
use crate::{Problem, security, tus};

/// The header with the request's id, on every answer.
pub const TRANSACTION_ID: HeaderName = HeaderName::from_static("x-transaction-id");

/// What is known of a request from its first moment on.
#[derive(Debug, Clone, Copy)]
pub struct RequestContext {
    /// Names this request in the logs and in the audit trail.
    pub transaction_id: Uuid,
}

/// Put into a response's extensions, it says that a failure status comes with a body of the route's own, which stays.
#[derive(Debug, Clone, Copy)]
pub struct KeepBody;

impl RequestContext {
    /// That of a request.
    ///
    /// # Errors
    /// 500 outside the conventions middleware: a defect of ours.
    pub fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let context = request.extensions().get::<Self>().copied();
        context.ok_or_else(|| Problem::internal("a route outside the conventions middleware"))
    }
}

impl FromRequest for RequestContext {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Self::of(request))
    }
}

/// For the public server: gives the request a transaction id of its own, decides which route it is for, logs it once, and turns
/// every error that comes back into a problem body.
///
/// # Errors
/// Only with an answer inside.
pub async fn conventions(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    serve(Uuid::now_v7(), false, request, next).await
}

/// The same for a server behind the API, which keeps the transaction id that the API gave.
///
/// # Errors
/// Only with an answer inside.
pub async fn conventions_behind_api(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let given = request.headers().get(TRANSACTION_ID).and_then(|value| value.to_str().ok());
    let transaction_id = given.and_then(|text| text.parse().ok()).unwrap_or_else(Uuid::now_v7);
    serve(transaction_id, true, request, next).await
}

async fn serve(
    transaction_id: Uuid,
    is_behind_api: bool,
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let decision = Decision::of(&request);
    let route = decision.routed.pattern();
    let observed = Observed::new(&request, route, transaction_id, is_behind_api);
    decision.apply(&mut request);
    request.extensions_mut().insert(RequestContext { transaction_id });
    request.extensions_mut().insert(observed.trace.clone());
    match next.call(request).instrument(observed.span.clone()).await {
        Ok(response) => {
            let (mut response, cause) = with_problem_body(response, transaction_id, &observed.path);
            let status = response.status();
            common_headers(response.headers_mut(), transaction_id);
            tus::add(response.headers_mut(), route, status);
            observed.end(status, cause.as_deref());
            Ok(response)
        }
        Err(error) => {
            let problem = problem_of(&error);
            let mut response = problem.render(transaction_id, &observed.path);
            common_headers(response.headers_mut(), transaction_id);
            tus::add(response.headers_mut(), route, problem.status());
            observed.end(response.status(), problem.cause());
            Err(InternalError::from_response(error, response).into())
        }
    }
}

type Rendered = (ServiceResponse<BoxBody>, Option<String>);

fn with_problem_body(
    response: ServiceResponse<impl MessageBody + 'static>,
    transaction_id: Uuid,
    path: &str,
) -> Rendered {
    let status = response.status();
    let is_problem = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/problem+json"));
    let keep = is_problem || response.response().extensions().contains::<KeepBody>();
    if keep || !(status.is_client_error() || status.is_server_error()) {
        return (response.map_into_boxed_body(), None);
    }
    let problem = match response.response().error() {
        Some(error) => problem_of(error),
        None => Problem::of_status(status),
    };
    let mut rendered = problem.render(transaction_id, path);
    keep_headers(response.headers(), rendered.headers_mut());
    if response.response().head().connection_type() == ConnectionType::Close {
        rendered.head_mut().set_connection_type(ConnectionType::Close);
    }
    (response.into_response(rendered), problem.cause().map(str::to_owned))
}

/// Headers that say nothing about the body stay: a browser has to be allowed to read the problem, too.
fn keep_headers(old: &HeaderMap, new: &mut HeaderMap) {
    let mut set: Vec<HeaderName> = new.keys().cloned().collect();
    set.extend([CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING, TRANSFER_ENCODING]);
    for (name, value) in old.iter().filter(|(name, _)| !set.contains(name)) {
        new.append(name.clone(), value.clone());
    }
}

fn problem_of(error: &Error) -> Problem {
    match error.as_error::<Problem>() {
        Some(problem) => problem.clone(),
        None => {
            let problem = Problem::of_status(error.as_response_error().status_code());
            if problem.status().is_server_error() { problem.caused_by(error) } else { problem }
        }
    }
}

fn common_headers(headers: &mut HeaderMap, transaction_id: Uuid) {
    // A UUID is always a valid header value.
    if let Ok(value) = HeaderValue::from_str(&transaction_id.to_string()) {
        headers.insert(TRANSACTION_ID, value);
    }
    security::add(headers);
}
