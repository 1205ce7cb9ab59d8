//! Puts refusals for a missing role on record, once for each user, route and minute: a flood of them must not fill the log.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use actix_web::http::Method;
use firemode_domain::audit::{AuditEvent, AuditStatus};
use firemode_storage::{Database, StorageError, audit};
use firemode_web::RequestContext;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::acts::act;
use crate::principal::Principal;

/// Refusals of one minute that are remembered; further ones of it are not put on record.
const REMEMBERED_MAX: usize = 10_000;

/// What was put on record in the present minute.
#[derive(Debug, Default)]
pub(crate) struct Denials(Mutex<(i64, HashSet<Uuid>)>);

impl Denials {
    /// Puts a refusal on record. It was refused in any case, so a failure is only logged.
    pub(crate) async fn record(
        &self,
        database: &Database,
        principal: &Principal,
        context: RequestContext,
        method: &Method,
        route: &str,
    ) {
        let minute = OffsetDateTime::now_utc().unix_timestamp() / 60;
        let id = id_of(principal, method, route, minute);
        if !self.is_first(minute, id) {
            return;
        }
        let mut event = act(principal, context, "access.deny", ("route", principal.user_id), None, None);
        event.id = id;
        event.resource_id = Some(format!("{method} {route}"));
        event.status = AuditStatus::Failure;
        event.after = Some(serde_json::json!({"role": principal.role}));
        if let Err(error) = put(database, &event).await {
            tracing::warn!(%error, "a refusal was not put on record");
        }
    }

    fn is_first(&self, minute: i64, id: Uuid) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.0 != minute {
            *seen = (minute, HashSet::new());
        }
        seen.1.len() < REMEMBERED_MAX && seen.1.insert(id)
    }
}

async fn put(database: &Database, event: &AuditEvent) -> Result<(), StorageError> {
    let tx = database.tenant(event.organisation_id).transaction().await?;
    audit::record_once(&tx, event).await?;
    tx.commit().await
}

/// The same for every instance.
fn id_of(principal: &Principal, method: &Method, route: &str, minute: i64) -> Uuid {
    let user_id = principal.user_id.as_bytes();
    AuditEvent::id_of(&[user_id, &minute.to_be_bytes(), method.as_str().as_bytes(), route.as_bytes()])
}
