//! One-time tokens that an admin hands to a user: invitations and password resets.
//!
//! FireMode sends no mail, so the token stands in the admin's answer, once: what is stored for a repeated answer does not
//! have it. Where the first answer was lost, a new token takes its place.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use firemode_domain::audit::truncate_to_microseconds;
use firemode_domain::body;
use firemode_domain::input::{Email, Line};
use firemode_domain::role::Role;
use firemode_identity::keys::note_encryption;
use firemode_storage::Transaction;
use firemode_storage::account_tokens::{self, NewAccountToken, TokenKind};
use firemode_storage::users::{self, NewUser, User};
use firemode_web::{Body, IdempotencyKey, Outcome, Problem, catalogue};
use serde::Serialize;
use serde_json::json;
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::tokens::new_secret_token;
use crate::call::{Call, NO_BODY, PublicCall};
use crate::etag;
use crate::handlers::auth::email_taken;
use crate::handlers::users::UserView;
use crate::profile::no_such_user;

body! {
    /// A user to be invited.
    #[derive(Debug)]
    pub(crate) struct Invite {
        email: Email = "toni@example.com",
        role: Role,
        /// The user may give another when accepting.
        full_name: Option<Line<200>> = "Toni Technician",
    }
}

/// A token that works once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OneTimeToken {
    /// Hand it over on a way that only the user sees. Null in a repeated answer: no secret is stored.
    token: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

/// A user, and the token for its first password.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Invited {
    #[serde(flatten)]
    user: UserView,
    invitation: OneTimeToken,
}

/// Invites a user
///
/// FireMode sends no mail: hand the token over yourself. The user sends it to `POST /v1/auth/accept-invitation` with a
/// password. An address that has an account in another organisation can be invited as any other, but not join: an address is one
/// account's.
#[utoipa::path(post, path = "/v1/users", tag = "users", request_body = Invite,
    params(IdempotencyKey),
    responses((status = 201, description = "Invited.", body = Invited),
              (status = 409, description = "The organisation has a user with this address.")))]
pub(crate) async fn invite(
    body: Body<Invite>,
    key: IdempotencyKey,
    call: Call,
) -> Result<HttpResponse, Problem> {
    let Invite { email, role, full_name } = body.value;
    let PublicCall { state, context, .. } = &*call;
    // Nobody knows this password: until there is a chosen one, signing in fails as it does with a wrong one.
    let password_hash = state.passwords.hash(&new_secret_token().0).await?;
    let full_name_encrypted = state.vault.encrypt(full_name.as_deref().unwrap_or_default());
    let (organisation_id, user_id) = (call.organisation_id(), Uuid::now_v7());
    let new = NewUser {
        id: user_id,
        organisation_id,
        email: &email,
        password_hash: &password_hash,
        full_name_encrypted: &full_name_encrypted,
        role,
        has_joined: false,
    };
    let (token, hash) = new_secret_token();
    let outcome = call
        .run_once(&key, &body.fingerprint, async |tx| {
            users::insert(tx, &new).await.map_err(email_taken)?;
            let user = users::find(tx, organisation_id, user_id).await?.ok_or_else(no_such_user)?;
            let invitation = issue(tx, &call, &user, TokenKind::Invitation, &hash).await?;
            let after = json!({"role": role});
            call.record(tx, "user.invite", ("user", user_id), None, Some(after)).await?;
            note_encryption(tx, &state.vault, organisation_id, context.transaction_id).await?;
            Outcome::new(StatusCode::CREATED, &Invited { user: UserView::of(&call, user), invitation })
        })
        .await?;
    call.created(outcome.reveal("/invitation/token", token)?, etag::of_body)
}

/// Issues an invitation again
///
/// The token of before stops working. A token has no address: it cannot be read again.
#[utoipa::path(post, path = "/v1/users/{user_id}/invitation", tag = "users",
    params(("user_id" = Uuid, Path),
           IdempotencyKey),
    responses((status = 201, description = "The new token.", body = OneTimeToken),
              (status = 409, description = "The user has joined already, or is disabled.")))]
pub(crate) async fn invite_again(
    id: web::Path<Uuid>,
    key: IdempotencyKey,
    call: Call,
) -> Result<HttpResponse, Problem> {
    hand_out(&call, &key, *id, TokenKind::Invitation).await
}

/// Withdraws an invitation
///
/// The account goes with it, and its address can be invited again.
#[utoipa::path(delete, path = "/v1/users/{user_id}/invitation", tag = "users", operation_id = "withdraw_invitation", params(("user_id" = Uuid, Path)),
    responses((status = 204, description = "Withdrawn."),
              (status = 409, description = "The user has joined already, or something on record names it.")))]
pub(crate) async fn withdraw(id: web::Path<Uuid>, call: Call) -> Result<HttpResponse, Problem> {
    let organisation_id = call.organisation_id();
    let tx = call.transaction().await?;
    users::find_for_update(&tx, organisation_id, *id).await?.ok_or_else(no_such_user)?;
    account_tokens::withdraw_all(&tx, organisation_id, *id).await?;
    let removed =
        users::remove_invited(&tx, organisation_id, *id).await.map_err(|error| match error.constraint() {
            Some(_) => {
                Problem::of(catalogue::IN_USE, "Something on record names this user. Disable it instead.")
            }
            None => error.into(),
        })?;
    if !removed {
        return Err(Problem::of(catalogue::JOINED, "This user has joined already. Disable it instead."));
    }
    call.record(&tx, "user.withdraw_invitation", ("user", *id), None, None).await?;
    tx.commit().await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Issues a token for a new password
///
/// For somebody who has lost theirs. FireMode sends no mail: hand the token over yourself, when you are sure who asks. The user
/// sends it to `POST /v1/auth/reset-password`; until then the old password goes on working. A token has no address: it cannot be read
/// again.
#[utoipa::path(post, path = "/v1/users/{user_id}/password-reset", tag = "users",
    params(("user_id" = Uuid, Path),
           IdempotencyKey),
    responses((status = 201, description = "The token.", body = OneTimeToken),
              (status = 409, description = "The user has yet to accept an invitation, or is disabled.")))]
pub(crate) async fn reset_password(
    id: web::Path<Uuid>,
    key: IdempotencyKey,
    call: Call,
) -> Result<HttpResponse, Problem> {
    hand_out(&call, &key, *id, TokenKind::PasswordReset).await
}

async fn hand_out(
    call: &Call,
    key: &IdempotencyKey,
    user_id: Uuid,
    kind: TokenKind,
) -> Result<HttpResponse, Problem> {
    let organisation_id = call.organisation_id();
    let (token, hash) = new_secret_token();
    let (action, wants_joined) = match kind {
        TokenKind::Invitation => ("user.invite_again", false),
        TokenKind::PasswordReset => ("user.issue_password_reset", true),
    };
    let outcome = call
        .run_once(key, &NO_BODY, async |tx| {
            let (user, _) =
                users::find_for_update(tx, organisation_id, user_id).await?.ok_or_else(no_such_user)?;
            if !user.is_active {
                return Err(Problem::of(catalogue::DISABLED, "This user is disabled. Enable it first."));
            }
            if user.joined_at.is_some() != wants_joined {
                return Err(match wants_joined {
                    true => Problem::of(catalogue::NOT_JOINED, "This user has yet to accept an invitation."),
                    false => Problem::of(catalogue::JOINED, "This user has joined already."),
                });
            }
            let answer = issue(tx, call, &user, kind, &hash).await?;
            call.record(tx, action, ("user", user_id), None, None).await?;
            Outcome::new(StatusCode::CREATED, &answer)
        })
        .await?;
    Ok(outcome.reveal("/token", token)?.respond())
}

/// Stores a token's hash; the answer that may be stored too does not have the token.
async fn issue(
    tx: &Transaction,
    call: &Call,
    user: &User,
    kind: TokenKind,
    token_hash: &[u8],
) -> Result<OneTimeToken, Problem> {
    let auth = &call.state.settings.auth;
    let hours = match kind {
        TokenKind::Invitation => auth.invitation_hours,
        TokenKind::PasswordReset => auth.password_reset_hours,
    };
    let expires_at = truncate_to_microseconds(OffsetDateTime::now_utc()) + Duration::hours(hours.into());
    let new = NewAccountToken {
        organisation_id: user.organisation_id,
        user_id: user.id,
        kind,
        token_hash,
        created_by: call.user_id(),
        expires_at,
    };
    account_tokens::put(tx, &new).await?;
    Ok(OneTimeToken { token: None, expires_at })
}
