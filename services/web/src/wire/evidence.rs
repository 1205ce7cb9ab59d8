//! `POST /v1/evidence`.

use firemode_domain::body;
use firemode_domain::evidence::EvidenceType;
use firemode_domain::input::{self, At, Faults, Input, ItemId, Metadata};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};
use uuid::Uuid;

body! {
    /// What is said about a piece of evidence.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct EvidenceFields {
        /// SHA-256 of the file, in hex, computed on the device.
        pub sha256_hash: Sha256Hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        /// The session that it belongs to.
        pub session_id: Uuid,
        /// The item that it shows.
        pub item_id: Option<ItemId<128>>,
        /// An id made on the device, so that an offline document can name it.
        pub evidence_id: Option<Uuid>,
        /// What it is.
        pub evidence_type: EvidenceType,
        /// What the device says about it: `captured_at`, `device`, `location`.
        pub metadata: Option<Metadata>,
    }
}

/// A SHA-256 in hex: 64 digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sha256Hex(String);

impl Sha256Hex {
    /// Is it this hash, also in hex?
    #[must_use]
    pub fn is(&self, hash: &str) -> bool {
        self.0.eq_ignore_ascii_case(hash)
    }
}

impl Input for Sha256Hex {
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        match value {
            Value::String(text) if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                Some(Self(text))
            }
            _ => {
                faults.add(at, "must be a SHA-256 in hex: 64 digits");
                None
            }
        }
    }

    fn schema() -> RefOr<Schema> {
        input::text(64, Some(64)).into()
    }
}

/// Evidence as a form; the order of its fields is free.
#[derive(Debug, Serialize, ToSchema)]
pub struct EvidenceForm {
    /// The file itself.
    #[schema(value_type = String, format = Binary)]
    pub file: Vec<u8>,
    /// What is said about it; `metadata` is a JSON object.
    #[serde(flatten)]
    pub fields: EvidenceFields,
}

/// Evidence of at most 1 MB as JSON.
#[derive(Debug, Serialize, ToSchema)]
pub struct EvidenceBody {
    /// The file itself, in base64.
    pub content: String,
    /// What is said about it.
    #[serde(flatten)]
    pub fields: EvidenceFields,
}

/// Evidence that is stored.
#[derive(Debug, Serialize, ToSchema)]
pub struct EvidenceAnswer {
    /// Its id: the device's, or a new one.
    pub evidence_id: Uuid,
    /// SHA-256 of the stored bytes, in hex.
    pub hash: String,
    /// Number of bytes.
    #[schema(minimum = 1)]
    pub size: u64,
    /// Media type, found by looking at the bytes.
    #[schema(example = "image/jpeg")]
    pub content_type: String,
    /// `verified`: the stored bytes have the hash that the device computed.
    #[schema(example = "verified")]
    pub status: String,
    /// Signed by FireMode: keep it, and the device's copy of the file may go. `GET /v1/receipts/keys` says how to check it.
    #[schema(example = "eyJhbGciOiJFZERTQSIs...")]
    pub receipt: String,
    /// Where the same evidence was stored before: names in `metadata` whose values are others than the stored ones, which stay.
    /// Left out where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub metadata_differs: Vec<String>,
}
