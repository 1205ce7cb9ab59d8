//! Copies of documents in memory, kept when a process lets them go: what it takes to write to a session again, without its record.
//!
//! A copy stands for the record up to a moment, and what was added since is read behind it. It is taken for what the record says because
//! its digest is right and because it was made in the same history of the database. Should the record have lost something all the
//! same, then what is written on top asks for what it builds on (see [`crate::changes::RELIED_ON`]), and the copy is forgotten.

use firemode_domain::document::SessionDocument;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::changes::ReadUpTo;
use crate::pg_snapshot::PgSnapshot;
use crate::{Executor, Lineage, StorageError, Transaction, sql};

/// A stored copy.
#[derive(Debug)]
pub(crate) struct StoredCopy {
    /// How many merged changes it has.
    pub(crate) change_count: usize,
    /// How far the record had been read.
    pub(crate) read_up_to: ReadUpTo,
    digest: Vec<u8>,
    bytes: Vec<u8>,
}

impl StoredCopy {
    /// The document, if the copy is whole. May take long.
    pub(crate) fn document(&self) -> Option<SessionDocument> {
        let is_whole = self.digest == Sha256::digest(&self.bytes).as_slice();
        is_whole.then(|| SessionDocument::of_copy(&self.bytes)).flatten()
    }
}

/// The copy of a session's document, if there is one that this release can read, of this lineage.
///
/// # Errors
/// The database does not answer.
pub(crate) async fn find(
    on: &impl Executor,
    organisation_id: Uuid,
    session_id: Uuid,
    lineage: Lineage,
) -> Result<Option<StoredCopy>, StorageError> {
    let row = sql::optional(
        on,
        "select change_count, read_up_to, digest, bytes from session_copies
         where organisation_id = $1 and session_id = $2 and format = $3 and lineage = $4",
        &[&organisation_id, &session_id, &SessionDocument::COPY_FORMAT, &lineage.as_bytes().as_slice()],
    )
    .await?;
    // Without a place to go on from it is of no use.
    Ok(row.and_then(|row| {
        Some(StoredCopy {
            change_count: usize::try_from(row.get::<_, i32>(0)).unwrap_or(0),
            read_up_to: ReadUpTo { snapshot: PgSnapshot::parse(row.get(1))?, lineage },
            digest: row.get(2),
            bytes: row.get(3),
        })
    }))
}

/// A copy to be kept.
#[derive(Debug)]
pub(crate) struct NewCopy {
    pub(crate) change_count: usize,
    pub(crate) read_up_to: ReadUpTo,
    pub(crate) bytes: Vec<u8>,
}

/// Keeps a copy in place of the one before.
///
/// # Errors
/// The database does not answer.
pub(crate) async fn store(
    tx: &Transaction,
    organisation_id: Uuid,
    session_id: Uuid,
    copy: &NewCopy,
) -> Result<(), StorageError> {
    let change_count = i32::try_from(copy.change_count).unwrap_or(i32::MAX);
    let digest = Sha256::digest(&copy.bytes);
    tx.run(
        "insert into session_copies as c
             (session_id, organisation_id, format, lineage, read_up_to, change_count, digest, bytes)
         values ($2, $1, $3, $4, $5, $6, $7, $8)
         on conflict (session_id) do update
             set format = excluded.format, lineage = excluded.lineage, read_up_to = excluded.read_up_to,
                 change_count = excluded.change_count, digest = excluded.digest, bytes = excluded.bytes,
                 made_at = excluded.made_at
             where c.organisation_id = $1
               and (c.format <> excluded.format or c.lineage <> excluded.lineage
                    or c.change_count <= excluded.change_count)",
        &[
            &organisation_id,
            &session_id,
            &SessionDocument::COPY_FORMAT,
            &copy.read_up_to.lineage.as_bytes().as_slice(),
            &copy.read_up_to.snapshot.to_string(),
            &change_count,
            &digest.as_slice(),
            &copy.bytes,
        ],
    )
    .await?;
    Ok(())
}

/// Forgets a copy that is not what the record says.
///
/// # Errors
/// The database does not answer.
pub(crate) async fn forget(
    tx: &Transaction,
    organisation_id: Uuid,
    session_id: Uuid,
) -> Result<(), StorageError> {
    tx.run(
        "delete from session_copies where organisation_id = $1 and session_id = $2",
        &[&organisation_id, &session_id],
    )
    .await?;
    Ok(())
}
