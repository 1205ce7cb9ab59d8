//! The audit log.

use actix_web::{HttpRequest, HttpResponse, web};
use data_encoding::HEXLOWER;
use firemode_domain::audit::AuditStatus;
use firemode_domain::input::{ClientKey, Line};
use firemode_storage::audit::{self, AuditEntry, AuditFilter};
use firemode_web::{PageQuery, Params, Problem, ProblemBody, WalkScope};
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::list::List;
use crate::principal::Principal;
use crate::schema::free_object_or_null;
use crate::state::State;

/// One act.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditView {
    id: Uuid,
    #[schema(example = "session.create")]
    action: String,
    /// The user who acted; null for the system itself.
    actor: Option<Uuid>,
    resource: Resource,
    /// `success` or `failure`.
    #[schema(example = "success")]
    status: String,
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

impl From<AuditEntry> for AuditView {
    fn from(AuditEntry { event, leaf_hash }: AuditEntry) -> Self {
        Self {
            id: event.id,
            action: event.action.into_owned(),
            actor: event.actor_user_id,
            resource: Resource { kind: event.resource_type.into_owned(), id: event.resource_id },
            status: event.status.as_str().to_owned(),
            transaction_id: event.transaction_id,
            before: event.before,
            after: event.after,
            leaf_hash: HEXLOWER.encode(&leaf_hash),
            replaces: event.replaces,
            at: event.at,
        }
    }
}

/// Who did what, newest first
#[utoipa::path(get, path = "/v1/audit", tag = "audit",
    params(("limit" = Option<i64>, Query, description = "Rows on a page, 1 to 100.", example = 20),
           ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
           ("user_id" = Option<Uuid>, Query, description = "Acts of one user."),
           ("action" = Option<String>, Query, description = "One action.", example = "session.create"),
           ("resource_type" = Option<String>, Query, description = "One kind of thing.", example = "session"),
           ("resource_id" = Option<String>, Query, description = "One thing."),
           ("status" = Option<String>, Query, description = "`success` or `failure`.")),
    responses((status = 200, description = "One page.", body = List<AuditView>),
              (status = 400, description = "The cursor is not of this list.", body = ProblemBody,
               content_type = "application/problem+json"),
              (status = 410, description = "The cursor is from before a restore.", body = ProblemBody,
               content_type = "application/problem+json")))]
pub(crate) async fn list(
    request: HttpRequest,
    principal: Principal,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let mut params = Params::of(&request)?;
    let page = params.page();
    let filter = AuditFilter {
        user_id: params.optional("user_id"),
        action: params.optional::<Line<64>>("action").map(Line::into_string),
        resource_type: params.optional::<Line<64>>("resource_type").map(Line::into_string),
        resource_id: params.optional::<ClientKey<256>>("resource_id").map(ClientKey::into_string),
        status: params.optional("status").map(|status: AuditStatus| status.as_str().to_owned()),
    };
    params.finish()?;
    respond(&request, &state, principal.organisation_id, "/v1/audit", &page, &filter).await
}

/// One page of an organisation's log, under the name of a list.
pub(crate) async fn respond(
    request: &HttpRequest,
    state: &State,
    organisation_id: Uuid,
    list: &str,
    page: &PageQuery,
    filter: &AuditFilter,
) -> Result<HttpResponse, Problem> {
    let filters = format!("{filter:?}");
    let scope = WalkScope { organisation_id, list, filters: &filters };
    let tx = state.database.tenant(organisation_id).read().await?;
    let walk = state.cursor_key.walk(&tx, page, scope).await?;
    let page = audit::list(&tx, organisation_id, filter, &walk).await?;
    let next_cursor = page.next.map(|last| state.cursor_key.next(&walk, last, scope)).transpose()?;
    let data = page.rows.into_iter().map(AuditView::from).collect();
    Ok(List { data, next_cursor }.respond(request))
}
