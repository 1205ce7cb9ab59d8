//! Whether the database takes what this process writes. It may answer and take nothing: it was demoted to a standby, or its disk is full.
//!
//! A write that fails so is the first to know. From then on a small write of our own is tried again and again, until one is taken.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::{Database, Executor, StorageError, WriteFault, sql};

/// Between two writes of our own.
const PAUSE: Duration = Duration::from_secs(5);

/// More than a page of PostgreSQL's, so that there has to be room for it.
const FILLER_BYTES: i32 = 20_000;

/// What the last write has shown.
#[derive(Debug, Default)]
pub(crate) struct Writes(Mutex<Option<WriteFault>>);

impl Writes {
    pub(crate) fn fault(&self) -> Option<WriteFault> {
        *self.present()
    }

    fn present(&self) -> MutexGuard<'_, Option<WriteFault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Database {
    /// Why this process cannot write, as far as it knows.
    pub fn write_fault(&self) -> Option<WriteFault> {
        self.writes().fault()
    }

    /// Looks whether it is read-only, before a write has to find out.
    ///
    /// # Errors
    /// The database does not answer.
    pub(crate) async fn look_for_read_only(&self, on: &impl Executor) -> Result<(), StorageError> {
        let sql = "select pg_is_in_recovery() or current_setting('default_transaction_read_only')::bool";
        if sql::one(on, sql, &[]).await?.get(0) {
            self.note_failed_write(&StorageError::NoWrites(
                WriteFault::ReadOnly,
                "it says that it is read-only".to_owned(),
            ));
        }
        Ok(())
    }

    /// Takes note of a write that failed, where the database was the reason.
    pub(crate) fn note_failed_write(&self, error: &StorageError) {
        let Some(fault) = error.write_fault() else { return };
        let is_first = self.writes().present().replace(fault).is_none();
        if is_first {
            tracing::warn!(%error, "the database does not take what this process writes");
            tokio::spawn(try_until_taken(self.clone()));
        }
    }
}

async fn try_until_taken(database: Database) {
    let since = Instant::now();
    loop {
        sleep(PAUSE).await;
        match write(&database).await {
            Ok(()) => break,
            Err(error) => tracing::debug!(%error, "it still does not"),
        }
    }
    *database.writes().present() = None;
    tracing::warn!(seconds = since.elapsed().as_secs(), "the database takes what this process writes again");
}

/// Writes a row of our own. The table is emptied first, so that it lies in a new file, for which there has to be room on the disk.
async fn write(database: &Database) -> Result<(), StorageError> {
    let tx = database.without_tenant().transaction().await?;
    tx.connection().batch("truncate write_probes").await?;
    let sql = "insert into write_probes (written_at, filler) values (now(), repeat('.', $1))";
    tx.run(sql, &[&FILLER_BYTES]).await?;
    tx.commit().await
}
