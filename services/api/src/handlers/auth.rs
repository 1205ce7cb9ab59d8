//! Signing up, in and out.

use actix_web::{HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use firemode_domain::audit::AuditStatus;
use firemode_domain::role::Role;
use firemode_storage::refresh_tokens::{self, NewRefreshToken};
use firemode_storage::revocations::{self, Entry, Revocation};
use firemode_storage::users::{self, EMAIL_TAKEN, NewUser, User};
use firemode_storage::{Purpose, Transaction, audit};
use firemode_web::{Body, Problem, RequestContext};
use garde::Validate;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access::Principal;
use crate::handlers::act;
use crate::handlers::users::Profile;
use crate::state::State;

/// A new organisation and its first user.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Register {
    #[garde(length(chars, min = 1, max = 200))]
    #[schema(example = "Example Fire Services")]
    organisation_name: String,
    #[garde(custom(check_email))]
    #[schema(example = "ada@example.com")]
    email: String,
    /// 15 to 128 characters; length is what makes a password strong, so there are no other rules.
    #[garde(length(chars, min = 15, max = 128))]
    #[schema(example = "correct horse battery staple", format = Password)]
    password: String,
    #[garde(length(chars, min = 1, max = 200))]
    #[schema(example = "Ada Example")]
    full_name: String,
}

/// Who signs in.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    #[garde(length(chars, min = 1, max = 254))]
    #[schema(example = "ada@example.com")]
    email: String,
    #[garde(length(chars, min = 1, max = 128))]
    #[schema(example = "correct horse battery staple", format = Password)]
    password: String,
}

/// A refresh token to exchange.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refresh {
    #[garde(length(bytes, min = 1, max = 200))]
    refresh_token: String,
}

/// What to end besides the access token.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({}))]
pub(crate) struct Logout {
    /// Ends the whole family of tokens of this login.
    #[garde(inner(length(bytes, min = 1, max = 200)))]
    refresh_token: Option<String>,
}

/// An access token to put on the revocation list.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Revoke {
    /// `jti` of the token.
    #[garde(skip)]
    jti: Uuid,
    /// Whose token it is.
    #[garde(skip)]
    user_id: Uuid,
}

/// A user whose every token is to end.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({}))]
pub(crate) struct RevokeAll {
    /// Oneself, where left out.
    #[garde(skip)]
    user_id: Option<Uuid>,
}

/// A user's organisation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Organisation {
    id: Uuid,
    #[schema(example = "Example Fire Services")]
    name: String,
}

/// Tokens of a signed-in user.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SignedIn {
    user: Profile,
    organisation: Organisation,
    #[serde(flatten)]
    tokens: Tokens,
}

/// An access token and the refresh token that gives the next one.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Tokens {
    access_token: String,
    refresh_token: String,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Life of the access token, in seconds.
    #[schema(example = 900)]
    expires_in: u32,
}

/// Makes an organisation, and its first user an admin
///
/// Open in development; in production only where `auth.registration_open` says so.
#[utoipa::path(post, path = "/v1/auth/register", tag = "auth", request_body = Register,
    responses((status = 201, description = "Made, and signed in.", body = SignedIn),
              (status = 403, description = "Registration is closed.", body = firemode_web::ProblemBody,
               content_type = "application/problem+json"),
              (status = 409, description = "There is an account with this address.", body = firemode_web::ProblemBody,
               content_type = "application/problem+json")))]
pub(crate) async fn register(
    body: Body<Register>,
    context: RequestContext,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    if !state.settings.auth.registration_open {
        return Err(Problem::forbidden("Registration is closed here. Ask an admin for an invitation."));
    }
    let Register { organisation_name, email, password, full_name } = body.value;
    let email = email.to_lowercase();
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
    };
    let tx = state.database.tenant(organisation_id).transaction().await?;
    users::insert_organisation(&tx, organisation_id, &organisation_name).await?;
    users::insert(&tx, &new).await.map_err(|error| match error.constraint() {
        Some(EMAIL_TAKEN) => Problem::conflict("There is an account with this email address."),
        _ => error.into(),
    })?;
    let user = users::find(&tx, organisation_id, user_id)
        .await?
        .ok_or_else(|| Problem::internal("a new user is not there"))?;
    let signed_in = sign_in(&tx, &state, user, context, "auth.register").await?;
    tx.commit().await?;
    Ok(HttpResponse::Created().json(signed_in))
}

/// Signs in
#[utoipa::path(post, path = "/v1/auth/login", tag = "auth", request_body = Login,
    responses((status = 200, description = "Signed in.", body = SignedIn),
              (status = 401, description = "Address or password are wrong.", body = firemode_web::ProblemBody,
               content_type = "application/problem+json")))]
pub(crate) async fn login(
    body: Body<Login>,
    context: RequestContext,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let user = {
        // Not held while the password is checked: that takes long, and connections are few.
        let tx = state.database.across_tenants(Purpose::SignIn).read().await?;
        users::find_by_email(&tx, &body.value.email.to_lowercase()).await?
    };
    let hash = user.as_ref().map(|user| user.password_hash.as_str());
    let matches = state.passwords.check(&body.value.password, hash).await?;
    let refused = || Problem::unauthorized("Email address or password are wrong.");
    let user = user.ok_or_else(refused)?;
    let tx = state.database.tenant(user.organisation_id).transaction().await?;
    let answer = if matches && user.is_active {
        Ok(sign_in(&tx, &state, user, context, "auth.login").await?)
    } else {
        let mut event = act(&user, context, "auth.login", ("user", user.id), None, None);
        event.status = AuditStatus::Failure;
        audit::record(&tx, &[event]).await?;
        Err(refused())
    };
    tx.commit().await?;
    answer.map(|signed_in| HttpResponse::Ok().json(signed_in))
}

/// Exchanges a refresh token for new tokens
///
/// The old one works until the new one has been used once, so that a lost answer does no harm. After that, using the old one
/// again is taken for theft and ends every token of that login.
#[utoipa::path(post, path = "/v1/auth/refresh", tag = "auth", request_body = Refresh,
    responses((status = 200, description = "New tokens.", body = Tokens),
              (status = 401, description = "The refresh token does not work (any more).", body = firemode_web::ProblemBody,
               content_type = "application/problem+json")))]
pub(crate) async fn refresh(body: Body<Refresh>, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let refused = || Problem::unauthorized("The refresh token does not work any more. Sign in again.");
    let hash = hash(&body.value.refresh_token);
    let organisation_id = {
        let tx = state.database.across_tenants(Purpose::Renewal).read().await?;
        refresh_tokens::organisation_of(&tx, &hash).await?.ok_or_else(refused)?
    };
    let tx = state.database.tenant(organisation_id).transaction().await?;
    let token = refresh_tokens::find_for_use(&tx, organisation_id, &hash).await?.ok_or_else(refused)?;
    if token.revoked || token.successor_used {
        refresh_tokens::revoke_family(&tx, token.organisation_id, token.family_id).await?;
        tx.commit().await?;
        return Err(refused());
    }
    let user = users::find(&tx, token.organisation_id, token.user_id).await?.filter(|user| user.is_active);
    let user = user.filter(|_| token.expires_at > OffsetDateTime::now_utc()).ok_or_else(refused)?;
    refresh_tokens::mark_used(&tx, &token).await?;
    let tokens = issue(&tx, &state, &user, token.family_id, Some(token.id)).await?;
    tx.commit().await?;
    Ok(HttpResponse::Ok().json(tokens))
}

/// Signs out
///
/// Ends this access token, and with `refresh_token` also what could renew it.
#[utoipa::path(post, path = "/v1/auth/logout", tag = "auth", request_body = Logout,
    responses((status = 204, description = "Signed out.")))]
pub(crate) async fn logout(
    body: Body<Logout>,
    principal: Principal,
    context: RequestContext,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let tx = state.database.tenant(principal.organisation_id).transaction().await?;
    if let Some(refresh_token) = &body.value.refresh_token
        && let Some(token) =
            refresh_tokens::find_for_use(&tx, principal.organisation_id, &hash(refresh_token)).await?
        && token.user_id == principal.user_id
    {
        refresh_tokens::revoke_family(&tx, token.organisation_id, token.family_id).await?;
    }
    let entry = end_token(&tx, &principal, principal.user_id, principal.claims.jti).await?;
    let event = act(&principal, context, "auth.logout", ("user", principal.user_id), None, None);
    audit::record(&tx, &[event]).await?;
    tx.commit().await?;
    state.revocations.add(entry);
    Ok(HttpResponse::NoContent().finish())
}

/// Revokes one access token of the organisation
#[utoipa::path(post, path = "/v1/auth/revoke", tag = "auth", request_body = Revoke,
    responses((status = 204, description = "It is on the revocation list."),
              (status = 404, description = "There is no such user.", body = firemode_web::ProblemBody,
               content_type = "application/problem+json")))]
pub(crate) async fn revoke(
    body: Body<Revoke>,
    principal: Principal,
    context: RequestContext,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let Revoke { jti, user_id } = body.value;
    let tx = state.database.tenant(principal.organisation_id).transaction().await?;
    let user = users::find(&tx, principal.organisation_id, user_id).await?;
    let user = user.ok_or_else(|| Problem::not_found("user"))?;
    let entry = end_token(&tx, &principal, user.id, jti).await?;
    let event = act(&principal, context, "auth.revoke", ("token", jti), None, None);
    audit::record(&tx, &[event]).await?;
    tx.commit().await?;
    state.revocations.add(entry);
    Ok(HttpResponse::NoContent().finish())
}

/// Ends every token of a user
#[utoipa::path(post, path = "/v1/auth/revoke-all", tag = "auth", request_body = RevokeAll,
    responses((status = 204, description = "The user has to sign in again everywhere."),
              (status = 404, description = "There is no such user.", body = firemode_web::ProblemBody,
               content_type = "application/problem+json")))]
pub(crate) async fn revoke_all(
    body: Body<RevokeAll>,
    principal: Principal,
    context: RequestContext,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let user_id = body.value.user_id.unwrap_or(principal.user_id);
    let tx = state.database.tenant(principal.organisation_id).transaction().await?;
    let user = users::find(&tx, principal.organisation_id, user_id).await?;
    let user = user.ok_or_else(|| Problem::not_found("user"))?;
    let expires_at = longest_life();
    let not_before = revocations::revoke_user(&tx, principal.organisation_id, user.id, expires_at).await?;
    refresh_tokens::revoke_user(&tx, principal.organisation_id, user.id).await?;
    let event = act(&principal, context, "auth.revoke_all", ("user", user.id), None, None);
    audit::record(&tx, &[event]).await?;
    tx.commit().await?;
    state.revocations.add(Entry { revocation: Revocation::UserBefore { user_id, not_before }, expires_at });
    Ok(HttpResponse::NoContent().finish())
}

/// Begins a family of tokens for a user and records it.
async fn sign_in(
    tx: &Transaction,
    state: &State,
    user: User,
    context: RequestContext,
    action: &'static str,
) -> Result<SignedIn, Problem> {
    let tokens = issue(tx, state, &user, Uuid::now_v7(), None).await?;
    audit::record(tx, &[act(&user, context, action, ("user", user.id), None, None)]).await?;
    let full_name = state.vault.decrypt(&user.full_name_encrypted)?;
    Ok(SignedIn {
        organisation: Organisation { id: user.organisation_id, name: user.organisation_name },
        user: Profile { id: user.id, email: user.email, full_name, role: user.role },
        tokens,
    })
}

async fn issue(
    tx: &Transaction,
    state: &State,
    user: &User,
    family_id: Uuid,
    parent_id: Option<Uuid>,
) -> Result<Tokens, Problem> {
    let auth = &state.settings.auth;
    let now = OffsetDateTime::now_utc();
    let (access_token, _) = state
        .access_key
        .issue(user.id, user.organisation_id, user.role, now, auth.access_token_seconds.into())
        .map_err(Problem::internal)?;
    // 244 random bits: nobody guesses it, so a plain hash is enough to store it.
    let refresh_token =
        URL_SAFE_NO_PAD.encode([Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat());
    let new = NewRefreshToken {
        id: Uuid::now_v7(),
        organisation_id: user.organisation_id,
        user_id: user.id,
        family_id,
        parent_id,
        token_hash: &hash(&refresh_token),
        expires_at: now + Duration::days(auth.refresh_token_days.into()),
    };
    refresh_tokens::insert(tx, &new).await?;
    Ok(Tokens { access_token, refresh_token, token_type: "Bearer", expires_in: auth.access_token_seconds })
}

async fn end_token(
    tx: &Transaction,
    principal: &Principal,
    user_id: Uuid,
    jti: Uuid,
) -> Result<Entry, Problem> {
    let expires_at = longest_life();
    revocations::revoke_token(tx, principal.organisation_id, user_id, jti, expires_at).await?;
    Ok(Entry { revocation: Revocation::Token { user_id, jti }, expires_at })
}

/// A day covers every life of an access token that the settings allow.
fn longest_life() -> OffsetDateTime {
    OffsetDateTime::now_utc() + Duration::days(1)
}

fn hash(refresh_token: &str) -> [u8; 32] {
    Sha256::digest(refresh_token.as_bytes()).into()
}

/// Enough to catch a slip; whether the address exists, only a message to it can tell.
fn check_email(email: &str, _: &()) -> garde::Result {
    let parts: Vec<&str> = email.split('@').collect();
    let plain = email.chars().count() <= 254 && !email.chars().any(|c| c.is_whitespace() || c.is_control());
    match parts.as_slice() {
        [name, domain] if plain && !name.is_empty() && domain.contains('.') => Ok(()),
        _ => Err(garde::Error::new("must be an email address")),
    }
}
