//! The public halves of the keys that sign receipts, and what is checked with them.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use super::{ALGORITHM, Header, Receipt, TYPE, VERSION};

/// Longest text that is looked at as a receipt.
const RECEIPT_BYTES_MAX: usize = 4096;

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
        let malformed = || ReceiptError::Malformed;
        let text = text.trim();
        let (signed, signature) =
            text.rsplit_once('.').filter(|_| text.len() <= RECEIPT_BYTES_MAX).ok_or_else(malformed)?;
        let (header, payload) = signed.split_once('.').ok_or_else(malformed)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| ReceiptError::Malformed);
        let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| malformed())?;
        if header.alg != ALGORITHM || header.typ != TYPE {
            return Err(malformed());
        }
        let key = self.keys.iter().find(|key| key.kid == header.kid && key.crv == "Ed25519");
        let key = key.ok_or(ReceiptError::UnknownKey(header.kid))?;
        UnparsedPublicKey::new(&ED25519, decode(&key.x)?)
            .verify(signed.as_bytes(), &decode(signature)?)
            .map_err(|_| ReceiptError::Forged)?;
        let receipt: Receipt = serde_json::from_slice(&decode(payload)?).map_err(|_| malformed())?;
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
