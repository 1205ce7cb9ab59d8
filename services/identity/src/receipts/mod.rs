//! Receipts: what was taken, signed, so that a device may delete its copy and anybody can check later what it was answered.
//!
//! A receipt is a JSON Web Signature in its compact form (RFC 7515) with Ed25519 (RFC 8037); any JOSE library reads it. The
//! key ids are thumbprints of the public keys (RFC 7638), so the same key has the same id wherever it is configured. The
//! signature is deterministic: the same fact signed again by the same key is the same receipt.

mod keys;

use std::sync::Arc;

use aws_lc_rs::signature::Ed25519KeyPair;
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

pub use keys::{ReceiptError, ReceiptKey, ReceiptKeySet};

/// The form of receipts that this version writes.
const VERSION: u8 = 1;

const ALGORITHM: &str = "EdDSA";
const TYPE: &str = "firemode-receipt+jws";

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
        /// The item that it shows, if it was brought for one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        item_id: Option<String>,
        /// What it is: `photo`. Receipts from before do not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evidence_type: Option<String>,
    },
    /// One request with results, committed: new entries and those that were stored before.
    Results {
        /// SHA-256 of the request's body, in hex.
        request_sha256: String,
        /// How many changes it added to what is stored.
        change_count: usize,
        /// SHA-256, in hex, over the hashes of these changes: in hex, sorted, a line feed behind each.
        changes_sha256: String,
        /// The same over the heads that the answer names.
        heads_sha256: String,
        /// What became of each change of the request. Receipts from before do not say.
        #[serde(flatten)]
        standings: ChangeStandings,
    },
}

/// What became of the changes of a request, those that were stored before and those that its operations were written down as among
/// them. All of them are stored. Hashes in hex; what is left out is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangeStandings {
    /// Part of the document.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepted: Vec<String>,
    /// They wait for changes that have not arrived, and become part of the document when those do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<String>,
    /// What the held ones wait for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<String>,
    /// Those of the held ones that wait for something that this session does not have: it has not arrived yet, or they belong to another
    /// session.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub may_be_of_another_session: Vec<String>,
    /// They came after the session was completed and are kept apart until a manager decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub late: Vec<String>,
    /// They would damage the document and are kept beside it for people to look at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quarantined: Vec<String>,
}

/// Signs receipts with the first of several keys; the public halves of all are published.
#[derive(Clone)]
pub struct ReceiptKeys {
    signing: Arc<Ed25519KeyPair>,
    /// The encoded header: the same for every receipt.
    header: String,
    public: ReceiptKeySet,
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

    /// Signs what was taken for a session, given with its organisation.
    ///
    /// # Errors
    /// None that can happen; serialising such a small value does not fail.
    pub fn sign(
        &self,
        (organisation_id, session_id): (Uuid, Uuid),
        received_at: OffsetDateTime,
        subject: ReceiptSubject,
    ) -> Result<String, serde_json::Error> {
        let receipt = Receipt { version: VERSION, organisation_id, session_id, received_at, subject };
        let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&receipt)?);
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

impl ReceiptSubject {
    /// A request with results was committed: it added these changes, the document has these heads now, all in hex.
    #[must_use]
    pub fn of_results(
        request_sha256: &[u8; 32],
        changes: Vec<String>,
        heads: &[String],
        standings: ChangeStandings,
    ) -> Self {
        Self::Results {
            request_sha256: HEXLOWER.encode(request_sha256),
            change_count: changes.len(),
            changes_sha256: digest_of(changes),
            heads_sha256: digest_of(heads.to_vec()),
            standings,
        }
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
