//! `POST /v1/evidence`.

use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

/// What is said about a piece of evidence.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceFields {
    /// SHA-256 of the file, in hex, computed on the device.
    #[garde(custom(sha256_hex))]
    #[schema(example = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    pub sha256_hash: String,
    /// The session that it belongs to.
    #[garde(skip)]
    pub session_id: Uuid,
    /// The item that it shows.
    #[garde(inner(length(chars, min = 1, max = 128), custom(without_control_characters)))]
    #[schema(max_length = 128)]
    pub item_id: Option<String>,
    /// An id made on the device, so that an offline document can name it.
    #[garde(skip)]
    pub evidence_id: Option<Uuid>,
    /// What it is.
    #[garde(skip)]
    pub evidence_type: EvidenceType,
    /// What the device says about it: `captured_at`, `device`, `location`.
    #[garde(skip)]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Map<String, Value>>,
}

/// The kinds of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EvidenceType {
    /// A photograph.
    Photo,
    /// A video.
    Video,
    /// A document.
    Document,
    /// Readings of an instrument.
    Measurement,
    /// A signature.
    Signature,
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
    /// Signed by FireMode: keep it, and the device's copy of the file may go. `GET /v1/receipts/keys` tells how to check it.
    #[schema(example = "eyJhbGciOiJFZERTQSIs...")]
    pub receipt: String,
    /// Where the same evidence was stored before: names in `metadata` whose values are others than the stored ones, which stay.
    /// Left out where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub metadata_differs: Vec<String>,
}

impl EvidenceType {
    /// The name that is stored and sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Photo => "photo",
            Self::Video => "video",
            Self::Document => "document",
            Self::Measurement => "measurement",
            Self::Signature => "signature",
        }
    }
}

fn sha256_hex(text: &str, _: &()) -> garde::Result {
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(())
    } else {
        Err(garde::Error::new("must be a SHA-256 in hex: 64 digits"))
    }
}

fn without_control_characters(text: &str, _: &()) -> garde::Result {
    if text.chars().any(char::is_control) {
        Err(garde::Error::new("must not contain control characters"))
    } else {
        Ok(())
    }
}
