//! Compact JSON Web Signatures (RFC 7515), signed and verified by `jsonwebtoken`, and what is asked of them besides.
//!
//! The header decides nothing: it must name the algorithm that is expected, and may name which of our own keys was used. Keys,
//! addresses of keys and certificates in it are never looked at (RFC 8725, 3.10).

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation};
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use sha2::Sha256;

/// What a token's header says: types as in RFC 7519, 5.1, and RFC 9068, 2.1; a token need not name one.
const TOKEN: Expected<'_> =
    Expected { algorithm: "HS256", types: &[None, Some("jwt"), Some("at+jwt")], bytes_max: 4096 };

/// What a signature's header has to say.
pub(crate) struct Expected<'a> {
    pub(crate) algorithm: &'a str,
    /// In lower case.
    pub(crate) types: &'a [Option<&'a str>],
    /// Longest signature with all that it signs.
    pub(crate) bytes_max: usize,
}

/// Bytes of a key's fingerprint that make its id.
const KEY_ID_BYTES: usize = 6;

/// Most members of a header or of claims.
const MEMBERS_MAX: usize = 32;

/// Why a text is no claims of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// It does not read as a signature of the kind that is expected.
    #[error("not a signature of the expected kind")]
    Malformed,
    /// None of the keys has signed it, or it is for somebody else.
    #[error("not signed with one of the keys, or not for this reader")]
    Refused,
    /// Its claims, or what its header says besides, are not what is expected.
    #[error("not the expected claims")]
    Unreadable,
}

/// Keys of which the first signs and all verify, with HS256.
#[derive(Clone)]
pub struct SigningKeys(Vec<SigningKey>);

/// A key with the id that headers name it by.
#[derive(Clone)]
pub struct SigningKey {
    id: String,
    signing: EncodingKey,
    verifying: DecodingKey,
}

/// The id of a secret: 12 hexadecimal digits that say nothing about it. Every instance derives the same one.
pub fn key_id(secret: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(b"firemode key id");
    let fingerprint = mac.finalize().into_bytes();
    HEXLOWER.encode(&fingerprint[..KEY_ID_BYTES])
}

impl SigningKey {
    /// A key under the id that follows from it.
    pub fn new(secret: &[u8]) -> Self {
        Self::named(key_id(secret), secret)
    }

    /// A key under an id that somebody else gave it.
    pub fn named(id: impl Into<String>, secret: &[u8]) -> Self {
        let (signing, verifying) = (EncodingKey::from_secret(secret), DecodingKey::from_secret(secret));
        Self { id: id.into(), signing, verifying }
    }
}

impl SigningKeys {
    /// The key that signs, and those that are accepted besides.
    pub fn new(first: SigningKey, others: impl IntoIterator<Item = SigningKey>) -> Self {
        Self(std::iter::once(first).chain(others).collect())
    }

    /// The id of the key that signs.
    pub fn signing_key_id(&self) -> &str {
        &self.0[0].id
    }

    /// Signs claims with the first key.
    ///
    /// # Errors
    /// The claims cannot be written as JSON.
    pub fn seal(&self, claims: &impl Serialize) -> Result<String, jsonwebtoken::errors::Error> {
        let key = &self.0[0];
        let mut header = jsonwebtoken::Header::new(Algorithm::HS256);
        header.kid = Some(key.id.clone());
        jsonwebtoken::encode(&header, claims, &key.signing)
    }

    /// The claims of a token that one of the keys signed: the one that its header names, or any where it names none.
    ///
    /// # Errors
    /// See [`JwsError`].
    pub fn open<T: DeserializeOwned>(&self, token: &str, validation: &Validation) -> Result<T, JwsError> {
        let kid = key_named_by(token, &TOKEN)?;
        let keys = self.0.iter().filter(|key| kid.as_ref().is_none_or(|kid| key.id == *kid));
        let mut opened = Err(JwsError::Refused);
        for key in keys {
            opened = open(token, &key.verifying, validation);
            if opened.as_ref().err() != Some(&JwsError::Refused) {
                break;
            }
        }
        opened
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.id)).finish()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.id).finish()
    }
}

/// A validation of signatures alone. Times are compared with our clock by the caller, and so are other claims that it does not
/// name.
pub fn signed_with(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation
}

/// The claims of a token that a key signed, once its header was looked at.
pub(crate) fn open<T: DeserializeOwned>(
    token: &str,
    key: &DecodingKey,
    validation: &Validation,
) -> Result<T, JwsError> {
    let claims =
        jsonwebtoken::decode::<Box<RawValue>>(token, key, validation).map_err(|error| {
            match error.kind() {
                ErrorKind::Json(_) => JwsError::Unreadable,
                _ => JwsError::Refused,
            }
        })?;
    let claims = claims.claims.get();
    unique_names(claims.as_bytes()).ok_or(JwsError::Unreadable)?;
    serde_json::from_str(claims).map_err(|_| JwsError::Unreadable)
}

#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    #[serde(borrow, default)]
    typ: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    kid: Option<Cow<'a, str>>,
}

/// What a token's header names as its key, where it is one that is expected.
pub(crate) fn key_named_by(token: &str, expected: &Expected<'_>) -> Result<Option<String>, JwsError> {
    read_header(token, expected).ok_or(JwsError::Malformed)
}

fn read_header(token: &str, expected: &Expected<'_>) -> Option<Option<String>> {
    let (header, _) = token.split_once('.').filter(|_| token.len() <= expected.bytes_max)?;
    let header = URL_SAFE_NO_PAD.decode(header).ok()?;
    // "crit" lists extensions that a recipient must understand; we understand none (RFC 7515, 4.1.11).
    if unique_names(&header)?.iter().any(|name| name == "crit") {
        return None;
    }
    let header: Header<'_> = serde_json::from_slice(&header).ok()?;
    let typ = header.typ.map(|typ| typ.to_ascii_lowercase());
    let is_expected = header.alg == expected.algorithm && expected.types.contains(&typ.as_deref());
    is_expected.then(|| header.kid.map(Cow::into_owned))
}

/// The names of a JSON object's members; `None` where it is no object, has too many, or two have one name. Parsers differ in
/// which of the two they take, so neither is.
fn unique_names(object: &[u8]) -> Option<Vec<String>> {
    serde_json::from_slice::<Names>(object).ok().map(|names| names.0)
}

struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(NamesVisitor)
    }
}

struct NamesVisitor;

impl<'de> Visitor<'de> for NamesVisitor {
    type Value = Names;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object whose members have different names")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Names, M::Error> {
        let mut names: Vec<String> = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if names.contains(&name) || names.len() == MEMBERS_MAX {
                return Err(serde::de::Error::custom("two members have one name, or there are too many"));
            }
            map.next_value::<IgnoredAny>()?;
            names.push(name);
        }
        Ok(Names(names))
    }
}
