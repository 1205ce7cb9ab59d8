//! Getting in: registering, signing in, and the one-time tokens that an admin hands over.

pub(crate) mod tokens;

use actix_web::HttpResponse;
use actix_web::http::header::{ETAG, LOCATION};
use firemode_domain::input::{Email, Line, NewPassword, Secret, SignInAddress};
use firemode_domain::role::Role;
use firemode_domain::{body, password};
use firemode_identity::keys::note_encryption;
use firemode_storage::account_tokens::{self, TokenKind};
use firemode_storage::users::{self, NewUser, ProfilePatch, User};
use firemode_storage::{Purpose, StorageError, audit};
use firemode_web::{Body, Problem, catalogue};
use uuid::Uuid;

use crate::acts::act;
use crate::auth::proof::{self, Credentials};
use crate::auth::tokens::{SignedIn, end_all, hash, sign_in};
use crate::call::PublicCall;
use crate::etag;
use crate::state::ApiState;

body! {
    /// A new organisation and its first user.
    #[derive(Debug)]
    pub(crate) struct Register {
        organisation_name: Line<200> = "Example Fire Services",
        email: Email = "ada@example.com",
        /// 15 to 256 characters. Length is what makes a password strong, so there are no rules about kinds of characters; what is
        /// guessed first is refused.
        password: NewPassword = "seven red valves under the stair",
        full_name: Line<200> = "Ada Example",
    }
}

body! {
    /// Who signs in.
    #[derive(Debug)]
    pub(crate) struct Login {
        email: SignInAddress = "ada@example.com",
        password: Secret<1, { password::BYTES_MAX }> = "seven red valves under the stair",
        /// Where the account has a second factor: the code that the app shows, or a recovery code.
        totp: Option<Secret<6, 40>>,
    }
}

body! {
    /// A first password for an account.
    #[derive(Debug)]
    pub(crate) struct AcceptInvitation {
        /// From the admin who invited.
        token: Secret<1, 200>,
        /// 15 to 256 characters; what is guessed first is refused.
        password: NewPassword = "seven red valves under the stair",
        /// Required where the invitation has none.
        full_name: Option<Line<200>> = "Ada Example",
    }
}

body! {
    /// A new password in the place of one that is lost.
    #[derive(Debug)]
    pub(crate) struct ResetPassword {
        /// From an admin of the organisation.
        token: Secret<1, 200>,
        /// 15 to 256 characters; what is guessed first is refused.
        password: NewPassword = "seven red valves under the stair",
    }
}

/// Makes an organisation, and its first user an admin
///
/// Open in development; in production only where `auth.registration_open` says so.
#[utoipa::path(post, path = "/v1/auth/register", tag = "auth", request_body = Register,
    responses((status = 201, description = "Made, and signed in.", body = SignedIn,
               headers(("Location"), ("ETag"))),
              (status = 403, description = "Registration is closed."),
              (status = 409, description = "There is an account with this address.")))]
pub(crate) async fn register(body: Body<Register>, call: PublicCall) -> Result<HttpResponse, Problem> {
    let PublicCall { request, context, state } = &call;
    if !state.settings.auth.registration_open {
        return Err(Problem::of(
            catalogue::REGISTRATION_CLOSED,
            "Registration is closed here. Ask an admin for an invitation.",
        ));
    }
    let Register { organisation_name, email, password, full_name } = body.value;
    check_password("password", &password, &[&email, &full_name, &organisation_name])?;
    let password_hash = state.passwords.hash(&password).await?;
    let full_name_encrypted = state.vault.encrypt(&full_name);
    let (organisation_id, user_id) = (Uuid::now_v7(), Uuid::now_v7());
    let new = NewUser {
        id: user_id,
        organisation_id,
        email: &email,
        password_hash: &password_hash,
        full_name_encrypted: &full_name_encrypted,
        role: Role::Admin,
        has_joined: true,
    };
    let tx = state.database.tenant(organisation_id).transaction().await?;
    users::insert_organisation(&tx, &organisation_name, &new).await.map_err(email_taken)?;
    let user = users::find(&tx, organisation_id, user_id)
        .await?
        .ok_or_else(|| Problem::internal("a new user is not there"))?;
    state.throttle.succeeded(&tx, &state.throttle.origin(request, &email)).await?;
    let headers = [(LOCATION, format!("/v1/users/{user_id}")), (ETAG, etag::of_time(user.updated_at))];
    let signed_in = sign_in(&tx, &call, user, "auth.register").await?;
    note_encryption(&tx, &state.vault, organisation_id, context.transaction_id).await?;
    tx.commit().await?;
    let mut response = HttpResponse::Created();
    for header in headers {
        response.insert_header(header);
    }
    Ok(response.json(signed_in))
}

/// Signs in
///
/// Where the account has a second factor, a sign-in without `totp` answers 401 with `FIRE-401-TOTP-REQUIRED`. Failures make
/// the account and the network wait, each one longer (429 with `Retry-After`).
#[utoipa::path(post, path = "/v1/auth/login", tag = "auth", request_body = Login,
    responses((status = 200, description = "Signed in.", body = SignedIn),
              (status = 401, description = "Address or password are wrong, or the code is missing or wrong."),
              (status = 429, description = "Too many failures. Wait as long as Retry-After says.")))]
pub(crate) async fn login(body: Body<Login>, call: PublicCall) -> Result<HttpResponse, Problem> {
    let Login { email, password, totp } = body.value;
    let credentials = Credentials { email: &email, password: &password, code: totp.as_deref() };
    let signed_in =
        proof::sign_in(&call, &credentials, async |tx, user| sign_in(tx, &call, user, "auth.login").await);
    Ok(HttpResponse::Ok().json(signed_in.await?))
}

/// Accepts an invitation
///
/// The token comes from the admin who invited, works once, and signs in.
#[utoipa::path(post, path = "/v1/auth/accept-invitation", tag = "auth", request_body = AcceptInvitation,
    responses((status = 200, description = "Joined, and signed in.", body = SignedIn),
              (status = 401, description = "The invitation does not work (any more).")))]
pub(crate) async fn accept_invitation(
    body: Body<AcceptInvitation>,
    call: PublicCall,
) -> Result<HttpResponse, Problem> {
    let AcceptInvitation { token, password, full_name } = body.value;
    let PublicCall { request, context, state } = &call;
    let refused =
        || Problem::unauthorized("The invitation does not work any more. Ask an admin for a new one.");
    let user = find_owner(state, TokenKind::Invitation, &token).await?.ok_or_else(refused)?;
    let full_name = match full_name {
        Some(name) => name.into_string(),
        None => state.vault.decrypt(&user.full_name_encrypted)?,
    };
    if full_name.is_empty() {
        return Err(Problem::invalid_field("full_name", "is required"));
    }
    check_password("password", &password, &[&user.email, &full_name, &user.organisation_name])?;
    let password_hash = state.passwords.hash(&password).await?;
    let full_name_encrypted = Some(state.vault.encrypt(&full_name));
    let patch = ProfilePatch { full_name_encrypted, ..ProfilePatch::default() };

    let organisation_id = user.organisation_id;
    let tx = state.database.tenant(organisation_id).transaction().await?;
    // First the user, as everywhere: two requests that lock in another order would stand in each other's way.
    let held = users::find_for_update(&tx, organisation_id, user.id).await?;
    let is_open = held.is_some_and(|(user, _)| user.is_active && user.joined_at.is_none());
    if !is_open || !account_tokens::take(&tx, organisation_id, TokenKind::Invitation, &hash(&token)).await? {
        return Err(refused());
    }
    // Whether the address has an account elsewhere is nothing that an invitation reveals.
    users::set_password(&tx, organisation_id, user.id, &password_hash)
        .await
        .map_err(|error| if users::is_email_taken(&error) { refused() } else { error.into() })?;
    users::update_profile(&tx, organisation_id, user.id, &patch).await?;
    let user = users::find(&tx, organisation_id, user.id).await?.ok_or_else(refused)?;
    state.throttle.succeeded(&tx, &state.throttle.origin(request, &user.email)).await?;
    let signed_in = sign_in(&tx, &call, user, "auth.accept_invitation").await?;
    note_encryption(&tx, &state.vault, organisation_id, context.transaction_id).await?;
    tx.commit().await?;
    Ok(HttpResponse::Ok().json(signed_in))
}

/// Sets a new password with a token from an admin
///
/// The token works once and ends every session of the user, who then signs in with the new password, and with the second
/// factor where there is one.
#[utoipa::path(post, path = "/v1/auth/reset-password", tag = "auth", request_body = ResetPassword,
    responses((status = 204, description = "The new password is set."),
              (status = 401, description = "The token does not work (any more).")))]
pub(crate) async fn reset_password(
    body: Body<ResetPassword>,
    call: PublicCall,
) -> Result<HttpResponse, Problem> {
    let ResetPassword { token, password } = body.value;
    let PublicCall { request, context, state } = &call;
    let refused = || Problem::unauthorized("The token does not work any more. Ask an admin for a new one.");
    let user = find_owner(state, TokenKind::PasswordReset, &token).await?.ok_or_else(refused)?;
    let full_name = state.vault.decrypt(&user.full_name_encrypted)?;
    check_password("password", &password, &[&user.email, &full_name, &user.organisation_name])?;
    let password_hash = state.passwords.hash(&password).await?;

    let organisation_id = user.organisation_id;
    let tx = state.database.tenant(organisation_id).transaction().await?;
    let held = users::find_for_update(&tx, organisation_id, user.id).await?;
    let is_open = held.is_some_and(|(user, _)| user.is_active && user.joined_at.is_some());
    if !is_open
        || !account_tokens::take(&tx, organisation_id, TokenKind::PasswordReset, &hash(&token)).await?
    {
        return Err(refused());
    }
    users::set_password(&tx, organisation_id, user.id, &password_hash).await?;
    let entry = end_all(&tx, organisation_id, user.id, true).await?;
    // The holder of the token is let in from here, however many failures an attacker has caused elsewhere.
    state.throttle.succeeded(&tx, &state.throttle.origin(request, &user.email)).await?;
    audit::record(&tx, &[act(&user, *context, "auth.reset_password", ("user", user.id), None, None)]).await?;
    tx.commit().await?;
    state.revocations.add(entry);
    Ok(HttpResponse::NoContent().finish())
}

/// Whose one-time token this is.
async fn find_owner(state: &ApiState, kind: TokenKind, token: &str) -> Result<Option<User>, Problem> {
    let owner = {
        let tx = state.database.across_tenants(Purpose::Redeem).read().await?;
        account_tokens::owner_of(&tx, kind, &hash(token)).await?
    };
    let Some((organisation_id, user_id)) = owner else { return Ok(None) };
    let tx = state.database.tenant(organisation_id).read().await?;
    Ok(users::find(&tx, organisation_id, user_id).await?)
}

/// 422 on `field` for a password that somebody with this context must not have.
pub(crate) fn check_password(field: &'static str, password: &str, context: &[&str]) -> Result<(), Problem> {
    password::check(password, context).map_err(|why| Problem::invalid_field(field, why.to_string()))
}

pub(crate) fn email_taken(error: StorageError) -> Problem {
    if users::is_email_taken(&error) {
        return Problem::of(catalogue::EXISTS, "There is an account with this email address.");
    }
    error.into()
}
