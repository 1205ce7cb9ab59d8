//! Stored snapshots of sessions' documents: what a process that has not read a session need not work out again.
//!
//! Nothing rests on a row being there, or being right: see [`SessionDocument::restored`].

use firemode_domain::document::SessionDocument;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::{Executor, StorageError, Transaction, sql};

/// A stored snapshot.
#[derive(Debug)]
pub struct StoredDocumentSnapshot {
    /// How many changes it was made from.
    pub change_count: usize,
    /// The snapshot; none where it is not what was stored.
    pub bytes: Option<Vec<u8>>,
}

/// A snapshot to be stored.
#[derive(Debug)]
pub struct NewDocumentSnapshot<'a> {
    /// How many changes it was made from.
    pub change_count: usize,
    /// The snapshot.
    pub bytes: &'a [u8],
}

/// The snapshot of a session's document, if there is one that this release can read.
///
/// # Errors
/// The database does not answer.
pub async fn find(
    on: &impl Executor,
    organisation_id: Uuid,
    session_id: Uuid,
) -> Result<Option<StoredDocumentSnapshot>, StorageError> {
    let row = sql::optional(
        on,
        "select change_count, digest, bytes from session_snapshots
         where organisation_id = $1 and session_id = $2 and format = $3",
        &[&organisation_id, &session_id, &SessionDocument::SNAPSHOT_FORMAT],
    )
    .await?;
    Ok(row.map(|row| {
        let (digest, bytes): (Vec<u8>, Vec<u8>) = (row.get(1), row.get(2));
        let is_whole = digest == Sha256::digest(&bytes).as_slice();
        StoredDocumentSnapshot { change_count: count(row.get(0)), bytes: is_whole.then_some(bytes) }
    }))
}

/// How many changes the snapshot was made from that need not be made again: one that is whole, and of this release or a later one.
///
/// # Errors
/// The database does not answer.
pub async fn covered(
    on: &impl Executor,
    organisation_id: Uuid,
    session_id: Uuid,
) -> Result<usize, StorageError> {
    let row = sql::optional(
        on,
        "select change_count from session_snapshots
         where organisation_id = $1 and session_id = $2 and format >= $3 and sha256(bytes) = digest",
        &[&organisation_id, &session_id, &SessionDocument::SNAPSHOT_FORMAT],
    )
    .await?;
    Ok(row.map_or(0, |row| count(row.get(0))))
}

/// Keeps a snapshot in place of the one before.
///
/// # Errors
/// The database does not answer.
pub async fn store(
    tx: &Transaction,
    organisation_id: Uuid,
    session_id: Uuid,
    snapshot: &NewDocumentSnapshot<'_>,
) -> Result<(), StorageError> {
    let change_count = i32::try_from(snapshot.change_count).unwrap_or(i32::MAX);
    let digest = Sha256::digest(snapshot.bytes);
    tx
        .run(
            "insert into session_snapshots as s (session_id, organisation_id, format, change_count, digest, bytes)
             values ($2, $1, $3, $4, $5, $6)
             on conflict (session_id) do update
                 set format = excluded.format, change_count = excluded.change_count, digest = excluded.digest,
                     bytes = excluded.bytes, made_at = excluded.made_at
                 where s.organisation_id = $1
                   and (s.format < excluded.format or sha256(s.bytes) <> s.digest
                        or (s.format = excluded.format and s.change_count <= excluded.change_count))",
            &[
                &organisation_id,
                &session_id,
                &SessionDocument::SNAPSHOT_FORMAT,
                &change_count,
                &digest.as_slice(),
                &snapshot.bytes,
            ],
        )
        .await?;
    Ok(())
}

fn count(stored: i32) -> usize {
    usize::try_from(stored).unwrap_or(0)
}
