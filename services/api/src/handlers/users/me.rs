//! The signed-in user.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::ETAG;
use firemode_domain::audit::AuditStatus;
use firemode_domain::body;
use firemode_domain::input::{Given, Line, NewPassword, Secret};
use firemode_domain::password;
use firemode_identity::keys::note_encryption;
use firemode_storage::account_tokens;
use firemode_storage::audit::AuditFilter;
use firemode_storage::users::{self, ProfilePatch, User};
use firemode_web::{Body, IdempotencyKey, Outcome, Problem};
use serde::Serialize;
use serde_json::json;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::proof::confirm_password;
use crate::auth::tokens::{end_all, issue};
use crate::call::Call;
use crate::etag::{self, IfMatch};
use crate::handlers;
use crate::handlers::audit::AuditView;
use crate::handlers::auth::check_password;
use crate::list::{Filters, List, Listing};
use crate::profile::{Profile, new_text, no_such_user};
use crate::state::ApiState;

/// A user, to the user.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OwnProfile {
    #[serde(flatten)]
    profile: Profile,
    /// Stored encrypted; shown to its owner alone.
    #[schema(example = "+61 2 5550 0100")]
    phone: Option<String>,
    /// What members of the organisation see.
    #[schema(example = "Ada E.")]
    display_name: Option<String>,
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
    pub(crate) struct UpdateProfile like {"display_name": "Ada E."} {
        full_name: Given<Line<200>> = "Ada Example",
        /// An empty one, or null, takes it away.
        phone: Given<Option<Line<50, 0>>> = "+61 2 5550 0100",
        /// What members of the organisation see. An empty one, or null, takes it away.
        display_name: Given<Option<Line<200, 0>>> = "Ada E.",
    }
}

body! {
    /// The present password and the next.
    #[derive(Debug)]
    pub(crate) struct ChangePassword {
        current_password: Secret<1, { password::BYTES_MAX }>,
        /// 15 to 256 characters; what is guessed first is refused.
        new_password: NewPassword,
    }
}

/// Tokens that take the place of all others.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewTokens {
    /// Null in a repeated answer: no secret is stored.
    access_token: Option<String>,
    /// Null in a repeated answer.
    refresh_token: Option<String>,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Life of the access token, in seconds.
    #[schema(example = 900)]
    expires_in: u32,
}

impl OwnProfile {
    fn of(state: &ApiState, user: User) -> Result<Self, Problem> {
        let full_name = state.vault.decrypt(&user.full_name_encrypted)?;
        let read = |token: Option<Vec<u8>>| token.map(|token| state.vault.decrypt(&token)).transpose();
        Ok(Self {
            profile: Profile { id: user.id, email: user.email, full_name, role: user.role },
            phone: read(user.phone_encrypted)?,
            display_name: read(user.display_name_encrypted)?,
            has_second_factor: user.has_second_factor,
            created_at: user.created_at,
            updated_at: user.updated_at,
        })
    }

    fn respond(self) -> HttpResponse {
        HttpResponse::Ok().insert_header((ETAG, etag::of_time(self.updated_at))).json(self)
    }
}

/// Who am I?
#[utoipa::path(get, path = "/v1/users/me", tag = "users",
    responses((status = 200, description = "The signed-in user.", body = OwnProfile,
               headers(("ETag")))))]
pub(crate) async fn me(call: Call) -> Result<HttpResponse, Problem> {
    let tx = call.read().await?;
    let user = users::find(&tx, call.organisation_id(), call.user_id()).await?;
    Ok(OwnProfile::of(&call.state, user.ok_or_else(no_such_user)?)?.respond())
}

/// Changes one's own profile
#[utoipa::path(patch, path = "/v1/users/me", tag = "users", request_body = UpdateProfile,
    params(IfMatch),
    responses((status = 200, description = "Changed.", body = OwnProfile)))]
pub(crate) async fn update_me(body: Body<UpdateProfile>, call: Call) -> Result<HttpResponse, Problem> {
    let UpdateProfile { full_name, phone, display_name } = body.value;
    let (organisation_id, user_id, state) = (call.organisation_id(), call.user_id(), &call.state);
    let tx = call.transaction().await?;
    let (before, _) =
        users::find_for_update(&tx, organisation_id, user_id).await?.ok_or_else(no_such_user)?;
    call.check_if_match(&etag::of_time(before.updated_at))?;
    let vault = &state.vault;
    let full_name = new_text(vault, Some(&before.full_name_encrypted), full_name.0.map(Some)).flatten();
    let phone = new_text(vault, before.phone_encrypted.as_deref(), phone.0);
    let display_name = new_text(vault, before.display_name_encrypted.as_deref(), display_name.0);
    if full_name.is_none() && phone.is_none() && display_name.is_none() {
        return Ok(OwnProfile::of(state, before)?.respond());
    }
    // What was changed, and not to what: names are no matter for a log that is kept for ever.
    let changed = json!({
        "full_name": full_name.is_some(), "phone": phone.is_some(), "display_name": display_name.is_some(),
    });
    let has_text =
        full_name.is_some() || matches!(phone, Some(Some(_))) || matches!(display_name, Some(Some(_)));
    let patch = ProfilePatch {
        full_name_encrypted: full_name,
        phone_encrypted: phone,
        display_name_encrypted: display_name,
    };
    users::update_profile(&tx, organisation_id, user_id, &patch).await?;
    call.record(&tx, "user.update_profile", ("user", user_id), None, Some(changed)).await?;
    if has_text {
        note_encryption(&tx, vault, organisation_id, call.context.transaction_id).await?;
    }
    let after = users::find(&tx, organisation_id, user_id).await?.ok_or_else(no_such_user)?;
    let profile = OwnProfile::of(state, after)?;
    tx.commit().await?;
    Ok(profile.respond())
}

body! {
    /// Which of the caller's acts are wanted.
    #[derive(Debug)]
    pub(crate) struct OwnActs {
        /// One action.
        action: Option<Line<64>> = "auth.login",
        /// How it ended.
        status: Option<AuditStatus>,
    }
}

impl OwnActs {
    fn of(self, user_id: Uuid) -> AuditFilter {
        let Self { action, status } = self;
        AuditFilter { user_id: Some(user_id), action, status, ..AuditFilter::default() }
    }
}

impl Filters for OwnActs {}

/// One's own history, newest first
#[utoipa::path(get, path = "/v1/users/me/audits", tag = "users", operation_id = "own_acts", params(Listing<OwnActs>),
    responses((status = 200, description = "One page of what the caller did.", body = List<AuditView>)))]
pub(crate) async fn audits(list: Listing<OwnActs>) -> Result<HttpResponse, Problem> {
    handlers::audit::list(list.narrowed(|acts, call| acts.of(call.user_id()))).await
}

/// Changes one's own password
///
/// Ends every session, this one included, and gives new tokens.
#[utoipa::path(post, path = "/v1/users/me/password", tag = "users", request_body = ChangePassword,
    params(IdempotencyKey),
    responses((status = 200, description = "Changed.", body = NewTokens),
              (status = 429, description = "Too many wrong passwords. Wait as long as Retry-After says.")))]
pub(crate) async fn change_password(
    body: Body<ChangePassword>,
    key: IdempotencyKey,
    call: Call,
) -> Result<HttpResponse, Problem> {
    let ChangePassword { current_password, new_password } = body.value;
    let state = &call.state;
    let proven = confirm_password(&call, &current_password, "current_password").await?;
    let full_name = state.vault.decrypt(&proven.full_name_encrypted)?;
    check_password("new_password", &new_password, &[&proven.email, &full_name, &proven.organisation_name])?;
    let password_hash = state.passwords.hash(&new_password).await?;
    let (organisation_id, user_id) = (call.organisation_id(), call.user_id());
    let mut made = None;
    let outcome = call
        .run_once(&key, &body.fingerprint, async |tx| {
            let (user, _) =
                users::find_for_update(tx, organisation_id, user_id).await?.ok_or_else(no_such_user)?;
            if user.password_changed_at != proven.password_changed_at {
                return Err(Problem::invalid_field("current_password", "is not your password any more"));
            }
            users::set_password(tx, organisation_id, user_id, &password_hash).await?;
            account_tokens::withdraw_all(tx, organisation_id, user_id).await?;
            let entry = end_all(tx, organisation_id, user_id, true).await?;
            let tokens = issue(tx, &call, &user, Uuid::now_v7(), None).await?;
            call.record(tx, "user.change_password", ("user", user_id), None, None).await?;
            let (token_type, expires_in) = (tokens.token_type, tokens.expires_in);
            made = Some((entry, tokens));
            let stored = NewTokens { access_token: None, refresh_token: None, token_type, expires_in };
            Outcome::new(StatusCode::OK, &stored)
        })
        .await?;
    let Some((entry, tokens)) = made else { return Ok(outcome.respond()) };
    state.revocations.add(entry);
    let outcome = outcome.reveal("/access_token", tokens.access_token)?;
    Ok(outcome.reveal("/refresh_token", tokens.refresh_token)?.respond())
}
