//! How far the database has come: one look for all in a process who wait for something new in it.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::changes::{self, ReadUpTo};
use crate::{Database, StorageError};

/// The last look, and when it was.
#[derive(Debug, Default)]
pub(crate) struct Pulse(Mutex<Option<(Instant, ReadUpTo)>>);

impl Database {
    /// How far the database has come, as it was so long ago at most. Where that is what it was, no transaction that wrote has ended since.
    /// Takes note of its history.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn pulse(&self, age_max: Duration) -> Result<ReadUpTo, StorageError> {
        let mut last = self.last_pulse().0.lock().await;
        if let Some((at, seen)) = &*last
            && at.elapsed() <= age_max
        {
            return Ok(seen.clone());
        }
        let began = Instant::now();
        let tx = self.without_tenant().read().await?;
        let seen = changes::read_up_to(&tx).await?;
        drop(tx);
        self.history().note(seen.lineage());
        *last = Some((began, seen.clone()));
        Ok(seen)
    }
}
