//! Resumable uploads.

use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::EvidenceAnswer;

/// A resumable upload.
#[derive(Debug, Serialize, ToSchema)]
pub struct UploadAnswer {
    /// The upload: `/v1/evidence/uploads/{id}`.
    pub id: Uuid,
    /// How long the file is, in bytes; null while that is to be said (`Upload-Defer-Length`).
    #[schema(required = true)]
    pub length: Option<u64>,
    /// How much of it is durable, in bytes.
    pub offset: u64,
    /// When the upload is removed, complete or not.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
    /// The evidence that it has become, once it is complete.
    #[schema(value_type = Option<EvidenceAnswer>)]
    pub evidence: Option<Value>,
}
