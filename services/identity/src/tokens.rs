//! The tokens that say who asks: access tokens of clients, the internal ones that the API hands to the ingest process, and those in
//! addresses for what cannot send a token.

use firemode_domain::role::Role;
use jsonwebtoken::{Algorithm, Validation};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::jws::{self, SigningKey, SigningKeys};

const ISSUER: &str = "firemode";
const ACCESS_AUDIENCE: &str = "firemode-api";
const INTERNAL_AUDIENCE: &str = "firemode-ingest";
const LINK_AUDIENCE: &str = "firemode-link";

/// Life of an internal token, in seconds; a longer one is refused.
pub const INTERNAL_TOKEN_SECONDS: i64 = 60;

/// Life of an address that carries a token, in seconds.
pub const LINK_SECONDS: i64 = 300;

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

/// What an access token says, besides who made it and for whom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// The user.
    pub sub: Uuid,
    /// The user's organisation.
    pub org: Uuid,
    /// What the user may do.
    pub role: Role,
    /// Names this token on the revocation list.
    pub jti: Uuid,
    /// When it was made, in seconds since 1970, with a fraction: two tokens of one second differ.
    pub iat: f64,
    #[serde(default = "always", serialize_with = "whole")]
    nbf: f64,
    #[serde(serialize_with = "whole")]
    exp: f64,
}

/// What an internal token says: who asked the API for what the ingest process is to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InternalClaims {
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
    #[serde(serialize_with = "whole")]
    nbf: f64,
    #[serde(serialize_with = "whole")]
    exp: f64,
}

/// What the token in an address says: who made the address, and which evidence it shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinkClaims {
    /// What the access token said that the address was made with. What ends that token ends the address.
    pub access: AccessClaims,
    /// The evidence.
    pub evidence_id: Uuid,
    #[serde(serialize_with = "whole")]
    exp: f64,
}

/// Makes and reads access tokens.
#[derive(Debug, Clone)]
pub struct AccessKey(Keys);

/// Makes and reads internal tokens.
#[derive(Debug, Clone)]
pub struct InternalKey(Keys);

/// Makes and reads the tokens in addresses.
#[derive(Debug, Clone)]
pub struct LinkKey(Keys);

/// Keys for the tokens of one audience.
#[derive(Debug, Clone)]
struct Keys {
    keys: SigningKeys,
    audience: &'static str,
    validation: Validation,
}

#[derive(Serialize)]
struct Addressed<'a, T> {
    iss: &'static str,
    aud: &'static str,
    #[serde(flatten)]
    claims: &'a T,
}

impl AccessKey {
    /// HS256 over the secrets' UTF-8 bytes; the first signs, the others are accepted while a key is being replaced.
    pub fn new(secret: &SecretString, accepted: &[SecretString]) -> Self {
        Self(Keys::new(secret, accepted, ACCESS_AUDIENCE))
    }

    /// The id of the key that signs.
    pub fn signing_key_id(&self) -> &str {
        self.0.keys.signing_key_id()
    }

    /// Makes a token for a user.
    ///
    /// # Errors
    /// The claims cannot be written, which does not happen.
    pub fn issue(
        &self,
        (user_id, organisation_id): (Uuid, Uuid),
        role: Role,
        jti: Uuid,
        now: OffsetDateTime,
        life_seconds: i64,
    ) -> Result<String, TokenError> {
        self.0.seal(&AccessClaims {
            sub: user_id,
            org: organisation_id,
            role,
            jti,
            iat: seconds_of(now),
            nbf: seconds_of(now).floor(),
            exp: seconds_of(now + Duration::seconds(life_seconds)).floor(),
        })
    }

    /// Reads a token at a time.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn verify(&self, token: &str, now: OffsetDateTime) -> Result<AccessClaims, TokenError> {
        let claims: AccessClaims = self.0.open(token)?;
        // The revocation of all tokens of a user compares `iat`: one from the future would outlive it.
        let is_issued = claims.iat <= seconds_of(now) + LEEWAY_SECONDS as f64;
        if !is_issued || claims.exp - claims.iat > ACCESS_TOKEN_SECONDS_MAX as f64 {
            return Err(TokenError::Invalid);
        }
        check_times(claims.nbf, claims.exp, now)?;
        Ok(claims)
    }
}

impl InternalKey {
    /// HS256 over the secrets' UTF-8 bytes; the first signs, the others are accepted while a key is being replaced.
    pub fn new(secret: &SecretString, accepted: &[SecretString]) -> Self {
        Self(Keys::new(secret, accepted, INTERNAL_AUDIENCE))
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
        let nbf = seconds_of(now).floor();
        self.0.seal(&InternalClaims {
            sub: access.sub,
            org: access.org,
            role: access.role,
            access_jti: access.jti,
            access_iat: access.iat,
            transaction_id,
            nbf,
            exp: nbf + INTERNAL_TOKEN_SECONDS as f64,
        })
    }

    /// Reads a token at a time.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn verify(&self, token: &str, now: OffsetDateTime) -> Result<InternalClaims, TokenError> {
        let claims: InternalClaims = self.0.open(token)?;
        if claims.exp - claims.nbf > INTERNAL_TOKEN_SECONDS as f64 {
            return Err(TokenError::Invalid);
        }
        check_times(claims.nbf, claims.exp, now)?;
        Ok(claims)
    }
}

impl LinkKey {
    /// HS256 over the secrets' UTF-8 bytes; the first signs, the others are accepted while a key is being replaced.
    pub fn new(secret: &SecretString, accepted: &[SecretString]) -> Self {
        Self(Keys::new(secret, accepted, LINK_AUDIENCE))
    }

    /// Makes a token, and says until when it is good.
    ///
    /// # Errors
    /// The claims cannot be written, which does not happen.
    pub fn issue(
        &self,
        access: &AccessClaims,
        evidence_id: Uuid,
        now: OffsetDateTime,
    ) -> Result<(String, OffsetDateTime), TokenError> {
        let exp = seconds_of(now + Duration::seconds(LINK_SECONDS)).floor();
        let token = self.0.seal(&LinkClaims { access: access.clone(), evidence_id, exp })?;
        Ok((token, at(exp)))
    }

    /// Reads a token at a time.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn verify(&self, token: &str, now: OffsetDateTime) -> Result<LinkClaims, TokenError> {
        let claims: LinkClaims = self.0.open(token)?;
        check_times(always(), claims.exp, now)?;
        Ok(claims)
    }
}

impl Keys {
    fn new(secret: &SecretString, accepted: &[SecretString], audience: &'static str) -> Self {
        let key = |secret: &SecretString| SigningKey::new(secret.expose_secret().as_bytes());
        let keys = SigningKeys::new(key(secret), accepted.iter().map(key));
        let mut validation = jws::signed_with(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[audience]);
        validation.validate_aud = true;
        validation.set_required_spec_claims(&["iss", "aud"]);
        Self { keys, audience, validation }
    }

    fn seal(&self, claims: &impl Serialize) -> Result<String, TokenError> {
        let addressed = Addressed { iss: ISSUER, aud: self.audience, claims };
        self.keys.seal(&addressed).map_err(|_| TokenError::Invalid)
    }

    fn open<T: DeserializeOwned>(&self, token: &str) -> Result<T, TokenError> {
        self.keys.open(token, &self.validation).map_err(|_| TokenError::Invalid)
    }
}

fn check_times(nbf: f64, exp: f64, now: OffsetDateTime) -> Result<(), TokenError> {
    let (now, leeway) = (seconds_of(now), LEEWAY_SECONDS as f64);
    if nbf > now + leeway {
        return Err(TokenError::Invalid);
    }
    if exp <= now - leeway { Err(TokenError::Expired) } else { Ok(()) }
}

/// What a token without `nbf` says.
fn always() -> f64 {
    f64::NEG_INFINITY
}

/// Some libraries read whole seconds only.
#[expect(clippy::cast_possible_truncation, reason = "what we write is a whole number of this era")]
fn whole<S: Serializer>(seconds: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(*seconds as i64)
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
