//! The tokens that say who asks: access tokens of clients, and the internal ones that the API hands to the ingest process.

use firemode_domain::role::Role;
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::jws::{self, SigningKey, SigningKeys};

const ISSUER: &str = "firemode";
const ACCESS_AUDIENCE: &str = "firemode-api";
const INTERNAL_AUDIENCE: &str = "firemode-ingest";

/// Life of an internal token, in seconds; a longer one is refused.
pub const INTERNAL_TOKEN_SECONDS: i64 = 60;

/// Longest life of an access token, in seconds. Entries of the revocation list are kept a little longer than this, so a
/// token that lived longer would come back to life.
pub const ACCESS_TOKEN_SECONDS_MAX: i64 = 86_400;

/// Clocks of two machines may differ by this much.
pub const LEEWAY_SECONDS: i64 = 5;

/// The token is not one of ours, or not any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It was good, and its time is over.
    #[error("the token has expired")]
    Expired,
    /// Anything else: forged, damaged, for somebody else, not yet valid.
    #[error("the token is not valid")]
    Invalid,
}

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccessClaims {
    iss: String,
    aud: String,
    /// The user.
    pub sub: Uuid,
    /// The user's organisation.
    pub org: Uuid,
    /// What the user may do.
    pub role: Role,
    /// Names this token on the revocation list.
    pub jti: Uuid,
    /// When it was made, in seconds since 1970, with a fraction: two tokens of one second can be told apart.
    pub iat: f64,
    nbf: i64,
    /// When it stops working, in seconds since 1970.
    pub exp: i64,
}

/// What an internal token says: who asked the API for what the ingest process is to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InternalClaims {
    iss: String,
    aud: String,
    /// The user.
    pub sub: Uuid,
    /// The user's organisation.
    pub org: Uuid,
    /// What the user may do.
    pub role: Role,
    /// `jti` of the access token.
    pub access_jti: Uuid,
    /// `iat` of the access token.
    pub access_iat: f64,
    /// The request's transaction id.
    pub transaction_id: Uuid,
    nbf: i64,
    exp: i64,
}

/// Makes and reads access tokens.
#[derive(Debug, Clone)]
pub struct AccessKey(SigningKeys);

/// Makes and reads internal tokens.
#[derive(Debug, Clone)]
pub struct InternalKey(SigningKeys);

impl AccessKey {
    /// HS256 over the secrets' UTF-8 bytes; the first signs, the others are accepted while a key is being replaced.
    pub fn new(secret: &SecretString, accepted: &[SecretString]) -> Self {
        Self(signing_keys(secret, accepted))
    }

    /// The id of the key that signs.
    pub fn signing_key_id(&self) -> &str {
        self.0.signing_key_id()
    }

    /// Makes a token for a user, with a new `jti`.
    ///
    /// # Errors
    /// The claims cannot be written, which does not happen.
    pub fn issue(
        &self,
        user_id: Uuid,
        organisation_id: Uuid,
        role: Role,
        now: OffsetDateTime,
        life_seconds: i64,
    ) -> Result<(String, AccessClaims), TokenError> {
        let claims = AccessClaims {
            iss: ISSUER.to_owned(),
            aud: ACCESS_AUDIENCE.to_owned(),
            sub: user_id,
            org: organisation_id,
            role,
            jti: Uuid::new_v4(),
            iat: seconds_of(now),
            nbf: now.unix_timestamp(),
            exp: now.unix_timestamp() + life_seconds,
        };
        Ok((seal(&self.0, &claims)?, claims))
    }

    /// Reads a token at a time.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn verify(&self, token: &str, now: OffsetDateTime) -> Result<AccessClaims, TokenError> {
        let claims: AccessClaims = open(&self.0, token)?;
        let is_ours = claims.iss == ISSUER && claims.aud == ACCESS_AUDIENCE;
        let life_seconds = claims.exp as f64 - claims.iat;
        // The revocation of all tokens of a user compares `iat`: one from the future would outlive it.
        let is_issued = claims.iat <= seconds_of(now) + LEEWAY_SECONDS as f64;
        if !is_ours || !is_issued || life_seconds > ACCESS_TOKEN_SECONDS_MAX as f64 {
            return Err(TokenError::Invalid);
        }
        check_times(claims.nbf, claims.exp, now)?;
        Ok(claims)
    }
}

impl InternalKey {
    /// HS256 over the secrets' UTF-8 bytes; the first signs, the others are accepted while a key is being replaced.
    pub fn new(secret: &SecretString, accepted: &[SecretString]) -> Self {
        Self(signing_keys(secret, accepted))
    }

    /// Makes a token that carries on what an access token said.
    ///
    /// # Errors
    /// The claims cannot be written, which does not happen.
    pub fn issue(
        &self,
        access: &AccessClaims,
        transaction_id: Uuid,
        now: OffsetDateTime,
    ) -> Result<String, TokenError> {
        let claims = InternalClaims {
            iss: ISSUER.to_owned(),
            aud: INTERNAL_AUDIENCE.to_owned(),
            sub: access.sub,
            org: access.org,
            role: access.role,
            access_jti: access.jti,
            access_iat: access.iat,
            transaction_id,
            nbf: now.unix_timestamp(),
            exp: now.unix_timestamp() + INTERNAL_TOKEN_SECONDS,
        };
        seal(&self.0, &claims)
    }

    /// Reads a token at a time.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn verify(&self, token: &str, now: OffsetDateTime) -> Result<InternalClaims, TokenError> {
        let claims: InternalClaims = open(&self.0, token)?;
        let is_ours = claims.iss == ISSUER && claims.aud == INTERNAL_AUDIENCE;
        if !is_ours || claims.exp.saturating_sub(claims.nbf) > INTERNAL_TOKEN_SECONDS {
            return Err(TokenError::Invalid);
        }
        check_times(claims.nbf, claims.exp, now)?;
        Ok(claims)
    }
}

fn signing_keys(secret: &SecretString, accepted: &[SecretString]) -> SigningKeys {
    let key = |secret: &SecretString| SigningKey::new(secret.expose_secret().as_bytes());
    SigningKeys::new(key(secret), accepted.iter().map(key))
}

fn seal(keys: &SigningKeys, claims: &impl Serialize) -> Result<String, TokenError> {
    Ok(keys.seal(&serde_json::to_vec(claims).map_err(|_| TokenError::Invalid)?))
}

fn open<T: DeserializeOwned>(keys: &SigningKeys, token: &str) -> Result<T, TokenError> {
    let payload = keys.open(token).ok_or(TokenError::Invalid)?;
    jws::unique_names(&payload).ok_or(TokenError::Invalid)?;
    serde_json::from_slice(&payload).map_err(|_| TokenError::Invalid)
}

fn check_times(nbf: i64, exp: i64, now: OffsetDateTime) -> Result<(), TokenError> {
    let now = now.unix_timestamp();
    if nbf > now + LEEWAY_SECONDS {
        return Err(TokenError::Invalid);
    }
    if exp <= now - LEEWAY_SECONDS { Err(TokenError::Expired) } else { Ok(()) }
}

/// A time as a token says it.
#[expect(
    clippy::cast_precision_loss,
    reason = "microseconds since 1970 fit into 53 bits until the year 2255"
)]
pub fn seconds_of(time: OffsetDateTime) -> f64 {
    (time.unix_timestamp_nanos() / 1000) as f64 / 1e6
}

/// The time that a token's seconds say; a nonsensical number gives 1970, before which nothing was issued.
#[expect(clippy::cast_possible_truncation, reason = "the cast saturates, and the range is checked after it")]
pub fn at(seconds: f64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from((seconds * 1e6) as i64) * 1000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
