//! Renewing tokens, and ending them.

use actix_web::HttpResponse;
use firemode_domain::body;
use firemode_domain::input::Secret;
use firemode_storage::{Purpose, refresh_tokens, revocations, users};
use firemode_web::{Body, Problem, catalogue};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::auth::tokens::{Tokens, end_all, end_of_session, hash, issue, longest_life};
use crate::call::{Call, PublicCall};
use crate::profile::no_such_user;

/// Entries of one organisation that name a token by its `jti` alone, at a time.
const REVOCATIONS_MAX: u32 = 10_000;

/// When to try again once there are so many: entries expire a few at a time.
const REVOCATIONS_RETRY_SECONDS: u32 = 60;

body! {
    /// A refresh token to exchange.
    #[derive(Debug)]
    pub(crate) struct Refresh {
        refresh_token: Secret<1, 200>,
    }
}

body! {
    /// What to end besides the access token.
    #[derive(Debug)]
    pub(crate) struct Logout like {} {
        /// Ends the whole family of tokens of this login.
        refresh_token: Option<Secret<1, 200>>,
    }
}

body! {
    /// An access token to put on the revocation list.
    #[derive(Debug)]
    pub(crate) struct Revoke {
        /// `jti` of the token.
        jti: Uuid,
    }
}

body! {
    /// A user whose every token is to end.
    #[derive(Debug)]
    pub(crate) struct RevokeAll like {} {
        /// Oneself, where left out.
        user_id: Option<Uuid>,
    }
}

/// Exchanges a refresh token for new tokens
///
/// The old one works until the new one has been used once, so that a lost answer does no harm. After that, using the old one
/// again is taken for theft and ends every token of that login.
#[utoipa::path(post, path = "/v1/auth/refresh", tag = "auth", request_body = Refresh,
    responses((status = 200, description = "New tokens.", body = Tokens),
              (status = 401, description = "The refresh token does not work (any more).")))]
pub(crate) async fn refresh(body: Body<Refresh>, call: PublicCall) -> Result<HttpResponse, Problem> {
    let refused = || Problem::unauthorized("The refresh token does not work any more. Sign in again.");
    let state = &call.state;
    let hash = hash(&body.value.refresh_token);
    let organisation_id = {
        let tx = state.database.across_tenants(Purpose::Renewal).read().await?;
        refresh_tokens::organisation_of(&tx, &hash).await?.ok_or_else(refused)?
    };
    let tx = state.database.tenant(organisation_id).transaction().await?;
    let token = refresh_tokens::find_for_use(&tx, organisation_id, &hash).await?.ok_or_else(refused)?;
    if token.revoked || token.successor_used {
        let entries = refresh_tokens::revoke_family(&tx, token.organisation_id, token.family_id).await?;
        tx.commit().await?;
        state.revocations.add_all(entries);
        return Err(refused());
    }
    let user =
        users::find_for_share(&tx, token.organisation_id, token.user_id).await?.filter(|user| user.is_active);
    let end = token.expires_at.min(end_of_session(state, token.family_id));
    let user = user.filter(|_| end > OffsetDateTime::now_utc()).ok_or_else(refused)?;
    refresh_tokens::mark_used(&tx, &token).await?;
    let tokens = issue(&tx, &call, &user, token.family_id, Some(token.id)).await?;
    tx.commit().await?;
    Ok(HttpResponse::Ok().json(tokens))
}

/// Signs out
///
/// Ends this access token, and with `refresh_token` every token of that sign-in: what renews it, and all access tokens made from it.
#[utoipa::path(post, path = "/v1/auth/logout", tag = "auth", request_body = Logout,
    responses((status = 204, description = "Signed out.")))]
pub(crate) async fn logout(body: Body<Logout>, call: Call) -> Result<HttpResponse, Problem> {
    let (organisation_id, user_id) = (call.organisation_id(), call.user_id());
    let tx = call.transaction().await?;
    let mut entries = Vec::new();
    if let Some(refresh_token) = &body.value.refresh_token
        && let Some(token) = refresh_tokens::find_for_use(&tx, organisation_id, &hash(refresh_token)).await?
        && token.user_id == user_id
    {
        entries = refresh_tokens::revoke_family(&tx, token.organisation_id, token.family_id).await?;
    }
    let jti = call.principal.claims.jti;
    entries.push(revocations::revoke_token(&tx, organisation_id, user_id, jti, longest_life()).await?);
    call.record(&tx, "auth.logout", ("user", user_id), None, None).await?;
    tx.commit().await?;
    call.state.revocations.add_all(entries);
    Ok(HttpResponse::NoContent().finish())
}

/// Revokes one access token of the organisation
///
/// Anybody's token of the organisation may be named; a token of another organisation with the same `jti` is not meant. At most 10,000 such
/// entries live at a time, each for a day, which is as long as a token can.
#[utoipa::path(post, path = "/v1/auth/revoke", tag = "auth", request_body = Revoke,
    responses((status = 204, description = "It is on the revocation list."),
              (status = 429, description = "There are 10,000 entries. Wait, or end all tokens of a user.")))]
pub(crate) async fn revoke(body: Body<Revoke>, call: Call) -> Result<HttpResponse, Problem> {
    let jti = body.value.jti;
    let tx = call.transaction().await?;
    let live_max = i64::from(REVOCATIONS_MAX);
    let (organisation_id, user_id) = (call.organisation_id(), call.user_id());
    let entry = revocations::revoke_jti(&tx, organisation_id, user_id, jti, longest_life(), live_max).await?;
    let entry = entry.ok_or_else(too_many_revocations)?;
    call.record(&tx, "auth.revoke", ("token", jti), None, None).await?;
    tx.commit().await?;
    call.state.revocations.add(entry);
    Ok(HttpResponse::NoContent().finish())
}

fn too_many_revocations() -> Problem {
    let detail = format!(
        "{REVOCATIONS_MAX} tokens are revoked already. Wait until some have expired, or end all tokens of a user \
         with POST /v1/auth/revoke-all."
    );
    Problem::of(catalogue::REVOCATIONS, detail).retry_after(REVOCATIONS_RETRY_SECONDS)
}

/// Ends every token of a user
#[utoipa::path(post, path = "/v1/auth/revoke-all", tag = "auth", request_body = RevokeAll,
    responses((status = 204, description = "The user has to sign in again everywhere."),
              (status = 404, description = "There is no such user.")))]
pub(crate) async fn revoke_all(body: Body<RevokeAll>, call: Call) -> Result<HttpResponse, Problem> {
    let user_id = body.value.user_id.unwrap_or(call.user_id());
    let tx = call.transaction().await?;
    let user = users::find(&tx, call.organisation_id(), user_id).await?.ok_or_else(no_such_user)?;
    let entry = end_all(&tx, call.organisation_id(), user.id, true).await?;
    call.record(&tx, "auth.revoke_all", ("user", user.id), None, None).await?;
    tx.commit().await?;
    call.state.revocations.add(entry);
    Ok(HttpResponse::NoContent().finish())
}
