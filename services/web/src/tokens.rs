//! The tokens that say who asks: access tokens of clients, and the internal ones that the API hands to the ingest process.

use firemode_domain::role::Role;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

const ISSUER: &str = "firemode";
const ACCESS_AUDIENCE: &str = "firemode-api";
const INTERNAL_AUDIENCE: &str = "firemode-ingest";

/// Life of an internal token, in seconds.
pub const INTERNAL_TOKEN_SECONDS: i64 = 60;

/// Clocks of two machines may differ by this much.
const LEEWAY_SECONDS: u64 = 5;

/// Longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 4096;

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
#[derive(Clone)]
pub struct AccessKey(Key);

/// Makes and reads internal tokens.
#[derive(Clone)]
pub struct InternalKey(Key);

#[derive(Clone)]
struct Key {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

impl AccessKey {
    /// HS256 over the secret's UTF-8 bytes.
    pub fn new(secret: &SecretString) -> Self {
        Self(Key::new(secret, ACCESS_AUDIENCE))
    }

    /// Makes a token for a user, with a new `jti`.
    ///
    /// # Errors
    /// The key cannot sign; it was checked at the start.
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
        Ok((self.0.sign(&claims)?, claims))
    }

    /// Reads a token.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn verify(&self, token: &str) -> Result<AccessClaims, TokenError> {
        self.0.verify(token)
    }
}

impl InternalKey {
    /// HS256 over the secret's UTF-8 bytes.
    pub fn new(secret: &SecretString) -> Self {
        Self(Key::new(secret, INTERNAL_AUDIENCE))
    }

    /// Makes a token that carries on what an access token said.
    ///
    /// # Errors
    /// The key cannot sign; it was checked at the start.
    pub fn issue(
        &self,
        access: &AccessClaims,
        transaction_id: Uuid,
        now: OffsetDateTime,
    ) -> Result<String, TokenError> {
        self.0.sign(&InternalClaims {
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
        })
    }

    /// Reads a token.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn verify(&self, token: &str) -> Result<InternalClaims, TokenError> {
        self.0.verify(token)
    }
}

impl std::fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AccessKey")
    }
}

impl std::fmt::Debug for InternalKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InternalKey")
    }
}

impl Key {
    fn new(secret: &SecretString, audience: &str) -> Self {
        let bytes = secret.expose_secret().as_bytes();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_nbf = true;
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        Self {
            encoding: EncodingKey::from_secret(bytes),
            decoding: DecodingKey::from_secret(bytes),
            validation,
        }
    }

    fn sign(&self, claims: &impl Serialize) -> Result<String, TokenError> {
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &self.encoding)
            .map_err(|_| TokenError::Invalid)
    }

    fn verify<T: DeserializeOwned>(&self, token: &str) -> Result<T, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Invalid);
        }
        match jsonwebtoken::decode(token, &self.decoding, &self.validation) {
            Ok(data) => Ok(data.claims),
            Err(error) if matches!(error.kind(), jsonwebtoken::errors::ErrorKind::ExpiredSignature) => {
                Err(TokenError::Expired)
            }
            Err(_) => Err(TokenError::Invalid),
        }
    }
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
