//! Who may call what: decided in one place, from the table of routes.

use actix_web::body::MessageBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage as _, HttpRequest, web};
use firemode_domain::role::Role;
use firemode_web::{AccessClaims, Problem, TokenError};
use uuid::Uuid;

use crate::routes;
use crate::state::{Ready, State};

/// What a route asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nothing, and it answers even while the database is not there.
    Always,
    /// No token.
    Public,
    /// A token with one of these roles.
    Roles(&'static [Role]),
}

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) struct Principal {
    pub(crate) user_id: Uuid,
    pub(crate) organisation_id: Uuid,
    pub(crate) role: Role,
    pub(crate) claims: AccessClaims,
}

impl FromRequest for Principal {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let principal = request.extensions().get::<Self>().cloned();
        std::future::ready(
            principal.ok_or_else(|| Problem::unauthorized("This route needs an access token.")),
        )
    }
}

/// Lets a request through if its route exists, takes its method, is ready, and allows its caller.
pub(crate) async fn check(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let Some(pattern) = request.match_pattern() else { return next.call(request).await };
    let route = routes::find(request.method(), &pattern).map_err(Problem::method_not_allowed)?;
    let Some(state) = request.app_data::<web::Data<State>>().cloned() else {
        return Err(Problem::internal("the application has no state").into());
    };
    if route != Access::Always && state.readiness.get() == Ready::Starting {
        let detail = "The appliance is starting. Try again in a moment.";
        return Err(Problem::unavailable(detail).reason("STARTING").into());
    }
    match route {
        Access::Public => {}
        // Health shows more to an admin, so a token that is there is looked at; one that is not good counts as none.
        Access::Always => {
            if let Ok(principal) = authenticate(&state, &request).await {
                request.extensions_mut().insert(principal);
            }
        }
        Access::Roles(roles) => {
            let principal = authenticate(&state, &request).await?;
            if !roles.contains(&principal.role) {
                let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
                let detail =
                    format!("A {} may not do this; it needs {}.", principal.role, names.join(" or "));
                return Err(Problem::forbidden(detail).into());
            }
            request.extensions_mut().insert(principal);
        }
    }
    next.call(request).await
}

async fn authenticate(state: &State, request: &ServiceRequest) -> Result<Principal, Problem> {
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = header
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .ok_or_else(|| {
            Problem::unauthorized("This route needs an access token: Authorization: Bearer <token>.")
        })?;
    let claims = state.access_key.verify(token).map_err(|error| match error {
        TokenError::Expired => {
            Problem::unauthorized("The access token has expired. Refresh it.").reason("EXPIRED")
        }
        TokenError::Invalid => Problem::unauthorized("The access token is not valid."),
    })?;
    if !state.revocations.allows(&state.database, &claims).await? {
        return Err(Problem::unauthorized("The access token was revoked. Sign in again.").reason("REVOKED"));
    }
    Ok(Principal { user_id: claims.sub, organisation_id: claims.org, role: claims.role, claims })
}
