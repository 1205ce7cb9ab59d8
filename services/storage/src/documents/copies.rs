//! Copies of documents: whoever reads a session, or writes to it, goes on from one, and need not work out all of its record again.

use std::time::{Duration, Instant};

use super::{SessionKey, WarmDocument, WarmDocuments, WarmSession};
use crate::changes;
use crate::session_copies::{self, NewCopy};
use crate::{Database, StorageError};

/// For fewer new changes than this no copy is kept of documents that leave memory: they are read as fast.
const CHANGES_MIN: usize = 64;

/// Sessions that are noted as due at most. A further one is noted when it is used again.
pub(super) const DUE_MAX: usize = 1_000;

/// Between two copies there is at least so long a pause.
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// Is another copy due, for so many changes of which the last one has some? The more there are, the rarer: then all the copies that are
/// ever made of a session cost about as much as four of the last.
fn is_due(changes: usize, copied: usize, changes_min: usize) -> bool {
    changes.saturating_sub(copied) >= changes_min.max(copied / 4)
}

impl WarmDocument {
    /// Is there so much more than in the stored copy that another one is to be kept when it leaves memory? Of a condensed one there is
    /// nothing to copy then.
    pub(super) fn is_copy_due(&self) -> bool {
        !self.document.is_condensed() && self.is_copy_due_from(CHANGES_MIN)
    }

    /// The same from so many new changes on.
    pub(super) fn is_copy_due_from(&self, changes_min: usize) -> bool {
        self.is_loaded() && is_due(self.document.change_count(), self.copied, changes_min)
    }
}

impl WarmSession {
    /// A copy of what is on record. May take long.
    fn copy(&self) -> Option<NewCopy> {
        let read_up_to = self.record.read_up_to.clone()?;
        let document = &self.record.document;
        Some(NewCopy { change_count: document.change_count(), read_up_to, bytes: document.copy() })
    }
}

impl WarmDocuments {
    /// Keeps copies of documents that leave memory, and of those that have grown while they are in use; one at a time, and rests after each
    /// for as long as it took. What is due is not kept: after a restart it is noted again when it is used again.
    pub async fn keep_copies(&self, database: &Database) {
        loop {
            let noted = self.is_any_copy_due.notified();
            let next = self.slots().next_copy();
            let Some((key, let_go)) = next else {
                noted.await;
                continue;
            };
            let began = Instant::now();
            let kept = match let_go {
                Some(place) => {
                    let session = place.lock().await.take();
                    keep_copy(database, key, session).await
                }
                None => self.keep_copy_of(database, key).await,
            };
            if let Err(error) = kept {
                tracing::warn!(session_id = %key.1, %error, "no copy of the document was kept");
            }
            tokio::time::sleep(began.elapsed().max(PAUSE_MIN)).await;
        }
    }

    /// Keeps a copy of a document that stays in memory, if it is still due and there is memory for it.
    async fn keep_copy_of(&self, database: &Database, key: SessionKey) -> Result<(), StorageError> {
        let (organisation_id, session_id) = key;
        let mut lease = self.lease(organisation_id, session_id).await?;
        let mut session = lease.take();
        if !session.record.is_copy_due_from(self.copy_changes_min) {
            lease.put_back(session);
            return Ok(());
        }
        let change_count = session.record.document.change_count();
        let (size, is_condensed) = (session.record.document.size(), session.record.document.is_condensed());
        let loading_bytes = if is_condensed { size.index_bytes } else { 0 } + size.loading_bytes();
        let room = self.room_now(loading_bytes).ok().flatten();
        let copy = match &room {
            None => None,
            Some(_) => {
                if is_condensed {
                    session = whole(database, key).await?;
                }
                let (with_copy, copy) = copied(session, self.is_to_condense()).await?;
                session = with_copy;
                copy
            }
        };
        // Whether one is kept or not, this process has done what it can until there is more.
        session.record.copied = change_count;
        lease.put_back(session);
        drop((lease, room));
        store(database, key, copy).await
    }
}

async fn keep_copy(
    database: &Database,
    key: SessionKey,
    let_go: Option<Box<WarmSession>>,
) -> Result<(), StorageError> {
    let Some(session) = let_go else { return Ok(()) };
    let (session, copy) = copied(session, false).await?;
    drop(session);
    store(database, key, copy).await
}

/// A session's document as the record has it.
async fn whole(
    database: &Database,
    (organisation_id, session_id): SessionKey,
) -> Result<Box<WarmSession>, StorageError> {
    let tx = database.tenant(organisation_id).read().await?;
    let lineage = changes::read_up_to(&tx).await?.lineage();
    let record = WarmDocument::of_record(&tx, organisation_id, session_id, lineage).await?;
    Ok(Box::new(WarmSession { record, with_late: WarmDocument::default() }))
}

/// Copies on a thread for such work, and condenses what was copied if that is wanted.
async fn copied(
    mut session: Box<WarmSession>,
    condenses: bool,
) -> Result<(Box<WarmSession>, Option<NewCopy>), StorageError> {
    let copying = tokio::task::spawn_blocking(move || {
        let copy = session.copy();
        if condenses {
            session.condense();
        }
        (session, copy)
    });
    copying.await.map_err(|error| StorageError::Damaged(format!("a session document: {error}")))
}

async fn store(database: &Database, key: SessionKey, copy: Option<NewCopy>) -> Result<(), StorageError> {
    let (organisation_id, session_id) = key;
    let Some(copy) = copy else { return Ok(()) };
    let tx = database.tenant(organisation_id).transaction().await?;
    session_copies::store(&tx, organisation_id, session_id, &copy).await?;
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use super::is_due;

    #[test]
    fn copies_become_rarer_as_a_session_grows() {
        assert!(!is_due(999, 0, 1_000) && is_due(1_000, 0, 1_000));
        assert!(!is_due(5_000, 4_001, 1_000) && is_due(5_001, 4_001, 1_000));
        let mut copied = 0;
        let mut work = 0;
        for changes in 0..=50_000 {
            if is_due(changes, copied, 1_000) {
                (copied, work) = (changes, work + changes);
            }
        }
        assert!(work < 5 * copied, "{work} changes for copies of {copied}");
    }
}
