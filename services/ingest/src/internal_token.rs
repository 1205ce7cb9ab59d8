//! How the API says who asks: by an internal token.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpRequest, web};
use firemode_domain::role::Role;
use firemode_identity::at;
use firemode_web::{Place, Problem};
use time::OffsetDateTime;

use crate::principal::Principal;
use crate::state::IngestState;

impl Principal {
    fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let state = request
            .app_data::<web::Data<IngestState>>()
            .ok_or_else(|| Problem::internal("the application has no state"))?;
        let refused = || Problem::unauthorized("This process takes requests from the API only.");
        let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|text| text.strip_prefix("Bearer ")).ok_or_else(refused)?;
        let claims = state
            .internal_key
            .verify(token, OffsetDateTime::now_utc())
            .map_err(|error| refused().caused_by(error))?;
        if claims.role == Role::Auditor {
            return Err(Problem::forbidden("An auditor may read, but brings nothing."));
        }
        let place = Place::of(request);
        if let Some(place) = &place {
            place.count_for(claims.sub)?;
        }
        Ok(Self {
            user_id: claims.sub,
            organisation_id: claims.org,
            access_jti: claims.access_jti,
            access_issued_at: at(claims.access_iat),
            transaction_id: claims.transaction_id,
            place,
        })
    }
}

impl FromRequest for Principal {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request))
    }
}
