//! Compact JSON Web Signatures (RFC 7515) with HS256, and nothing else.
//!
//! The header decides nothing: it must name this algorithm, and may name which of our own keys was used. Keys, addresses of
//! keys and certificates in it are never looked at (RFC 8725, 3.10).

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use sha2::Sha256;

const ALGORITHM: &str = "HS256";
const TYPE: &str = "JWT";

/// Longest token that is looked at, in bytes.
const TOKEN_BYTES_MAX: usize = 4096;

/// Bytes of a key's fingerprint that make its id.
const KEY_ID_BYTES: usize = 6;

/// Most members of a header or of claims.
const MEMBERS_MAX: usize = 32;

/// Keys of which the first signs and all verify.
#[derive(Clone)]
pub struct SigningKeys(Vec<SigningKey>);

/// A key with the id that headers name it by.
#[derive(Clone)]
pub struct SigningKey {
    id: String,
    mac: Hmac<Sha256>,
}

/// The id of a secret: 12 hexadecimal digits that say nothing about it. Every instance derives the same one.
pub fn key_id(secret: &[u8]) -> String {
    let mut mac = mac_of(secret);
    mac.update(b"firemode key id");
    let fingerprint = mac.finalize().into_bytes();
    HEXLOWER.encode(&fingerprint[..KEY_ID_BYTES])
}

fn mac_of(secret: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret).expect("HMAC takes keys of any length")
}

impl SigningKey {
    /// A key under the id that follows from it.
    pub fn new(secret: &[u8]) -> Self {
        Self::named(key_id(secret), secret)
    }

    /// A key under an id that somebody else gave it.
    pub fn named(id: impl Into<String>, secret: &[u8]) -> Self {
        Self { id: id.into(), mac: mac_of(secret) }
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

    /// Signs a payload with the first key.
    pub fn seal(&self, payload: &[u8]) -> String {
        let key = &self.0[0];
        let header =
            Header { alg: ALGORITHM.into(), typ: Some(TYPE.into()), kid: Some(key.id.as_str().into()) };
        let header = serde_json::to_vec(&header).expect("a header of three texts can be written");
        let mut token = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let mut mac = key.mac.clone();
        mac.update(token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(mac.finalize().into_bytes(), &mut token);
        token
    }

    /// The payload of a token that one of the keys signed: the one that its header names, or any where it names none.
    /// `None` for everything else, without saying why.
    pub fn open(&self, token: &str) -> Option<Vec<u8>> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        let kid = key_named_by(&URL_SAFE_NO_PAD.decode(header).ok()?)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let mut keys = self.0.iter().filter(|key| kid.as_ref().is_none_or(|kid| key.id == *kid));
        let signed_by = |key: &SigningKey| {
            let mut mac = key.mac.clone();
            mac.update(signed.as_bytes());
            // Compares in constant time, and only signatures of full length.
            mac.verify_slice(&signature).is_ok()
        };
        keys.any(signed_by).then(|| URL_SAFE_NO_PAD.decode(payload).ok())?
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

#[derive(Serialize, Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    typ: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    kid: Option<Cow<'a, str>>,
}

/// What a header names as its key; the outer `None` refuses the header.
fn key_named_by(header: &[u8]) -> Option<Option<String>> {
    // "crit" lists extensions that a recipient must understand; we understand none (RFC 7515, 4.1.11).
    if unique_names(header)?.iter().any(|name| name == "crit") {
        return None;
    }
    let header: Header<'_> = serde_json::from_slice(header).ok()?;
    let is_typed = header.typ.is_none_or(|typ| typ.eq_ignore_ascii_case(TYPE));
    (header.alg == ALGORITHM && is_typed).then(|| header.kid.map(Cow::into_owned))
}

/// The names of a JSON object's members; `None` where it is no object, has too many, or two have one name. Parsers differ in
/// which of the two they take, so neither is.
pub(crate) fn unique_names(object: &[u8]) -> Option<Vec<String>> {
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
