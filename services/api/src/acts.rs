//! What users do, as the audit log has it.

use std::borrow::Cow;

use firemode_domain::audit::{AuditEvent, AuditStatus, truncate_to_microseconds};
use firemode_storage::users::User;
use firemode_web::RequestContext;
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::principal::Principal;

/// Who acts, and for whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UserRef {
    pub(crate) organisation_id: Uuid,
    pub(crate) user_id: Uuid,
}

impl From<&Principal> for UserRef {
    fn from(principal: &Principal) -> Self {
        Self { organisation_id: principal.organisation_id, user_id: principal.user_id }
    }
}

impl From<&User> for UserRef {
    fn from(user: &User) -> Self {
        Self { organisation_id: user.organisation_id, user_id: user.id }
    }
}

/// An act of a user that succeeded.
pub(crate) fn act(
    actor: impl Into<UserRef>,
    context: RequestContext,
    action: &'static str,
    resource: (&'static str, Uuid),
    before: Option<Value>,
    after: Option<Value>,
) -> AuditEvent {
    let actor = actor.into();
    AuditEvent {
        id: Uuid::now_v7(),
        organisation_id: actor.organisation_id,
        actor_user_id: Some(actor.user_id),
        action: Cow::Borrowed(action),
        resource_type: Cow::Borrowed(resource.0),
        resource_id: Some(resource.1.to_string()),
        status: AuditStatus::Success,
        before,
        after,
        transaction_id: context.transaction_id,
        at: truncate_to_microseconds(OffsetDateTime::now_utc()),
        replaces: None,
    }
}
