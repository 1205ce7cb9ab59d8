//! The history of the database, by which a process knows whether it is still the one that it was.
//!
//! A standby that took over may have been behind, and a restored database is: either has lost some of what processes have in memory and
//! clients have in tokens. So whatever is kept of the database says of which history it is.

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio::time::timeout;
use uuid::Uuid;

use crate::{Database, Executor, StorageError, sql};

/// Between two looks of a process that makes no new connections.
const PAUSE: Duration = Duration::from_secs(1);

/// Bytes that name one.
pub(crate) const LINEAGE_BYTES: usize = 4;

/// The database's history. It is another one once the database came from a copy, or from a standby that took over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lineage([u8; LINEAGE_BYTES]);

impl Lineage {
    /// By the name that the database gives it.
    pub(crate) fn named(name: &str) -> Self {
        let digest = Sha256::digest(name);
        let mut bytes = [0; LINEAGE_BYTES];
        bytes.copy_from_slice(&digest[..LINEAGE_BYTES]);
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; LINEAGE_BYTES] {
        &self.0
    }

    /// Is it the one that was stored?
    pub(crate) fn is(&self, stored: &[u8]) -> bool {
        self.0 == stored
    }
}

/// What a process has seen of the database's history.
#[derive(Debug)]
pub(crate) struct History(watch::Sender<Option<Lineage>>);

impl Default for History {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl History {
    /// What tells the present one.
    pub(crate) const PRESENT: &str = "select database_lineage()";

    /// Takes note of what a look has shown.
    pub(crate) fn note(&self, present: Lineage) {
        let was_another = |known: &mut Option<Lineage>| {
            let is_news = *known != Some(present);
            let was_another = is_news && known.is_some();
            *known = Some(present);
            was_another
        };
        if self.0.send_if_modified(was_another) {
            tracing::warn!(
                "the database is not the one it was: a standby took over, or it was restored; what is kept in memory is read again, and \
                 tokens of lists and feeds from before are refused (410)"
            );
        }
    }
}

impl Database {
    /// Looks again and again whether it is another database than before, and calls `forget` each time that it is.
    pub async fn watch_history(&self, forget: impl Fn()) {
        let mut changes = self.history().0.subscribe();
        loop {
            match timeout(PAUSE, changes.changed()).await {
                Ok(_) => forget(),
                // A database that does not answer, or has no schema yet, is logged elsewhere.
                Err(_) => drop(self.pulse(PAUSE / 4 * 3).await),
            }
        }
    }
}

/// The name of the database's incarnation in its present history. Where that has changed since the incarnation was noted, what was told
/// of transactions before means nothing any more.
pub(crate) fn incarnation(noted: Uuid, is_of_noted_timeline: bool, timeline: &str) -> Uuid {
    if is_of_noted_timeline {
        return noted;
    }
    let digest = Sha256::new().chain_update(noted.as_bytes()).chain_update(timeline).finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Uuid::from_bytes(bytes)
}

/// The present history.
///
/// # Errors
/// The database does not answer.
pub(crate) async fn present(on: &impl Executor) -> Result<Lineage, StorageError> {
    Ok(Lineage::named(sql::one(on, History::PRESENT, &[]).await?.get(0)))
}
