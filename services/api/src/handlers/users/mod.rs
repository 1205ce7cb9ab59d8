//! The users of an organisation, for its admins.

pub(crate) mod erasure;
pub(crate) mod invitations;
pub(crate) mod me;
pub(crate) mod totp;

use actix_web::http::header::ETAG;
use actix_web::{HttpResponse, web};
use firemode_domain::body;
use firemode_domain::input::{Given, Line};
use firemode_domain::role::{Role, UserStatus};
use firemode_identity::keys::note_encryption;
use firemode_storage::account_tokens;
use firemode_storage::users::{self, ProfilePatch, User, UserFilter};
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
use crate::people::shown_name;
use crate::profile::{new_text, no_such_user};

/// A user, to members of the organisation who may see who did what.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserView {
    pub(crate) id: Uuid,
    /// What the user is called beside what the user did: the `display_name`, else role and number.
    #[schema(example = "Technician 3")]
    name: String,
    /// What the user, or an admin, has chosen for members to see. The full name and telephone number are for their owner alone.
    #[schema(example = "Ada E.")]
    display_name: Option<String>,
    role: Role,
    /// A user who is not active cannot sign in.
    is_active: bool,
    #[serde(flatten)]
    account: Option<Account>,
}

/// The rest, to admins alone.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Account {
    #[schema(example = "ada@example.com")]
    email: String,
    status: UserStatus,
    /// Does signing in ask for a code?
    has_second_factor: bool,
    /// When what is personal of the user was erased.
    #[serde(with = "time::serde::rfc3339::option")]
    erased_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

body! {
    /// New values; what is left out stays.
    #[derive(Debug)]
    pub(crate) struct UpdateUser like {"display_name": "Ada E."} {
        role: Given<Role>,
        /// `false` ends every session of the user at once.
        is_active: Given<bool>,
        /// What members of the organisation see. An empty one, or null, takes it away.
        display_name: Given<Option<Line<200, 0>>> = "Ada E.",
    }
}

impl UserView {
    /// What `call` may see of a user.
    pub(crate) fn of(call: &Call, user: User) -> Self {
        let (vault, display_name) = (&call.state.vault, user.display_name_encrypted.as_deref());
        Self {
            id: user.id,
            name: shown_name(vault, user.role, user.number, display_name),
            // One that cannot be read any more is as none: no list ends because of it.
            display_name: display_name.and_then(|token| vault.decrypt(token).ok()),
            role: user.role,
            is_active: user.is_active,
            account: (call.principal.role == Role::Admin).then(|| Account::from(user)),
        }
    }
}

impl From<User> for Account {
    fn from(user: User) -> Self {
        let status = match (user.is_active, user.joined_at) {
            (false, _) => UserStatus::Disabled,
            (true, None) => UserStatus::Invited,
            (true, Some(_)) => UserStatus::Active,
        };
        Self {
            email: user.email,
            status,
            has_second_factor: user.has_second_factor,
            erased_at: user.erased_at,
            created_at: user.created_at,
            updated_at: user.updated_at,
        }
    }
}

/// A user to an admin, with the tag of its state.
fn respond(call: &Call, user: User) -> HttpResponse {
    let tag = etag::of_time(user.updated_at);
    HttpResponse::Ok().insert_header((ETAG, tag)).json(UserView::of(call, user))
}

impl Filters for UserFilter {
    fn scope(&self, path: &str, _: Option<Uuid>) -> (String, String) {
        (path.to_owned(), format!("{:?} {:?}", self.is_active, self.role))
    }
}

/// Lists users, newest first
///
/// Managers and auditors see who there is, to read who did what: the id, the name that members see, the role.
#[utoipa::path(get, path = "/v1/users", tag = "users", params(Listing<UserFilter>),
    responses((status = 200, description = "One page.", body = List<UserView>)))]
pub(crate) async fn list(list: Listing<UserFilter>) -> Result<HttpResponse, Problem> {
    list.answer(async |tx, Listing { call, filter, .. }, keyset| {
        let page = users::list(tx, call.organisation_id(), filter, keyset).await?;
        Ok(page.map(|user| UserView::of(call, user)))
    })
    .await
}

/// Reads a user
#[utoipa::path(get, path = "/v1/users/{user_id}", tag = "users", params(("user_id" = Uuid, Path)),
    responses((status = 200, description = "The user.", body = UserView,
               headers(("ETag")))))]
pub(crate) async fn get(id: web::Path<Uuid>, call: Call) -> Result<HttpResponse, Problem> {
    let tx = call.read().await?;
    let user = users::find(&tx, call.organisation_id(), *id).await?.ok_or_else(no_such_user)?;
    Ok(respond(&call, user))
}

/// Changes a user's role or the name that members see, or disables or enables a user
///
/// Role and state take effect at once, everywhere: a disabled user's sessions end, and after a change of role the access tokens with
/// the old one are refused, while a refresh gives one with the new. An organisation keeps at least one active admin.
#[utoipa::path(patch, path = "/v1/users/{user_id}", tag = "users", request_body = UpdateUser,
    params(("user_id" = Uuid, Path), IfMatch),
    responses((status = 200, description = "Changed, or as it was.", body = UserView),
              (status = 409, description = "It is the last active admin, or was erased.")))]
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
    let vault = &call.state.vault;
    let display_name = new_text(vault, before.display_name_encrypted.as_deref(), body.value.display_name.0);
    let is_same = (role, is_active) == (before.role, before.is_active);
    if is_same && display_name.is_none() {
        return Ok(respond(&call, before));
    }
    if before.erased_at.is_some() {
        let detail = "What was personal of this user was erased. Invite the person as a new user.";
        return Err(Problem::of(catalogue::ERASED, detail));
    }
    if !is_same {
        refuse_last_admin(&before, has_other_admin)?;
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
    let mut as_is = json!({"role": role, "is_active": is_active});
    if let Some(display_name) = display_name {
        // That it was changed, and not to what: names are no matter for a log that is kept for ever.
        as_is["display_name"] = json!(true);
        let has_text = display_name.is_some();
        let patch = ProfilePatch { display_name_encrypted: Some(display_name), ..ProfilePatch::default() };
        users::update_profile(&tx, organisation_id, *id, &patch).await?;
        if has_text {
            note_encryption(&tx, vault, organisation_id, call.context.transaction_id).await?;
        }
    }
    call.record(&tx, "user.update", ("user", *id), Some(as_was), Some(as_is)).await?;
    let after = users::find(&tx, organisation_id, *id).await?.ok_or_else(no_such_user)?;
    tx.commit().await?;
    entry.into_iter().for_each(|entry| call.state.revocations.add(entry));
    Ok(respond(&call, after))
}

/// 409 where an organisation would have no active admin left.
fn refuse_last_admin(user: &User, has_other_admin: bool) -> Result<(), Problem> {
    let is_admin = user.role == Role::Admin && user.is_active && user.joined_at.is_some();
    if is_admin && !has_other_admin {
        return Err(Problem::of(
            catalogue::LAST_ADMIN,
            "This is the last active admin. Make another one first.",
        ));
    }
    Ok(())
}
