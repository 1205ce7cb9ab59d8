//! What people write, as the record keeps it: committed to, and not repeated.

use std::fmt;

use data_encoding::HEXLOWER;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::canonical::{CanonicalError, canonical_json};

/// How a commitment begins; no code has a colon.
const PREFIX: &str = "sha256:";

/// What stands on record for a text or for free fields: a hash, or a text that is written as codes are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Commitment(String);

impl From<Commitment> for Value {
    fn from(commitment: Commitment) -> Self {
        Self::String(commitment.0)
    }
}

impl From<Commitment> for String {
    fn from(commitment: Commitment) -> Self {
        commitment.0
    }
}

/// Commits to texts and free fields about one object.
///
/// Leaves stay for ever and are shown to others than those who may read the object itself, and a telephone number is found by trying
/// all of them. So each object has a random salt, which is kept beside the record and nowhere in it. A reader who has the text and the salt
/// can show what the record committed to; once the salt is removed, nobody can guess it any more. One salt for all that is ever said of
/// an object lets a reader of the record see what changed and what did not.
#[derive(Clone)]
pub struct Commitments {
    salt: Vec<u8>,
}

impl fmt::Debug for Commitments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Commitments")
    }
}

impl Commitments {
    /// With the salt of the object.
    pub fn new(salt: Vec<u8>) -> Self {
        Self { salt }
    }

    /// `sha256:` and, in hex, SHA-256 over the salt, the member's name, a zero byte, and the canonical JSON (RFC 8785) of its value.
    ///
    /// # Errors
    /// The value has no canonical form.
    pub fn to(&self, member: &str, value: &Value) -> Result<Commitment, CanonicalError> {
        Ok(self.to_bytes(member, &canonical_json(value)?))
    }

    /// The same for a text, which always has a canonical form.
    pub fn to_text(&self, member: &str, text: &str) -> Commitment {
        let json = canonical_json(&Value::from(text)).unwrap_or_default();
        self.to_bytes(member, &json)
    }

    /// A text that is written as codes are stays as it is; any other is committed to.
    pub fn to_all_but_code(&self, member: &str, text: &str) -> Commitment {
        if is_code(text) { Commitment(text.to_owned()) } else { self.to_text(member, text) }
    }

    fn to_bytes(&self, member: &str, json: &[u8]) -> Commitment {
        let hash =
            Sha256::new().chain_update(&self.salt).chain_update(member).chain_update([0]).chain_update(json);
        Commitment(format!("{PREFIX}{}", HEXLOWER.encode(&hash.finalize())))
    }
}

/// Is a text written as codes are, and not as people write about people?
pub fn is_code(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}
