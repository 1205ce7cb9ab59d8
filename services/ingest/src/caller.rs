//! Who asks, as the API has found out.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpRequest, web};
use firemode_domain::audit::{AuditEvent, AuditStatus, truncate_to_microseconds};
use firemode_domain::role::Role;
use firemode_identity::at;
use firemode_storage::revocations::TokenInUse;
use firemode_storage::{Transaction, revocations};
use firemode_web::{Problem, catalogue};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::state::State;

/// Someone who may bring results, evidence and faults: known by an internal token.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) user_id: Uuid,
    pub(crate) organisation_id: Uuid,
    /// `jti` of the access token.
    access_jti: Uuid,
    /// When the access token was made.
    access_issued_at: OffsetDateTime,
    transaction_id: Uuid,
}

impl Caller {
    fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let state = request
            .app_data::<web::Data<State>>()
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
        Ok(Self {
            user_id: claims.sub,
            organisation_id: claims.org,
            access_jti: claims.access_jti,
            access_issued_at: at(claims.access_iat),
            transaction_id: claims.transaction_id,
        })
    }

    /// The access token that this caller came with.
    pub(crate) fn token(&self) -> TokenInUse {
        TokenInUse {
            organisation_id: self.organisation_id,
            user_id: self.user_id,
            jti: self.access_jti,
            issued_at: self.access_issued_at,
        }
    }

    /// Asks again, inside the transaction that relies on it, whether the access token still counts.
    pub(crate) async fn check_token(&self, tx: &Transaction) -> Result<(), Problem> {
        let valid = revocations::valid_of(tx, [self.token()]).await?;
        if valid.is_empty() { Err(revoked()) } else { Ok(()) }
    }

    /// The audit event of an act of this caller, now.
    pub(crate) fn event(
        &self,
        action: &'static str,
        resource: (&'static str, Option<String>),
        status: AuditStatus,
        after: Value,
    ) -> AuditEvent {
        AuditEvent {
            id: Uuid::now_v7(),
            organisation_id: self.organisation_id,
            actor_user_id: Some(self.user_id),
            action: action.into(),
            resource_type: resource.0.into(),
            resource_id: resource.1,
            status,
            before: None,
            after: Some(after),
            transaction_id: self.transaction_id,
            at: truncate_to_microseconds(OffsetDateTime::now_utc()),
            replaces: None,
        }
    }
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request))
    }
}

/// The access token no longer counts.
pub(crate) fn revoked() -> Problem {
    Problem::unauthorized("The access token was revoked. Sign in again.").reason(catalogue::REVOKED)
}
