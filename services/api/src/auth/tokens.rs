//! The tokens that a signed-in user holds, and their end.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use firemode_identity::{ACCESS_TOKEN_SECONDS_MAX, LEEWAY_SECONDS};
use firemode_storage::Transaction;
use firemode_storage::audit::{self, KeyKind};
use firemode_storage::refresh_tokens::{self, NewRefreshToken};
use firemode_storage::revocations::{self, Revocation, RevocationEntry};
use firemode_storage::users::User;
use firemode_web::Problem;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::acts::act;
use crate::call::PublicCall;
use crate::profile::Profile;
use crate::state::ApiState;

/// By how much the clocks of those who make, read and revoke a token may differ in all.
const CLOCKS_SECONDS: u32 = 2 * LEEWAY_SECONDS as u32;

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
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    #[schema(example = "Bearer")]
    pub(crate) token_type: &'static str,
    /// Life of the access token, in seconds.
    #[schema(example = 900)]
    pub(crate) expires_in: u32,
}

/// Begins a family of tokens for a user and records it.
pub(crate) async fn sign_in(
    tx: &Transaction,
    call: &PublicCall,
    user: User,
    action: &'static str,
) -> Result<SignedIn, Problem> {
    let tokens = issue(tx, call, &user, Uuid::now_v7(), None).await?;
    audit::record(tx, &[act(&user, call.context, action, ("user", user.id), None, None)]).await?;
    let full_name = call.state.vault.decrypt(&user.full_name_encrypted)?;
    Ok(SignedIn {
        organisation: Organisation { id: user.organisation_id, name: user.organisation_name },
        user: Profile { id: user.id, email: user.email, full_name, role: user.role },
        tokens,
    })
}

/// Makes an access token and a refresh token of a family, and records the first use of a key for the organisation.
pub(crate) async fn issue(
    tx: &Transaction,
    call: &PublicCall,
    user: &User,
    family_id: Uuid,
    parent_id: Option<Uuid>,
) -> Result<Tokens, Problem> {
    let PublicCall { context, state, .. } = call;
    let auth = &state.settings.auth;
    let (refresh_token, token_hash) = new_secret_token();
    let access_jti = Uuid::new_v4();
    let new = NewRefreshToken {
        id: Uuid::now_v7(),
        organisation_id: user.organisation_id,
        user_id: user.id,
        family_id,
        parent_id,
        token_hash: &token_hash,
        expires_at: end_of_session(state, family_id)
            .min(OffsetDateTime::now_utc() + Duration::days(auth.refresh_token_days.into())),
        access_jti,
        access_seconds: auth.access_token_seconds + CLOCKS_SECONDS,
    };
    // The database's clock says when the token was made, since the same clock says what a revocation is about.
    let issued_at = refresh_tokens::insert(tx, &new).await?;
    let life = auth.access_token_seconds.into();
    let access_token = state
        .access_key
        .issue((user.id, user.organisation_id), user.role, access_jti, issued_at, life)
        .map_err(Problem::internal)?;
    let key_id = state.access_key.signing_key_id();
    let organisation_id = user.organisation_id;
    let transaction_id = context.transaction_id;
    audit::record_key_use(tx, organisation_id, transaction_id, KeyKind::AccessTokens, key_id).await?;
    Ok(Tokens { access_token, refresh_token, token_type: "Bearer", expires_in: auth.access_token_seconds })
}

/// When the user has to sign in again, however often the tokens are renewed until then. The family's id says when it began.
pub(crate) fn end_of_session(state: &ApiState, family_id: Uuid) -> OffsetDateTime {
    let began = family_id.get_timestamp().map(|timestamp| timestamp.to_unix().0);
    let began = began.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds.cast_signed()).ok());
    let days = state.settings.auth.sign_in_days_max.into();
    began.unwrap_or(OffsetDateTime::UNIX_EPOCH) + Duration::days(days)
}

/// Ends what lets a user in now: access tokens, and with `refresh_too` all that could renew them. The entry is for the list of
/// this process, once the transaction has committed.
pub(crate) async fn end_all(
    tx: &Transaction,
    organisation_id: Uuid,
    user_id: Uuid,
    refresh_too: bool,
) -> Result<RevocationEntry, Problem> {
    let expires_at = longest_life();
    let not_before = revocations::revoke_user(tx, organisation_id, user_id, expires_at).await?;
    if refresh_too {
        refresh_tokens::revoke_user(tx, organisation_id, user_id).await?;
    }
    Ok(RevocationEntry { revocation: Revocation::UserBefore { user_id, not_before }, expires_at })
}

/// When the last access token that works now has expired, with allowance for clocks that differ.
pub(crate) fn longest_life() -> OffsetDateTime {
    OffsetDateTime::now_utc() + Duration::seconds(ACCESS_TOKEN_SECONDS_MAX + i64::from(CLOCKS_SECONDS))
}

/// A token that is a secret by itself, and the hash that is stored of it. 244 random bits: nobody guesses it, so a plain hash
/// is enough.
pub(crate) fn new_secret_token() -> (String, [u8; 32]) {
    let token = URL_SAFE_NO_PAD.encode([Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat());
    let hash = hash(&token);
    (token, hash)
}

/// What is stored of a secret token.
pub(crate) fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}
