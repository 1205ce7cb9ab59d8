//! Receipts: what was taken, signed, so that a device may delete its copy and anybody can check later what it was told.
//!
//! A receipt is a JSON Web Signature in its compact form (RFC 7515) with Ed25519 (RFC 8037); any JOSE library reads it. The
//! key ids are thumbprints of the public keys (RFC 7638), so the same key has the same id wherever it is configured. The
//! signature is deterministic: the same fact signed again by the same key is the same receipt.

use std::sync::Arc;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use data_encoding::HEXLOWER;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// The form of receipts that this version writes.
const VERSION: u8 = 1;

const ALGORITHM: &str = "EdDSA";
const TYPE: &str = "firemode-receipt+jws";

/// Longest text that is looked at as a receipt.
const RECEIPT_BYTES_MAX: usize = 4096;

/// Bytes of a private key, as it is configured.
const SEED_BYTES: usize = 32;

/// Keys are configured with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a receipt says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Receipt {
    /// 1.
    pub version: u8,
    /// The tenant.
    pub organisation_id: Uuid,
    /// The session that it was brought for.
    pub session_id: Uuid,
    /// When it was taken.
    #[serde(with = "time::serde::rfc3339")]
    pub received_at: OffsetDateTime,
    /// What was taken.
    #[serde(flatten)]
    pub subject: ReceiptSubject,
}

/// What a receipt is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ReceiptSubject {
    /// One file, stored.
    Evidence {
        /// Its id.
        evidence_id: Uuid,
        /// SHA-256 of its bytes, in hex.
        sha256: String,
        /// Number of its bytes.
        size_bytes: u64,
    },
    /// One request with results, committed: new entries and those that were stored before.
    Results {
        /// SHA-256 of the request's body, in hex.
        request_sha256: String,
        /// How many changes it added to what is stored.
        change_count: usize,
        /// SHA-256, in hex, over the hashes of these changes: in hex, sorted, a line feed behind each.
        changes_sha256: String,
        /// The same over the heads that the answer tells.
        heads_sha256: String,
    },
}

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

/// Signs receipts with the first of several keys; the public halves of all are told.
#[derive(Clone)]
pub struct ReceiptKeys {
    signing: Arc<Ed25519KeyPair>,
    /// The encoded header: the same for every receipt.
    header: String,
    public: ReceiptKeySet,
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

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    kid: String,
    typ: String,
}

impl ReceiptKeys {
    /// Reads keys: each 32 bytes in URL-safe base64, separated by commas; the first signs. Nothing where one of them is not.
    #[must_use]
    pub fn new(keys: &SecretString) -> Option<Self> {
        let pairs = keys.expose_secret().split(',').map(pair).collect::<Option<Vec<_>>>()?;
        let public = ReceiptKeySet { keys: pairs.iter().map(ReceiptKey::of).collect() };
        let header =
            Header { alg: ALGORITHM.to_owned(), kid: public.keys.first()?.kid.clone(), typ: TYPE.to_owned() };
        let header = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header).ok()?);
        Some(Self { signing: Arc::new(pairs.into_iter().next()?), header, public })
    }

    /// The public keys.
    #[must_use]
    pub fn public(&self) -> &ReceiptKeySet {
        &self.public
    }

    /// Signs that a file was stored.
    ///
    /// # Errors
    /// None that can happen; serialising such a small value does not fail.
    pub fn evidence(
        &self,
        of: (Uuid, Uuid),
        evidence_id: Uuid,
        (sha256, size_bytes): (&str, u64),
        received_at: OffsetDateTime,
    ) -> Result<String, serde_json::Error> {
        let subject = ReceiptSubject::Evidence { evidence_id, sha256: sha256.to_owned(), size_bytes };
        self.sign(&Receipt::new(of, received_at, subject))
    }

    /// Signs that a request with results was committed. `of` is the organisation and the session, `changes` and `heads` are
    /// hashes in hex.
    ///
    /// # Errors
    /// As [`Self::evidence`].
    pub fn results(
        &self,
        of: (Uuid, Uuid),
        request_sha256: &[u8; 32],
        changes: Vec<String>,
        heads: &[String],
        received_at: OffsetDateTime,
    ) -> Result<String, serde_json::Error> {
        let subject = ReceiptSubject::Results {
            request_sha256: HEXLOWER.encode(request_sha256),
            change_count: changes.len(),
            changes_sha256: digest_of(changes),
            heads_sha256: digest_of(heads.to_vec()),
        };
        self.sign(&Receipt::new(of, received_at, subject))
    }

    fn sign(&self, receipt: &Receipt) -> Result<String, serde_json::Error> {
        let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(receipt)?);
        let signed = format!("{}.{payload}", self.header);
        let signature = self.signing.sign(signed.as_bytes());
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

impl std::fmt::Debug for ReceiptKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReceiptKeys").field("public", &self.public).finish_non_exhaustive()
    }
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
    fn of(pair: &Ed25519KeyPair) -> Self {
        let x = URL_SAFE_NO_PAD.encode(pair.public_key());
        // The members that RFC 8037 names, in the order and form that RFC 7638 wants.
        let thumbprint = Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#));
        let kid = URL_SAFE_NO_PAD.encode(thumbprint);
        Self { kty: "OKP".to_owned(), crv: "Ed25519".to_owned(), x, kid }
    }
}

impl Receipt {
    fn new(
        (organisation_id, session_id): (Uuid, Uuid),
        received_at: OffsetDateTime,
        subject: ReceiptSubject,
    ) -> Self {
        Self { version: VERSION, organisation_id, session_id, received_at, subject }
    }
}

fn pair(key: &str) -> Option<Ed25519KeyPair> {
    let seed = BASE64.decode(key.trim()).ok().filter(|seed| seed.len() == SEED_BYTES)?;
    Ed25519KeyPair::from_seed_unchecked(&seed).ok()
}

fn digest_of(mut hashes: Vec<String>) -> String {
    hashes.sort_unstable();
    let mut hasher = Sha256::new();
    for hash in hashes {
        hasher.update(hash);
        hasher.update("\n");
    }
    HEXLOWER.encode(&hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key pair of RFC 8037, appendix A.
    const SEED: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
    const OTHER: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn keys(text: &str) -> ReceiptKeys {
        ReceiptKeys::new(&text.into()).expect("the keys are usable")
    }

    fn receipt(keys: &ReceiptKeys) -> String {
        let of = (Uuid::nil(), Uuid::max());
        keys.evidence(of, Uuid::nil(), ("ab", 7), OffsetDateTime::UNIX_EPOCH).expect("it can be signed")
    }

    #[test]
    fn a_key_is_named_as_rfc_8037_names_it() {
        let keys = keys(SEED);
        let key = &keys.public().keys[0];
        assert_eq!(key.x, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(key.kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn the_same_fact_gives_the_same_receipt_and_it_reads_back() {
        let keys = keys(SEED);
        let text = receipt(&keys);
        assert_eq!(text, receipt(&keys));
        let read = keys.public().verify(&format!("{text}\n")).expect("it is genuine");
        assert_eq!(read.session_id, Uuid::max());
        let subject =
            ReceiptSubject::Evidence { evidence_id: Uuid::nil(), sha256: "ab".into(), size_bytes: 7 };
        assert_eq!(read.subject, subject);
    }

    #[test]
    fn results_are_named_by_digests_that_do_not_depend_on_order() {
        let keys = keys(SEED);
        let sign = |changes: [&str; 2]| {
            let changes = changes.map(str::to_owned).to_vec();
            let of = (Uuid::nil(), Uuid::nil());
            keys.results(of, &[1; 32], changes, &["cd".to_owned()], OffsetDateTime::UNIX_EPOCH)
        };
        let text = sign(["aa", "bb"]).expect("it can be signed");
        assert_eq!(sign(["bb", "aa"]).expect("it can be signed"), text);
        let read = keys.public().verify(&text).expect("it is genuine");
        let ReceiptSubject::Results { change_count, changes_sha256, .. } = read.subject else {
            panic!("it is for results")
        };
        // printf 'aa\nbb\n' | sha256sum
        let digest = "329d670e59ead1543a2d36865895972560bc434204c5f4a0c8219005dd312719";
        assert_eq!((change_count, changes_sha256.as_str()), (2, digest));
    }

    #[test]
    fn after_a_rotation_old_receipts_still_count() {
        let old = receipt(&keys(SEED));
        let rotated = keys(&format!("{OTHER},{SEED}"));
        assert!(rotated.public().verify(&old).is_ok());
        assert_ne!(receipt(&rotated), old);
        let unknown = keys(OTHER).public().verify(&old);
        assert!(matches!(unknown, Err(ReceiptError::UnknownKey(_))), "{unknown:?}");
    }

    #[test]
    fn what_was_changed_is_found_out() {
        let keys = keys(SEED);
        let text = receipt(&keys);
        let parts: Vec<&str> = text.split('.').collect();
        let payload = String::from_utf8(URL_SAFE_NO_PAD.decode(parts[1]).expect("base64")).expect("UTF-8");
        let larger = URL_SAFE_NO_PAD.encode(payload.replace(":7", ":8"));
        let forged = format!("{}.{larger}.{}", parts[0], parts[2]);
        assert_eq!(keys.public().verify(&forged), Err(ReceiptError::Forged));
        let none = URL_SAFE_NO_PAD
            .encode(format!(r#"{{"alg":"none","kid":"{}","typ":"{TYPE}"}}"#, keys.public().keys[0].kid));
        for text in [format!("{none}.{}.", parts[1]), "a.b".to_owned(), String::new(), "..".to_owned()] {
            assert_eq!(keys.public().verify(&text), Err(ReceiptError::Malformed), "{text}");
        }
    }

    #[test]
    fn keys_that_are_not_keys_are_refused() {
        for text in ["", "short", &format!("{SEED},"), "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"] {
            assert!(ReceiptKeys::new(&text.into()).is_none(), "{text}");
        }
    }
}
