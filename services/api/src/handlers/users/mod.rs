//! The users of an organisation, for its admins.

pub(crate) mod invitations;
pub(crate) mod me;
pub(crate) mod totp;

use actix_web::http::header::ETAG;
use actix_web::{HttpRequest, HttpResponse, web};
use firemode_domain::body;
use firemode_domain::input::Given;
use firemode_domain::role::Role;
use firemode_storage::users::{self, User};
use firemode_storage::{account_tokens, audit};
use firemode_web::{Body, Params, Problem, ProblemBody, RequestContext, WalkScope, catalogue};
use serde::Serialize;
use serde_json::json;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::acts::act;
use crate::auth::tokens::end_all;
use crate::etag;
use crate::list::List;
use crate::principal::Principal;
use crate::profile::no_such_user;
use crate::state::State;

/// A user, to an admin: names and telephone numbers are for their owners alone.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserView {
    pub(crate) id: Uuid,
    #[schema(example = "ada@example.com")]
    email: String,
    role: Role,
    status: UserStatus,
    /// A user who is not active cannot sign in.
    is_active: bool,
    /// Does signing in ask for a code?
    has_second_factor: bool,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

/// Where an account is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum UserStatus {
    /// Has yet to accept the invitation.
    Invited,
    /// Can sign in.
    Active,
    /// Was disabled.
    Disabled,
}

body! {
    /// New values; what is left out stays.
    #[derive(Debug)]
    pub(crate) struct UpdateUser {
        role: Given<Role>,
        /// `false` ends every session of the user at once.
        is_active: Given<bool>,
    }
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        let status = match (user.is_active, user.joined_at) {
            (false, _) => UserStatus::Disabled,
            (true, None) => UserStatus::Invited,
            (true, Some(_)) => UserStatus::Active,
        };
        Self {
            id: user.id,
            email: user.email,
            role: user.role,
            status,
            is_active: user.is_active,
            has_second_factor: user.has_second_factor,
            created_at: user.created_at,
            updated_at: user.updated_at,
        }
    }
}

impl UserView {
    fn respond(self) -> HttpResponse {
        HttpResponse::Ok().insert_header((ETAG, etag::of_time(self.updated_at))).json(self)
    }
}

/// Lists users, newest first
#[utoipa::path(get, path = "/v1/users", tag = "users",
    params(("limit" = Option<i64>, Query, description = "Rows on a page, 1 to 100.", example = 20),
           ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
           ("is_active" = Option<bool>, Query, description = "Only active ones, or only disabled ones."),
           ("role" = Option<Role>, Query, description = "Users with one role.")),
    responses((status = 200, description = "One page.", body = List<UserView>),
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
    let (page, is_active, role) = (params.page(), params.optional("is_active"), params.optional("role"));
    params.finish()?;
    let filters = format!("{is_active:?} {role:?}");
    let organisation_id = principal.organisation_id;
    let scope = WalkScope { organisation_id, list: "/v1/users", filters: &filters };
    let tx = state.database.tenant(principal.organisation_id).read().await?;
    let walk = state.cursor_key.walk(&tx, &page, scope).await?;
    let page = users::list(&tx, organisation_id, is_active, role, &walk).await?;
    let next_cursor = page.next.map(|last| state.cursor_key.next(&walk, last, scope)).transpose()?;
    let data = page.rows.into_iter().map(UserView::from).collect();
    Ok(List { data, next_cursor }.respond(&request))
}

/// Reads a user
#[utoipa::path(get, path = "/v1/users/{user_id}", tag = "users", params(("user_id" = Uuid, Path)),
    responses((status = 200, description = "The user; `ETag` names the state.", body = UserView)))]
pub(crate) async fn get(
    id: web::Path<Uuid>,
    principal: Principal,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let tx = state.database.tenant(principal.organisation_id).read().await?;
    let user = users::find(&tx, principal.organisation_id, *id).await?.ok_or_else(no_such_user)?;
    Ok(UserView::from(user).respond())
}

/// Changes a user's role, or disables or enables a user
///
/// Both take effect at once, everywhere: a disabled user's sessions end, and after a change of role the access tokens with
/// the old one are refused, while a refresh gives one with the new. An organisation keeps at least one active admin.
#[utoipa::path(patch, path = "/v1/users/{user_id}", tag = "users", request_body = UpdateUser,
    params(("user_id" = Uuid, Path),
           ("If-Match" = Option<String>, Header, description = "`ETag` of the state that you read.")),
    responses((status = 200, description = "Changed.", body = UserView),
              (status = 409, description = "It is the last active admin.", body = ProblemBody,
               content_type = "application/problem+json"),
              (status = 412, description = "It has changed since you read it.", body = ProblemBody,
               content_type = "application/problem+json")))]
pub(crate) async fn update(
    id: web::Path<Uuid>,
    body: Body<UpdateUser>,
    request: HttpRequest,
    principal: Principal,
    context: RequestContext,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let organisation_id = principal.organisation_id;
    let tx = state.database.tenant(organisation_id).transaction().await?;
    let (before, has_other_admin) =
        users::find_for_update(&tx, organisation_id, *id).await?.ok_or_else(no_such_user)?;
    etag::check_if_match(&request, &etag::of_time(before.updated_at))?;
    let role = body.value.role.0.unwrap_or(before.role);
    let is_active = body.value.is_active.0.unwrap_or(before.is_active);
    let is_admin = before.role == Role::Admin && before.is_active && before.joined_at.is_some();
    if is_admin && !has_other_admin && (role != Role::Admin || !is_active) {
        return Err(Problem::of(
            catalogue::LAST_ADMIN,
            "This is the last active admin. Make another one first.",
        ));
    }
    users::set_role_and_state(&tx, organisation_id, *id, role, is_active).await?;
    let is_disabled = before.is_active && !is_active;
    let entry = if is_disabled || role != before.role {
        Some(end_all(&tx, organisation_id, *id, is_disabled).await?)
    } else {
        None
    };
    if is_disabled {
        account_tokens::withdraw_all(&tx, organisation_id, *id).await?;
    }
    let as_was = json!({"role": before.role, "is_active": before.is_active});
    let as_is = json!({"role": role, "is_active": is_active});
    let event = act(&principal, context, "user.update", ("user", *id), Some(as_was), Some(as_is));
    audit::record(&tx, &[event]).await?;
    let after = users::find(&tx, organisation_id, *id).await?.ok_or_else(no_such_user)?;
    tx.commit().await?;
    entry.into_iter().for_each(|entry| state.revocations.add(entry));
    Ok(UserView::from(after).respond())
}
