//! The public halves of the keys that sign receipts, and what is checked with them.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use super::{ALGORITHM, Receipt, TYPE, VERSION};
use crate::jws::{self, Expected, JwsError};

/// What a receipt's header says. A request has thousands of changes at most, so a receipt can be long.
const EXPECTED: Expected<'_> = Expected { algorithm: ALGORITHM, types: &[Some(TYPE)], bytes_max: 1 << 20 };

/// Public keys as a JSON Web Key Set (RFC 7517).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReceiptKeySet {
    /// The key that signs now, and those that signed before.
    pub keys: Vec<ReceiptKey>,
}

/// The public half of a key that signs receipts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReceiptKey {
    /// `OKP`.
    #[schema(example = "OKP")]
    pub kty: String,
    /// `Ed25519`.
    #[schema(example = "Ed25519")]
    pub crv: String,
    /// The key itself, 32 bytes in base64url.
    #[schema(example = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")]
    pub x: String,
    /// Names the key: its thumbprint (RFC 7638).
    #[schema(example = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")]
    pub kid: String,
}

/// Why a text is no receipt that counts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// It does not read as one.
    #[error("it is not a receipt of FireMode")]
    Malformed,
    /// It names a key that is not among those given.
    #[error("it is signed with a key that is not among the given ones: {0}")]
    UnknownKey(String),
    /// Somebody changed it, or made it up.
    #[error("its signature is not valid: it was changed, or FireMode did not make it")]
    Forged,
}

impl ReceiptKeySet {
    /// Reads a receipt and checks that one of these keys has signed it.
    ///
    /// # Errors
    /// See [`ReceiptError`].
    pub fn verify(&self, text: &str) -> Result<Receipt, ReceiptError> {
        let (text, malformed) = (text.trim(), || ReceiptError::Malformed);
        let kid = jws::key_named_by(text, &EXPECTED).map_err(|_| malformed())?;
        let kid = kid.ok_or_else(malformed)?;
        let key = self.keys.iter().find(|key| key.kid == kid && key.crv == "Ed25519");
        let key = key.ok_or(ReceiptError::UnknownKey(kid))?;
        let key = DecodingKey::from_ed_components(&key.x).map_err(|_| malformed())?;
        let receipt: Receipt =
            jws::open(text, &key, &jws::signed_with(Algorithm::EdDSA)).map_err(|error| match error {
                JwsError::Refused => ReceiptError::Forged,
                JwsError::Malformed | JwsError::Unreadable => ReceiptError::Malformed,
            })?;
        (receipt.version == VERSION).then_some(receipt).ok_or_else(malformed)
    }
}

impl ReceiptKey {
    pub(super) fn of(pair: &Ed25519KeyPair) -> Self {
        let x = URL_SAFE_NO_PAD.encode(pair.public_key());
        // The members that RFC 8037 names, in the order and form that RFC 7638 wants.
        let thumbprint = Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#));
        let kid = URL_SAFE_NO_PAD.encode(thumbprint);
        Self { kty: "OKP".to_owned(), crv: "Ed25519".to_owned(), x, kid }
    }
}
