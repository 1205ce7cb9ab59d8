//! The audit log.

use actix_web::HttpResponse;
use data_encoding::HEXLOWER;
use firemode_domain::audit::AuditStatus;
use firemode_domain::input::Time;
use firemode_storage::audit::{self, AuditEntry, AuditFilter};
use firemode_web::Problem;
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::list::{Filters, List, Listing};
use crate::people::People;
use crate::schema::free_object_or_null;

/// One act.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditView {
    id: Uuid,
    #[schema(example = "session.create")]
    action: String,
    /// The user who acted; null for the system itself.
    actor: Option<Uuid>,
    /// What the user is called.
    #[schema(example = "Ada E.")]
    actor_name: Option<String>,
    resource: Resource,
    /// How it ended.
    status: AuditStatus,
    /// The request that did it.
    transaction_id: Uuid,
    /// What was there before: states, codes and numbers as they are, what people write as `sha256:` and a hash.
    #[schema(schema_with = free_object_or_null)]
    before: Option<Value>,
    /// What was there afterwards, in the same way.
    #[schema(schema_with = free_object_or_null)]
    after: Option<Value>,
    /// SHA-256 of the act's canonical bytes as a Merkle tree leaf (RFC 6962), in hex.
    leaf_hash: String,
    /// The leaf's hash before it was replaced by one that says less; left out where it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    replaces: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
}

/// What an act was done to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Resource {
    #[serde(rename = "type")]
    #[schema(example = "session")]
    kind: String,
    id: Option<String>,
}

impl AuditView {
    pub(crate) fn of(AuditEntry { event, leaf_hash }: AuditEntry, people: &People) -> Self {
        Self {
            id: event.id,
            action: event.action.into_owned(),
            actor_name: people.name(event.actor_user_id),
            actor: event.actor_user_id,
            resource: Resource { kind: event.resource_type.into_owned(), id: event.resource_id },
            status: event.status,
            transaction_id: event.transaction_id,
            before: event.before,
            after: event.after,
            leaf_hash: HEXLOWER.encode(&leaf_hash),
            replaces: event.replaces,
            at: event.at,
        }
    }
}

impl Filters for AuditFilter {
    fn scope(&self, path: &str, _: Option<Uuid>) -> (String, String) {
        let Self { user_id, action, resource_type, resource_id, status, date_from, date_to } = self;
        let (action, resource_type) = (action.as_deref(), resource_type.as_deref());
        let (resource_id, status) = (resource_id.as_deref(), status.map(AuditStatus::as_str));
        let mut filters = format!(
            "AuditFilter {{ user_id: {user_id:?}, action: {action:?}, resource_type: {resource_type:?}, \
             resource_id: {resource_id:?}, status: {status:?} }}"
        );
        if date_from.is_some() || date_to.is_some() {
            let (from, to) = (date_from.map(Time::get), date_to.map(Time::get));
            filters.push_str(&format!(" from: {from:?}, to: {to:?}"));
        }
        (path.to_owned(), filters)
    }
}

/// Who did what, newest first
#[utoipa::path(get, path = "/v1/audit", tag = "audit", params(Listing<AuditFilter>),
    responses((status = 200, description = "One page.", body = List<AuditView>)))]
pub(crate) async fn list(list: Listing<AuditFilter>) -> Result<HttpResponse, Problem> {
    list.answer(async |tx, Listing { call, filter, .. }, keyset| {
        let page = audit::list(tx, call.organisation_id(), filter, keyset).await?;
        let people = call.people(tx, page.rows.iter().map(|entry| entry.event.actor_user_id)).await?;
        Ok(page.map(|entry| AuditView::of(entry, &people)))
    })
    .await
}
