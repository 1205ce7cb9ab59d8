//! Who may call what: decided in one place, from the table of routes.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, web};
use firemode_domain::role::Role;
use firemode_identity::TokenError;
use firemode_web::{Problem, RequestContext, Routed, catalogue};
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

use crate::principal::Principal;
use crate::routes::{self, RouteRule};
use crate::state::ApiState;

/// Lets a request through if its route exists, takes its method, is ready, and allows its caller.
pub(crate) async fn check(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    match admit(&request).await {
        Ok(()) => next.call(request).await.map(ServiceResponse::map_into_left_body),
        // An answer, and no error: the layers around this one add their headers to it.
        Err(problem) => Ok(request.error_response(problem).map_into_right_body()),
    }
}

async fn admit(request: &ServiceRequest) -> Result<(), Problem> {
    let route = routes::access_of(request)?;
    let Some(state) = request.app_data::<web::Data<ApiState>>().cloned() else {
        return Err(Problem::internal("the application has no state"));
    };
    let is_scraper = route == RouteRule::Metrics && has_metrics_token(&state, request);
    let is_public_page = route == RouteRule::Docs && state.settings.server.docs_public;
    let is_open = route == RouteRule::Always || is_scraper || is_public_page;
    if !is_open && !state.readiness.has_opened() {
        let detail = "The appliance is starting. Try again in a moment.";
        return Err(Problem::unavailable(detail).reason(catalogue::STARTING));
    }
    match route.roles() {
        // Health shows more to an admin, so a token that is there is looked at; one that is not good counts as none.
        None if route == RouteRule::Always => {
            if let Ok(principal) = authenticate(&state, request).await {
                request.extensions_mut().insert(principal);
            }
        }
        None if route == RouteRule::Docs && !is_public_page => {
            let principal = authorize(&state, request, &[Role::Admin]).await?;
            request.extensions_mut().insert(principal);
        }
        Some(roles) if !is_scraper => {
            let principal = authorize(&state, request, roles).await?;
            request.extensions_mut().insert(principal);
        }
        _ => {}
    }
    Ok(())
}

async fn authorize(state: &ApiState, request: &ServiceRequest, roles: &[Role]) -> Result<Principal, Problem> {
    let principal = authenticate(state, request).await?;
    if roles.contains(&principal.role) {
        return Ok(principal);
    }
    let context = request.extensions().get::<RequestContext>().copied();
    if let (Some(context), Some(route)) = (context, Routed::of(request).pattern()) {
        state.denials.record(&state.database, &principal, context, request.method(), route).await;
    }
    let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
    let detail = format!("A {} may not do this; it needs {}.", principal.role, names.join(" or "));
    Err(Problem::forbidden(detail))
}

/// Compares hashes, so that the time it takes reveals nothing about the token.
fn has_metrics_token(state: &ApiState, request: &ServiceRequest) -> bool {
    let wanted = state.settings.metrics.token.expose_secret();
    !wanted.is_empty() && bearer(request).is_some_and(|given| Sha256::digest(given) == Sha256::digest(wanted))
}

fn bearer(request: &ServiceRequest) -> Option<&str> {
    let mut headers = request.headers().get_all(AUTHORIZATION);
    // Where there are two, a proxy before us may have looked at the other.
    let (header, None) = (headers.next()?.to_str().ok()?, headers.next()) else { return None };
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

async fn authenticate(state: &ApiState, request: &ServiceRequest) -> Result<Principal, Problem> {
    let token = bearer(request).ok_or_else(|| {
        Problem::unauthorized("This route needs an access token: Authorization: Bearer <token>.")
    })?;
    let claims = state.access_key.verify(token, OffsetDateTime::now_utc()).map_err(|error| match error {
        TokenError::Expired => {
            Problem::unauthorized("The access token has expired. Refresh it.").reason(catalogue::EXPIRED)
        }
        TokenError::Invalid => Problem::unauthorized("The access token is not valid."),
    })?;
    if !state.revocations.allows(&state.database, &claims).await? {
        return Err(
            Problem::unauthorized("The access token was revoked. Sign in again.").reason(catalogue::REVOKED)
        );
    }
    Ok(Principal { user_id: claims.sub, organisation_id: claims.org, role: claims.role, claims })
}
