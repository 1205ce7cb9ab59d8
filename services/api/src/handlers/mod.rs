//! What serves the routes, a file for each noun.

pub(crate) mod assets;
pub(crate) mod audit;
pub(crate) mod auth;
pub(crate) mod buildings;
pub(crate) mod bundle;
pub(crate) mod evidence;
pub(crate) mod evidence_content;
pub(crate) mod feed;
pub(crate) mod health;
pub(crate) mod history;
pub(crate) mod hot;
pub(crate) mod invitations;
pub(crate) mod items;
pub(crate) mod late;
pub(crate) mod me;
pub(crate) mod metrics;
pub(crate) mod new_assets;
mod new_items;
pub(crate) mod receipts;
pub(crate) mod root;
pub(crate) mod session_view;
pub(crate) mod sessions;
pub(crate) mod sync;
pub(crate) mod tokens;
pub(crate) mod totp;
pub(crate) mod uploads;
pub(crate) mod users;

use std::borrow::Cow;

use firemode_domain::audit::{AuditEvent, AuditStatus, OnRecord, truncate_to_microseconds};
use firemode_storage::users::User;
use firemode_web::{Problem, RequestContext};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::access::Principal;

/// A list as clients see it.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub(crate) struct List<T> {
    pub(crate) data: Vec<T>,
    /// Pass it as `cursor` to go on; null at the end.
    pub(crate) next_cursor: Option<String>,
}

impl<T: serde::Serialize> List<T> {
    /// The answer, with a `Link` to the next page.
    pub(crate) fn respond(self, request: &actix_web::HttpRequest) -> actix_web::HttpResponse {
        let mut response = actix_web::HttpResponse::Ok();
        if let Some(cursor) = &self.next_cursor {
            response.insert_header(link_next(request, &["cursor"], cursor));
        }
        response.json(self)
    }
}

/// A `Link` to the next page: the same query with the cursor in the place of these parameters.
pub(crate) fn link_next(
    request: &actix_web::HttpRequest,
    replaced: &[&str],
    cursor: &str,
) -> (actix_web::http::header::HeaderName, String) {
    let is_kept =
        |pair: &&str| !pair.is_empty() && !replaced.contains(&pair.split('=').next().unwrap_or_default());
    let kept: Vec<&str> = request.query_string().split('&').filter(is_kept).collect();
    let joined = if kept.is_empty() { String::new() } else { format!("{}&", kept.join("&")) };
    let link = format!("<{}?{joined}cursor={cursor}>; rel=\"next\"", request.path());
    (actix_web::http::header::LINK, link)
}

/// Who acts, and for whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Actor {
    pub(crate) organisation_id: Uuid,
    pub(crate) user_id: Uuid,
}

impl From<&Principal> for Actor {
    fn from(principal: &Principal) -> Self {
        Self { organisation_id: principal.organisation_id, user_id: principal.user_id }
    }
}

impl From<&User> for Actor {
    fn from(user: &User) -> Self {
        Self { organisation_id: user.organisation_id, user_id: user.id }
    }
}

/// An act of a user that succeeded.
pub(crate) fn act(
    actor: impl Into<Actor>,
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

/// What the audit log says of a thing before or after an act.
pub(crate) fn on_record(thing: &impl OnRecord) -> Result<Option<Value>, Problem> {
    serde_json::to_value(thing).map(Some).map_err(Problem::internal)
}
