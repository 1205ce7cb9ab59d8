//! The users of an organisation, for its admins.

pub(crate) mod invitations;
pub(crate) mod me;
pub(crate) mod totp;

use actix_web::http::header::ETAG;
use actix_web::{HttpResponse, web};
use firemode_domain::body;
use firemode_domain::input::Given;
use firemode_domain::role::{Role, UserStatus};
use firemode_storage::account_tokens;
use firemode_storage::users::{self, User, UserFilter};
use firemode_web::{Body, Problem, catalogue};
use serde::Serialize;
use serde_json::json;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::tokens::end_all;
use crate::call::Call;
use crate::etag::{self, IfMatch};
use crate::list::{Filters, List, Listing};
use crate::profile::no_such_user;

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

impl Filters for UserFilter {
    fn scope(&self, path: &str, _: Option<Uuid>) -> (String, String) {
        (path.to_owned(), format!("{:?} {:?}", self.is_active, self.role))
    }
}

/// Lists users, newest first
#[utoipa::path(get, path = "/v1/users", tag = "users", params(Listing<UserFilter>),
    responses((status = 200, description = "One page.", body = List<UserView>)))]
pub(crate) async fn list(list: Listing<UserFilter>) -> Result<HttpResponse, Problem> {
    list.answer(async |tx, Listing { call, filter, .. }, keyset| {
        Ok(users::list(tx, call.organisation_id(), filter, keyset).await?.map(UserView::from))
    })
    .await
}

/// Reads a user
#[utoipa::path(get, path = "/v1/users/{user_id}", tag = "users", params(("user_id" = Uuid, Path)),
    responses((status = 200, description = "The user.", body = UserView,
               headers(("ETag", description = "Names its state.")))))]
pub(crate) async fn get(id: web::Path<Uuid>, call: Call) -> Result<HttpResponse, Problem> {
    let tx = call.read().await?;
    let user = users::find(&tx, call.organisation_id(), *id).await?.ok_or_else(no_such_user)?;
    Ok(UserView::from(user).respond())
}

/// Changes a user's role, or disables or enables a user
///
/// Both take effect at once, everywhere: a disabled user's sessions end, and after a change of role the access tokens with
/// the old one are refused, while a refresh gives one with the new. An organisation keeps at least one active admin.
#[utoipa::path(patch, path = "/v1/users/{user_id}", tag = "users", request_body = UpdateUser,
    params(("user_id" = Uuid, Path), IfMatch),
    responses((status = 200, description = "Changed, or as it was.", body = UserView),
              (status = 409, description = "It is the last active admin.")))]
pub(crate) async fn update(
    id: web::Path<Uuid>,
    body: Body<UpdateUser>,
    call: Call,
) -> Result<HttpResponse, Problem> {
    let organisation_id = call.organisation_id();
    let tx = call.transaction().await?;
    let (before, has_other_admin) =
        users::find_for_update(&tx, organisation_id, *id).await?.ok_or_else(no_such_user)?;
    call.check_if_match(&etag::of_time(before.updated_at))?;
    let (mut role, mut is_active) = (before.role, before.is_active);
    body.value.role.apply(&mut role);
    body.value.is_active.apply(&mut is_active);
    if (role, is_active) == (before.role, before.is_active) {
        return Ok(UserView::from(before).respond());
    }
    let is_admin = before.role == Role::Admin && before.is_active && before.joined_at.is_some();
    if is_admin && !has_other_admin {
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
    call.record(&tx, "user.update", ("user", *id), Some(as_was), Some(as_is)).await?;
    let after = users::find(&tx, organisation_id, *id).await?.ok_or_else(no_such_user)?;
    tx.commit().await?;
    entry.into_iter().for_each(|entry| call.state.revocations.add(entry));
    Ok(UserView::from(after).respond())
}
