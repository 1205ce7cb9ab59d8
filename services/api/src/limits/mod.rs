//! The walls before the work: sizes of heads, times of bodies, numbers of requests.

pub(crate) mod cors;
pub(crate) mod rate;
mod slots;
pub(crate) mod slow_body;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, RANGE};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, web};
use firemode_runtime::settings::ServerSettings;
use firemode_web::{Caller, IDEMPOTENCY_KEY, Place, Problem, Routed, client_address, tus};

use crate::principal::Principal;
use crate::routes::{self, RouteRule};
use crate::state::ApiState;
use rate::{Exhausted, RateLimits, Standing};

/// What is signed in and out of, each time with a password's hash or a token of one's own.
const AUTH: &str = "/v1/auth/";

/// Headers that may come once, beside those of uploads. Where there are two, a proxy before us or a server behind us may look at the
/// other.
static SINGLE: [HeaderName; 3] = [CONTENT_TYPE, IDEMPOTENCY_KEY, RANGE];

/// Refuses heads that are too large or say something twice, bodies that would have to be unpacked, and addresses that ask too often, before anything
/// else is done for them.
pub(crate) async fn admit<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let Some(state) = request.app_data::<web::Data<ApiState>>().cloned() else {
        return next.call(request).await.map(ServiceResponse::map_into_left_body);
    };
    if let Err(problem) = check_head(&request, &state.settings.server) {
        return Ok(request.error_response(problem).map_into_right_body());
    }
    let taken = state.rate_limits.as_ref().and_then(|limits| take_by_address(&request, &state, limits));
    serve(taken, request, next).await
}

/// Refuses users that ask too often, or have too much under way. It stands behind the access check, which says who asks.
pub(crate) async fn count_user<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let user_id = request.extensions().get::<Principal>().map(|principal| principal.user_id);
    let place = Place::of(request.request());
    if let Some(Err(problem)) = user_id.zip(place).map(|(user_id, place)| place.count_for(user_id)) {
        return Ok(request.error_response(problem).map_into_right_body());
    }
    let taken = request.app_data::<web::Data<ApiState>>().and_then(|state| {
        let limits = state.rate_limits.as_ref()?;
        let is_counted = !is_always_open(&request);
        user_id.filter(|_| is_counted).map(|user_id| limits.user.take([Caller::User(user_id)]))
    });
    serve(taken, request, next).await
}

async fn serve<B: MessageBody>(
    taken: Option<Result<Standing, Exhausted>>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let (mut response, standing) = match taken {
        Some(Err(exhausted)) => {
            let problem = too_many(exhausted.retry_after_seconds);
            (request.error_response(problem).map_into_right_body(), Some(exhausted.standing))
        }
        Some(Ok(standing)) => (next.call(request).await?.map_into_left_body(), Some(standing)),
        None => (next.call(request).await?.map_into_left_body(), None),
    };
    if let Some(standing) = standing {
        standing.write_to(response.headers_mut());
    }
    Ok(response)
}

fn too_many(retry_after_seconds: u32) -> Problem {
    let detail = format!("Too many requests. Send this one again in {retry_after_seconds} s.");
    Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).retry_after(retry_after_seconds)
}

fn take_by_address(
    request: &ServiceRequest,
    state: &ApiState,
    limits: &RateLimits,
) -> Option<Result<Standing, Exhausted>> {
    if is_always_open(request) {
        return None;
    }
    let address = client_address(request.head(), state.settings.server.trusted_proxy_hops);
    let standing = match limits.address.take(Caller::of_address(address)) {
        Ok(_) if is_about_signing_in(request) => limits.auth.take(Caller::of_address(address)),
        taken => taken,
    };
    Some(standing)
}

fn is_always_open(request: &ServiceRequest) -> bool {
    routes::access_of(request).is_ok_and(|access| access == RouteRule::Always)
}

fn is_about_signing_in(request: &ServiceRequest) -> bool {
    Routed::of(request).pattern().is_some_and(|pattern| pattern.starts_with(AUTH))
}

fn check_head(request: &ServiceRequest, settings: &ServerSettings) -> Result<(), Problem> {
    let target_bytes = request.path().len() + request.query_string().len();
    if target_bytes > settings.target_bytes_max {
        let detail = format!("The address is longer than {} bytes.", settings.target_bytes_max);
        return Err(Problem::new(StatusCode::URI_TOO_LONG, detail));
    }
    let header_bytes: usize =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if header_bytes > settings.header_bytes_max {
        let detail = format!("The headers are longer than {} bytes.", settings.header_bytes_max);
        return Err(Problem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, detail));
    }
    let mut single = SINGLE.iter().chain(&tus::REQUEST_HEADERS);
    if let Some(name) = single.find(|name| request.headers().get_all(*name).nth(1).is_some()) {
        return Err(Problem::bad_request(format!("Send the header {name} once.")));
    }
    if request
        .headers()
        .get_all(CONTENT_ENCODING)
        .any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        let detail = "Send the body as it is, without Content-Encoding.";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    Ok(())
}
