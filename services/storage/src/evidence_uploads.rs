//! Resumable uploads: what is known of them, and their parts. The bytes of each part lie in the evidence store.

use serde_json::Value;
use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::evidence_store::StoredBytes;
use crate::{Executor, StorageError, Transaction, evidence_leases, sql};

/// A resumable upload.
#[derive(Debug, Clone)]
pub struct ResumableUpload {
    /// Its id.
    pub id: Uuid,
    /// What is said about the file; nothing of a part of one.
    pub fields: Value,
    /// How many bytes the file has, where the client has said so.
    pub length_bytes: Option<u64>,
    /// How many of them are durable.
    pub offset_bytes: u64,
    /// In how many parts.
    pub part_count: i32,
    /// What answers say of the evidence, once the upload is complete.
    pub answer: Option<Value>,
    /// When it is removed.
    pub expires_at: OffsetDateTime,
    /// `Upload-Metadata`, as it was sent.
    pub metadata: Option<String>,
    /// `Upload-Concat`, as it was sent.
    pub concatenation: Option<String>,
}

/// An upload to be made.
#[derive(Debug)]
pub struct NewUpload {
    /// See [`ResumableUpload::fields`].
    pub fields: Value,
    /// See [`ResumableUpload::length_bytes`].
    pub length_bytes: Option<u64>,
    /// See [`ResumableUpload::metadata`].
    pub metadata: Option<String>,
    /// See [`ResumableUpload::concatenation`].
    pub concatenation: Option<String>,
}

impl ResumableUpload {
    /// Is it a part of a file that is put together later?
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.concatenation.as_deref() == Some(PARTIAL)
    }

    /// Has it been put together from others?
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.concatenation.is_some() && !self.is_partial()
    }

    /// Is there nothing to come?
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.length_bytes == Some(self.offset_bytes)
    }
}

/// `Upload-Concat` of a part.
pub const PARTIAL: &str = "partial";

const COLUMNS: &str =
    "id, fields, length_bytes, offset_bytes, part_count, answer, expires_at, metadata, concatenation";

/// Makes an upload; nothing where the user has `open_max` of them open already.
///
/// # Errors
/// The database does not answer.
pub async fn insert(
    tx: &Transaction,
    (organisation_id, user_id): (Uuid, Uuid),
    new: &NewUpload,
    hours: u32,
    open_max: u32,
) -> Result<Option<ResumableUpload>, StorageError> {
    let row = sql::optional(
        tx,
        &format!(
            "insert into evidence_uploads (organisation_id, id, user_id, fields, length_bytes, metadata, concatenation, expires_at)
             select $1, $2, $3, $4, $5, $6, $7, now() + make_interval(hours => $8)
             where (select count(*) from evidence_uploads
                    where organisation_id = $1 and user_id = $3 and answer is null and expires_at > now()) < $9
             returning {COLUMNS}"
        ),
        &[
            &organisation_id,
            &Uuid::now_v7(),
            &user_id,
            &new.fields,
            &new.length_bytes.map(bytes),
            &new.metadata,
            &new.concatenation,
            &i32::try_from(hours).unwrap_or(i32::MAX),
            &i64::from(open_max),
        ],
    )
    .await?;
    Ok(row.as_ref().map(read))
}

/// Makes an upload that has become a piece of evidence already, from others.
///
/// # Errors
/// The database does not answer.
pub async fn insert_final(
    tx: &Transaction,
    (organisation_id, user_id): (Uuid, Uuid),
    id: Uuid,
    new: &NewUpload,
    answer: &Value,
    hours: u32,
) -> Result<ResumableUpload, StorageError> {
    let row = sql::one(
        tx,
        &format!(
            "insert into evidence_uploads (organisation_id, id, user_id, fields, length_bytes, offset_bytes, metadata, concatenation,
                                           answer, expires_at)
             values ($1, $2, $3, $4, $5, $5, $6, $7, $8, now() + make_interval(hours => $9))
             returning {COLUMNS}"
        ),
        &[
            &organisation_id,
            &id,
            &user_id,
            &new.fields,
            &new.length_bytes.map(bytes),
            &new.metadata,
            &new.concatenation,
            &answer,
            &i32::try_from(hours).unwrap_or(i32::MAX),
        ],
    )
    .await?;
    Ok(read(&row))
}

/// Notes how long the file is.
///
/// # Errors
/// The database does not answer.
pub async fn set_length(
    tx: &Transaction,
    organisation_id: Uuid,
    id: Uuid,
    length_bytes: u64,
) -> Result<(), StorageError> {
    tx.run(
        "update evidence_uploads set length_bytes = $3 where organisation_id = $1 and id = $2",
        &[&organisation_id, &id, &bytes(length_bytes)],
    )
    .await?;
    Ok(())
}

/// Finds an upload of the user that has not expired.
///
/// # Errors
/// The database does not answer.
pub async fn find(
    on: &impl Executor,
    owner: (Uuid, Uuid),
    id: Uuid,
) -> Result<Option<ResumableUpload>, StorageError> {
    find_held(on, owner, id, "").await
}

/// The same, held alone until the transaction ends.
///
/// # Errors
/// The database does not answer.
pub async fn find_to_change(
    tx: &Transaction,
    owner: (Uuid, Uuid),
    id: Uuid,
) -> Result<Option<ResumableUpload>, StorageError> {
    find_held(tx, owner, id, "for update").await
}

async fn find_held(
    on: &impl Executor,
    (organisation_id, user_id): (Uuid, Uuid),
    id: Uuid,
    hold: &str,
) -> Result<Option<ResumableUpload>, StorageError> {
    let sql = format!(
        "select {COLUMNS} from evidence_uploads
         where organisation_id = $1 and user_id = $2 and id = $3 and expires_at > now() {hold}"
    );
    Ok(sql::optional(on, &sql, &[&organisation_id, &user_id, &id]).await?.as_ref().map(read))
}

/// Adds a part behind those that are there.
///
/// # Errors
/// The database does not answer.
pub async fn append(
    tx: &Transaction,
    organisation_id: Uuid,
    id: Uuid,
    part: &StoredBytes,
) -> Result<(), StorageError> {
    tx.run(
        "with upload as (
             update evidence_uploads set offset_bytes = offset_bytes + $3, part_count = part_count + 1
             where organisation_id = $1 and id = $2 returning offset_bytes)
         insert into evidence_upload_parts (organisation_id, upload_id, start_bytes, size_bytes, storage_key)
         select $1, $2, offset_bytes - $3, $3, $4 from upload",
        &[&organisation_id, &id, &bytes(part.size_bytes), &part.key],
    )
    .await?;
    Ok(())
}

/// Where the parts of an upload are, in their order.
///
/// # Errors
/// The database does not answer.
pub async fn parts(on: &impl Executor, organisation_id: Uuid, id: Uuid) -> Result<Vec<String>, StorageError> {
    let rows = on
        .rows(
            "select storage_key from evidence_upload_parts where organisation_id = $1 and upload_id = $2
             order by start_bytes",
            &[&organisation_id, &id],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Notes that an upload of this length has become a piece of evidence; its parts are given up. Returns where they are.
///
/// # Errors
/// The database does not answer.
pub async fn finish(
    tx: &Transaction,
    organisation_id: Uuid,
    id: Uuid,
    length_bytes: u64,
    answer: &Value,
) -> Result<Vec<String>, StorageError> {
    tx.run(
        "update evidence_uploads set length_bytes = $3, offset_bytes = $3, answer = $4
         where organisation_id = $1 and id = $2",
        &[&organisation_id, &id, &bytes(length_bytes), &answer],
    )
    .await?;
    give_up_parts(tx, organisation_id, id).await
}

/// Removes an upload; its parts are given up. Returns where they are.
///
/// # Errors
/// The database does not answer.
pub async fn remove(tx: &Transaction, organisation_id: Uuid, id: Uuid) -> Result<Vec<String>, StorageError> {
    let parts = give_up_parts(tx, organisation_id, id).await?;
    tx.run("delete from evidence_uploads where organisation_id = $1 and id = $2", &[&organisation_id, &id])
        .await?;
    Ok(parts)
}

/// Finds and holds one upload of any tenant that has expired.
///
/// # Errors
/// The database does not answer.
pub async fn find_expired(tx: &Transaction) -> Result<Option<(Uuid, Uuid)>, StorageError> {
    let row = sql::optional(
        tx,
        "select organisation_id, id from evidence_uploads where expires_at <= now()
         order by expires_at limit 1 for update skip locked",
        &[],
    )
    .await?;
    Ok(row.map(|row| (row.get(0), row.get(1))))
}

async fn give_up_parts(
    tx: &Transaction,
    organisation_id: Uuid,
    id: Uuid,
) -> Result<Vec<String>, StorageError> {
    let rows = tx
        .rows(
            "delete from evidence_upload_parts where organisation_id = $1 and upload_id = $2 returning storage_key",
            &[&organisation_id, &id],
        )
        .await?;
    let keys: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    evidence_leases::give_up(tx, organisation_id, &keys).await?;
    Ok(keys)
}

fn read(row: &Row) -> ResumableUpload {
    ResumableUpload {
        id: row.get(0),
        fields: row.get(1),
        length_bytes: row.get::<_, Option<i64>>(2).map(i64::unsigned_abs),
        offset_bytes: row.get::<_, i64>(3).unsigned_abs(),
        part_count: row.get(4),
        answer: row.get(5),
        expires_at: row.get(6),
        metadata: row.get(7),
        concatenation: row.get(8),
    }
}

/// A number of bytes, as the database keeps it.
fn bytes(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
