//! Evidence: its bytes once per tenant and content, and each use of them.

use serde_json::Value;
use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{Executor, StorageError, Transaction, sql};

/// A piece of evidence.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// Its id, from the device or from us.
    pub id: Uuid,
    /// The session that it belongs to.
    pub session_id: Uuid,
    /// The item that it shows.
    pub item_id: Option<String>,
    /// `photo`, `video`, `document`, `measurement` or `signature`.
    pub evidence_type: String,
    /// SHA-256 of the bytes.
    pub sha256: Vec<u8>,
    /// Number of bytes.
    pub size_bytes: i64,
    /// Media type, found by looking at the bytes.
    pub content_type: String,
    /// What the device says about it.
    pub metadata: Value,
    /// `verified` or `flagged`.
    pub status: String,
    /// Who uploaded it.
    pub uploaded_by: Uuid,
    /// When.
    pub created_at: OffsetDateTime,
    /// Where the store keeps the bytes.
    pub storage_key: String,
}

/// Evidence to be made.
#[derive(Debug)]
pub struct NewEvidence<'a> {
    /// See [`Evidence::id`].
    pub id: Uuid,
    /// See [`Evidence::session_id`].
    pub session_id: Uuid,
    /// See [`Evidence::item_id`].
    pub item_id: Option<&'a str>,
    /// See [`Evidence::evidence_type`].
    pub evidence_type: &'a str,
    /// See [`Evidence::sha256`].
    pub sha256: &'a [u8],
    /// See [`Evidence::content_type`].
    pub content_type: &'a str,
    /// See [`Evidence::metadata`].
    pub metadata: &'a Value,
    /// See [`Evidence::uploaded_by`].
    pub uploaded_by: Uuid,
}

/// The constraint that refuses a second piece of evidence under one id.
pub const ID_TAKEN: &str = "evidence_pkey";

/// Notes stored bytes, unless the tenant has the same ones already; returns the key under which they are kept, which is then
/// another one than `storage_key`.
///
/// # Errors
/// The database does not answer.
pub async fn insert_blob(
    tx: &Transaction,
    organisation_id: Uuid,
    sha256: &[u8],
    size_bytes: i64,
    storage_key: &str,
) -> Result<String, StorageError> {
    // The update changes nothing; it makes the statement return, and hold, the row that is there.
    let row = sql::one(
        tx,
        "insert into evidence_blobs (organisation_id, sha256, size_bytes, storage_key) values ($1, $2, $3, $4)
         on conflict (organisation_id, sha256) do update set sha256 = excluded.sha256
         returning storage_key",
        &[&organisation_id, &sha256, &size_bytes, &storage_key],
    )
    .await?;
    Ok(row.get(0))
}

/// Makes a piece of evidence.
///
/// # Errors
/// [`ID_TAKEN`] as constraint, or the database does not answer.
pub async fn insert(
    tx: &Transaction,
    organisation_id: Uuid,
    evidence: &NewEvidence<'_>,
) -> Result<(), StorageError> {
    tx.run(
        "insert into evidence (organisation_id, id, session_id, item_id, evidence_type, sha256, content_type, metadata,
                               uploaded_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &[
            &organisation_id,
            &evidence.id,
            &evidence.session_id,
            &evidence.item_id,
            &evidence.evidence_type,
            &evidence.sha256,
            &evidence.content_type,
            &evidence.metadata,
            &evidence.uploaded_by,
        ],
    )
    .await?;
    Ok(())
}

/// Finds a piece of evidence of the organisation.
///
/// # Errors
/// The database does not answer.
pub async fn find(
    on: &impl Executor,
    organisation_id: Uuid,
    id: Uuid,
) -> Result<Option<Evidence>, StorageError> {
    let row = sql::optional(
        on,
        "select e.id, e.session_id, e.item_id, e.evidence_type, e.sha256, b.size_bytes, e.content_type, e.metadata,
                e.status, e.uploaded_by, e.created_at, b.storage_key
         from evidence e join evidence_blobs b using (organisation_id, sha256)
         where e.organisation_id = $1 and e.id = $2",
        &[&organisation_id, &id],
    )
    .await?;
    Ok(row.as_ref().map(read))
}

fn read(row: &Row) -> Evidence {
    Evidence {
        id: row.get(0),
        session_id: row.get(1),
        item_id: row.get(2),
        evidence_type: row.get(3),
        sha256: row.get(4),
        size_bytes: row.get(5),
        content_type: row.get(6),
        metadata: row.get(7),
        status: row.get(8),
        uploaded_by: row.get(9),
        created_at: row.get(10),
        storage_key: row.get(11),
    }
}
