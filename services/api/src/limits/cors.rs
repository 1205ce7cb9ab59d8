//! Which web pages of other origins may call from a browser: none that the configuration does not name.
//!
//! Tokens travel in a header that the page sets, so no credentials of the browser's own (cookies) are ever allowed, and a page that may
//! call may send any header.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{
    ACCEPT_RANGES, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ALLOW, CONTENT_DISPOSITION, CONTENT_RANGE, ETAG, HeaderMap, HeaderName,
    HeaderValue, LINK, LOCATION, ORIGIN, RETRY_AFTER, VARY,
};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, web};
use firemode_web::{IDEMPOTENT_REPLAYED, Problem, TRANSACTION_ID, catalogue, tus};

use crate::state::ApiState;

const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// What a page may read of an answer, beside what every page may and what answers say of uploads.
static EXPOSED: [HeaderName; 12] = [
    ACCEPT_RANGES,
    ALLOW,
    CONTENT_DISPOSITION,
    CONTENT_RANGE,
    ETAG,
    LINK,
    LOCATION,
    RETRY_AFTER,
    TRANSACTION_ID,
    IDEMPOTENT_REPLAYED,
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
];

/// What an answer depends on, for caches.
const DEPENDS_ON: &str = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";

/// Longest origin that is named in an answer or a line of the log.
const ORIGIN_CHARACTERS_MAX: usize = 200;

/// Answers browsers that ask whether a page may call, and lets pages that may read the answers.
pub(crate) async fn check<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let origin = request.headers().get(ORIGIN).cloned();
    let (Some(origin), Some(state)) = (origin, request.app_data::<web::Data<ApiState>>().cloned()) else {
        let mut response = next.call(request).await?.map_into_left_body();
        depends_on_origin(response.headers_mut());
        return Ok(response);
    };
    let cors = &state.settings.cors;
    let is_allowed = origin.to_str().is_ok_and(|origin| cors.allows(origin));
    let mut response = match (is_question(&request), is_allowed) {
        (true, true) => {
            let answer = permission(&request, cors.preflight_seconds);
            request.into_response(answer).map_into_right_body()
        }
        (true, false) => request.error_response(refusal(&origin)).map_into_right_body(),
        (false, _) => next.call(request).await?.map_into_left_body(),
    };
    depends_on_origin(response.headers_mut());
    if is_allowed {
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        response.headers_mut().insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed());
    }
    Ok(response)
}

/// Does a browser ask before it sends what the page wants to send?
fn is_question(request: &ServiceRequest) -> bool {
    request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The methods there are, and the headers that were asked for.
fn permission(request: &ServiceRequest, seconds: usize) -> HttpResponse {
    let mut response = HttpResponse::NoContent();
    response.insert_header((ACCESS_CONTROL_ALLOW_METHODS, METHODS));
    response.insert_header((ACCESS_CONTROL_MAX_AGE, seconds));
    if let Some(headers) = request.headers().get(ACCESS_CONTROL_REQUEST_HEADERS) {
        response.insert_header((ACCESS_CONTROL_ALLOW_HEADERS, headers.clone()));
    }
    response.finish()
}

fn refusal(origin: &HeaderValue) -> Problem {
    let origin: String =
        String::from_utf8_lossy(origin.as_bytes()).chars().take(ORIGIN_CHARACTERS_MAX).collect();
    let detail =
        format!("Pages of {origin} may not call here. The operator can allow them: cors.allowed_origins.");
    Problem::of(catalogue::ORIGIN, detail).caused_by(format!("{origin} is not in cors.allowed_origins"))
}

fn depends_on_origin(headers: &mut HeaderMap) {
    headers.append(VARY, HeaderValue::from_static(DEPENDS_ON));
}

fn exposed() -> HeaderValue {
    let names =
        EXPOSED.iter().chain(&tus::CAPABILITY_HEADERS).chain(&tus::RESPONSE_HEADERS).map(HeaderName::as_str);
    let names: Vec<&str> = names.collect();
    HeaderValue::try_from(names.join(", ")).expect("names of headers are a header's value")
}
