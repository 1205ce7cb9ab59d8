//! Snapshots of long documents: read by processes that do not have the session in memory, and made after a request has read it.

use firemode_domain::document::{DocumentSnapshotDraft, RecordedChange, SessionDocument};
use uuid::Uuid;

use super::warm::{Extent, WarmDocument, recorded};
use super::{SessionKey, WarmDocuments};
use crate::changes::{ReadUpTo, StoredChange};
use crate::session_snapshots::{self, NewDocumentSnapshot, StoredDocumentSnapshot};
use crate::{Database, StorageError};

/// Sessions that are noted as due at most. A further one is noted when it is read again.
pub(super) const DUE_MAX: usize = 1_000;

/// Is a snapshot due, for so many changes of which the last one covers some? The more there are, the rarer: then all the
/// snapshots that are ever made of a session cost about as much as four of the last.
pub(super) fn is_due(changes: usize, covered: usize, changes_min: usize) -> bool {
    changes.saturating_sub(covered) >= changes_min.max(covered / 4)
}

impl WarmDocument {
    /// As [`WarmDocument::catch_up`], for a document that has read nothing yet: with what a snapshot knows already. False where the
    /// snapshot cannot be used. May take long.
    ///
    /// # Errors
    /// A row does not read as what was written. In either case the document stays as it was.
    pub(super) fn begin(
        &mut self,
        rows: Vec<StoredChange>,
        up_to: ReadUpTo,
        snapshot: &StoredDocumentSnapshot,
    ) -> Result<bool, StorageError> {
        let records = rows.into_iter().map(recorded).collect::<Result<Vec<RecordedChange>, _>>()?;
        let restored = snapshot.bytes.as_ref().and_then(|bytes| SessionDocument::restored(bytes, records));
        let Some(document) = restored else { return Ok(false) };
        self.document = document;
        self.covered = snapshot.change_count;
        self.read_up_to = Some(up_to);
        Ok(true)
    }
}

impl WarmDocuments {
    /// Waits for a session whose snapshot is due.
    pub async fn next_due(&self) -> (Uuid, Uuid) {
        loop {
            let noted = self.is_any_due.notified();
            let next = self.slots().due.pop_first();
            match next {
                Some(key) => return key,
                None => noted.await,
            }
        }
    }

    /// Makes the snapshot of a session's document, reads it back, and stores it unless somebody else has done so by now. True
    /// when it was stored.
    ///
    /// The session's documents are in use only while it is made, not while it is read back.
    ///
    /// # Errors
    /// The database does not answer, the work panicked, or the snapshot does not give the document again.
    pub async fn keep_snapshot(
        &self,
        database: &Database,
        (organisation_id, session_id): SessionKey,
    ) -> Result<bool, StorageError> {
        let Some(draft) = self.draft(database, (organisation_id, session_id)).await? else {
            return Ok(false);
        };
        let change_count = draft.change_count();
        let verified = tokio::task::spawn_blocking(move || draft.verified()).await;
        let unsound =
            || StorageError::Damaged(format!("the snapshot of session {session_id} does not read back"));
        let bytes = verified.map_err(|_| unsound())?.ok_or_else(unsound)?;
        let tx = database.tenant(organisation_id).transaction().await?;
        let new = NewDocumentSnapshot { change_count, bytes: &bytes };
        session_snapshots::store(&tx, organisation_id, session_id, &new).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// A snapshot of what is on record now; none where what is stored is recent enough.
    async fn draft(
        &self,
        database: &Database,
        (organisation_id, session_id): SessionKey,
    ) -> Result<Option<DocumentSnapshotDraft>, StorageError> {
        let tx = database.tenant(organisation_id).read().await?;
        let covered = session_snapshots::covered(&tx, organisation_id, session_id).await?;
        let mut lease = self.lease(organisation_id, session_id).await?;
        let mut session = lease.take();
        let record = &mut session.record;
        record.refresh(&tx, organisation_id, session_id, Extent::Record).await?;
        drop(tx);
        let changes = record.document.change_count();
        let mut draft = None;
        record.covered = covered;
        if self.snapshot_changes_min.is_some_and(|min| is_due(changes, covered, min)) {
            draft = record.inspect(SessionDocument::snapshot).await?;
            // Whether it is stored or not, this process has done what it can until there is more.
            record.covered = changes;
        }
        // A request that read the document while this waited has noted it again.
        self.slots().due.remove(&(organisation_id, session_id));
        lease.put_back(session);
        Ok(draft)
    }
}

#[cfg(test)]
mod tests {
    use super::is_due;

    #[test]
    fn snapshots_become_rarer_as_a_session_grows() {
        assert!(!is_due(999, 0, 1_000) && is_due(1_000, 0, 1_000));
        assert!(!is_due(5_000, 4_001, 1_000) && is_due(5_001, 4_001, 1_000));
        let mut covered = 0;
        let mut work = 0;
        for changes in 0..=50_000 {
            if is_due(changes, covered, 1_000) {
                (covered, work) = (changes, work + changes);
            }
        }
        assert!(work < 5 * covered, "{work} changes for snapshots of {covered}");
    }
}
