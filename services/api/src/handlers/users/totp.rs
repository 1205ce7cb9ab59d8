//! The second factor: codes of an authenticator app (RFC 6238).

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use firemode_domain::audit::AuditStatus;
use firemode_domain::body;
use firemode_domain::input::Secret;
use firemode_domain::password;
use firemode_identity::keys::note_encryption;
use firemode_identity::second_factor::{new_recovery_codes, new_secret, take_code};
use firemode_storage::{audit, second_factors, users};
use firemode_web::{Body, IdempotencyKey, Outcome, Problem, catalogue};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::acts::act;
use crate::auth::proof::confirm_password;
use crate::call::Call;
use crate::profile::no_such_user;

body! {
    /// The caller's password, so that a stolen access token is not enough.
    #[derive(Debug)]
    pub(crate) struct Password {
        password: Secret<1, { password::BYTES_MAX }>,
    }
}

body! {
    /// What the app shows.
    #[derive(Debug)]
    pub(crate) struct Code {
        code: Secret<6, 10> = "123456",
    }
}

/// What an app needs; shown once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewTotp {
    /// To be typed, in base32. Null in a repeated answer: no secret is stored.
    #[schema(example = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")]
    secret: Option<String>,
    /// To be shown as a QR code. Null in a repeated answer.
    otpauth_uri: Option<String>,
}

/// Codes for the day on which the app is lost; shown once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecoveryCodes {
    /// Each signs in once, in the place of a code of the app. Null in a repeated answer: no secret is stored.
    recovery_codes: Option<Vec<String>>,
}

/// Begins to set up a second factor
///
/// Nothing is asked for at sign-ins until a first code has confirmed that the app has the secret, which cannot be read again and so has
/// no address.
#[utoipa::path(post, path = "/v1/users/me/totp", tag = "users", operation_id = "begin_totp", request_body = Password,
    params(IdempotencyKey),
    responses((status = 201, description = "The secret for the app.", body = NewTotp),
              (status = 409, description = "There is one already. Remove it first."),
              (status = 429, description = "Too many wrong passwords. Wait as long as Retry-After says.")))]
pub(crate) async fn begin(
    body: Body<Password>,
    key: IdempotencyKey,
    call: Call,
) -> Result<HttpResponse, Problem> {
    let password = &body.value.password;
    let user = confirm_password(&call, password, "password").await?;
    let secret = new_secret()?;
    let secret_encrypted = call.state.vault.encrypt(&secret.base32());
    let outcome = call
        .run_once(&key, &body.fingerprint, async |tx| {
            if !second_factors::begin(tx, user.organisation_id, user.id, &secret_encrypted).await? {
                return Err(Problem::of(
                    catalogue::EXISTS,
                    "This account has a second factor. Remove it first.",
                ));
            }
            call.record(tx, "user.begin_totp", ("user", user.id), None, None).await?;
            note_encryption(tx, &call.state.vault, user.organisation_id, call.context.transaction_id).await?;
            Outcome::new(StatusCode::CREATED, &NewTotp { secret: None, otpauth_uri: None })
        })
        .await?;
    let outcome = outcome.reveal("/otpauth_uri", secret.uri(&user.email))?;
    Ok(outcome.reveal("/secret", secret.base32())?.respond())
}

/// Confirms the second factor with a first code
///
/// From here on every sign-in asks for a code. The recovery codes are shown this once: keep them.
#[utoipa::path(post, path = "/v1/users/me/totp/confirm", tag = "users", operation_id = "confirm_totp", request_body = Code,
    params(IdempotencyKey),
    responses((status = 200, description = "Confirmed.", body = RecoveryCodes),
              (status = 409, description = "There is nothing to confirm."),
              (status = 429, description = "Too many wrong codes. Wait as long as Retry-After says.")))]
pub(crate) async fn confirm(
    body: Body<Code>,
    key: IdempotencyKey,
    call: Call,
) -> Result<HttpResponse, Problem> {
    let (organisation_id, state) = (call.organisation_id(), &call.state);
    let tx = call.read().await?;
    let user = users::find(&tx, organisation_id, call.user_id()).await?.ok_or_else(no_such_user)?;
    let origin = state.throttle.origin(&call.request, &user.email);
    state.throttle.check(&tx, &origin).await?;
    drop(tx);
    let (mut codes, mut is_wrong) = (Vec::new(), false);
    let outcome = call
        .run_once(&key, &body.fingerprint, async |tx| {
            let factor = second_factors::find_for_use(tx, organisation_id, user.id).await?;
            let factor = factor.filter(|factor| !factor.is_confirmed).ok_or_else(|| {
                Problem::of(catalogue::NOT_BEGUN, "There is nothing to confirm: begin a second factor first.")
            })?;
            if !take_code(tx, &state.vault, &user, &factor, &body.value.code).await? {
                is_wrong = true;
                return Err(Problem::invalid_field("code", "is not what the app shows now"));
            }
            codes = new_recovery_codes(tx, &user).await?;
            call.record(tx, "user.confirm_totp", ("user", user.id), None, None).await?;
            Outcome::new(StatusCode::OK, &RecoveryCodes { recovery_codes: None })
        })
        .await;
    if is_wrong {
        let tx = call.transaction().await?;
        state.throttle.failed(&tx, &origin).await?;
        let mut event =
            act(&call.principal, call.context, "user.confirm_totp", ("user", user.id), None, None);
        event.status = AuditStatus::Failure;
        audit::record(&tx, &[event]).await?;
        tx.commit().await?;
    }
    Ok(outcome?.reveal("/recovery_codes", codes)?.respond())
}

/// Removes one's own second factor
#[utoipa::path(delete, path = "/v1/users/me/totp", tag = "users", operation_id = "remove_own_totp", request_body = Password,
    responses((status = 204, description = "Removed; sign-ins ask for the password alone."),
              (status = 404, description = "There is none."),
              (status = 429, description = "Too many wrong passwords. Wait as long as Retry-After says.")))]
pub(crate) async fn remove_own(body: Body<Password>, call: Call) -> Result<HttpResponse, Problem> {
    let password = &body.value.password;
    confirm_password(&call, password, "password").await?;
    remove(&call, call.user_id()).await
}

/// Removes the second factor of a user
///
/// For somebody who has lost both the app and the recovery codes.
#[utoipa::path(delete, path = "/v1/users/{user_id}/totp", tag = "users", operation_id = "remove_totp", params(("user_id" = Uuid, Path)),
    responses((status = 204, description = "Removed; sign-ins ask for the password alone.")))]
pub(crate) async fn remove_of_user(id: web::Path<Uuid>, call: Call) -> Result<HttpResponse, Problem> {
    remove(&call, *id).await
}

async fn remove(call: &Call, user_id: Uuid) -> Result<HttpResponse, Problem> {
    let tx = call.transaction().await?;
    if !second_factors::remove(&tx, call.organisation_id(), user_id).await? {
        return Err(Problem::not_found("second factor"));
    }
    call.record(&tx, "user.remove_totp", ("user", user_id), None, None).await?;
    tx.commit().await?;
    Ok(HttpResponse::NoContent().finish())
}
