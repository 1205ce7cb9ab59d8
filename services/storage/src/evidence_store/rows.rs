//! Evidence in the database: `evidence.url = "postgres:"`.
//!
//! The bytes lie in rows of at most [`CHUNK_BYTES`], each committed by itself: no transaction and no connection is held for as
//! long as a client takes to send a file. Until a row of `evidence_blobs` names them, they count as little as an object
//! without a row does.

use std::ops::Range;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use uuid::Uuid;

use crate::{Database, Executor as _, Purpose, StorageError, sql};

/// Bytes of every chunk but the last. What is stored relies on it, so it never changes.
pub(super) const CHUNK_BYTES: usize = 1 << 20;

/// The bytes under one key.
#[derive(Debug, Clone)]
pub(super) struct Chunks {
    database: Database,
    organisation_id: Uuid,
    key: String,
}

/// Is there any chunk?
pub(super) async fn is_empty(database: &Database) -> Result<bool, StorageError> {
    let tx = database.across_tenants(Purpose::Operator).read().await?;
    // Before its first migration a database has no such table.
    let sql = "select to_regclass('evidence_chunks') is not null";
    let is_there: bool = sql::one(&tx, sql, &[]).await?.get(0);
    Ok(!is_there || sql::optional(&tx, "select 1 from evidence_chunks limit 1", &[]).await?.is_none())
}

impl Chunks {
    /// The first part of a key names the tenant.
    pub(super) fn new(database: Database, key: &str) -> Result<Self, StorageError> {
        let organisation_id = key.split('/').next().and_then(|id| id.parse().ok());
        let organisation_id =
            organisation_id.ok_or_else(|| StorageError::Damaged(format!("no tenant in the key {key}")))?;
        Ok(Self { database, organisation_id, key: key.to_owned() })
    }

    pub(super) async fn put(&self, number: usize, bytes: &[u8]) -> Result<(), StorageError> {
        let number =
            i32::try_from(number).map_err(|_| StorageError::Damaged("too many chunks".to_owned()))?;
        let tx = self.database.tenant(self.organisation_id).transaction().await?;
        tx.run(
            "insert into evidence_chunks (organisation_id, storage_key, chunk_number, bytes)
                 values ($1, $2, $3, $4)",
            &[&self.organisation_id, &self.key, &number, &bytes],
        )
        .await?;
        tx.commit().await
    }

    pub(super) async fn remove(&self) -> Result<(), StorageError> {
        let tx = self.database.tenant(self.organisation_id).transaction().await?;
        tx.run(
            "delete from evidence_chunks where organisation_id = $1 and storage_key = $2",
            &[&self.organisation_id, &self.key],
        )
        .await?;
        tx.commit().await
    }

    /// How many bytes there are.
    async fn size_bytes(&self) -> Result<u64, StorageError> {
        let tx = self.database.tenant(self.organisation_id).read().await?;
        let row = sql::optional(
            &tx,
            "select chunk_number, octet_length(bytes) from evidence_chunks
             where organisation_id = $1 and storage_key = $2 order by chunk_number desc limit 1",
            &[&self.organisation_id, &self.key],
        )
        .await?;
        let missing = || StorageError::Damaged(format!("there are no bytes under {}", self.key));
        let row = row.ok_or_else(missing)?;
        let (last, bytes) = (row.get::<_, i32>(0), row.get::<_, i32>(1));
        Ok(u64::from(last.unsigned_abs()) * CHUNK_BYTES as u64 + u64::from(bytes.unsigned_abs()))
    }

    /// Streams the bytes, one chunk in memory at a time.
    pub(super) async fn read(
        self,
        range: Option<Range<u64>>,
    ) -> Result<BoxStream<'static, Result<Bytes, StorageError>>, StorageError> {
        let size_bytes = self.size_bytes().await?;
        let Range { start, end } = range.unwrap_or(0..size_bytes);
        let end = end.min(size_bytes);
        let next = move |(chunks, at): (Self, u64)| async move {
            if at >= end {
                return Ok(None);
            }
            let bytes = chunks.part(at, end).await?;
            let after = at + bytes.len() as u64;
            Ok(Some((bytes, (chunks, after))))
        };
        Ok(stream::try_unfold((self, start), next).boxed())
    }

    /// The bytes from a position to the end of its chunk, or to `end`.
    async fn part(&self, at: u64, end: u64) -> Result<Bytes, StorageError> {
        let chunk_bytes = CHUNK_BYTES as u64;
        let (number, begin) = (at / chunk_bytes, at % chunk_bytes);
        let length = (end - at).min(chunk_bytes - begin);
        let damaged = || StorageError::Damaged(format!("bytes are missing under {}", self.key));
        let as_int = |number: u64| i32::try_from(number).map_err(|_| damaged());
        let tx = self.database.tenant(self.organisation_id).read().await?;
        let row = sql::optional(
            &tx,
            "select substring(bytes from $4 for $5) from evidence_chunks
             where organisation_id = $1 and storage_key = $2 and chunk_number = $3",
            &[&self.organisation_id, &self.key, &as_int(number)?, &as_int(begin + 1)?, &as_int(length)?],
        )
        .await?;
        let bytes: Vec<u8> = row.ok_or_else(damaged)?.get(0);
        if bytes.len() as u64 == length { Ok(bytes.into()) } else { Err(damaged()) }
    }
}
