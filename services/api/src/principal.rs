//! Who asks, as the access check has found out.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use firemode_domain::role::Role;
use firemode_identity::AccessClaims;
use firemode_web::Problem;
use uuid::Uuid;

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) struct Principal {
    pub(crate) user_id: Uuid,
    pub(crate) organisation_id: Uuid,
    pub(crate) role: Role,
    pub(crate) claims: AccessClaims,
}

impl Principal {
    /// Who asks, by a token that the access check has accepted.
    ///
    /// # Errors
    /// 401 where there is none.
    pub(crate) fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let principal = request.extensions().get::<Self>().cloned();
        principal.ok_or_else(|| Problem::unauthorized("This route needs an access token."))
    }
}

impl FromRequest for Principal {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Self::of(request))
    }
}
