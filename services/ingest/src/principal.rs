//! Who asks, as the API has found out.

use firemode_domain::audit::{AuditEvent, AuditStatus, truncate_to_microseconds};
use firemode_storage::revocations::TokenInUse;
use firemode_storage::{Transaction, revocations};
use firemode_web::{Place, Problem, catalogue};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

/// Someone who may bring results, evidence and faults: known by an internal token.
#[derive(Debug, Clone)]
pub(crate) struct Principal {
    pub(crate) user_id: Uuid,
    pub(crate) organisation_id: Uuid,
    /// `jti` of the access token.
    pub(crate) access_jti: Uuid,
    /// When the access token was made.
    pub(crate) access_issued_at: OffsetDateTime,
    pub(crate) transaction_id: Uuid,
    /// What the memory of its request is counted by, for as long as anybody works for it: the client may be gone before.
    pub(crate) place: Option<Place>,
}

impl Principal {
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

/// The access token no longer counts.
pub(crate) fn revoked() -> Problem {
    Problem::unauthorized("The access token was revoked. Sign in again.").reason(catalogue::REVOKED)
}
