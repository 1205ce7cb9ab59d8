//! Copies of documents that are let go, and what it takes to write to a session again by one.

use uuid::Uuid;

use super::snapshots::is_due;
use super::{Extent, Place, SessionKey, WarmDocument, WarmDocuments};
use crate::changes::{self, ReadUpTo, StoredChange};
use crate::session_copies::{self, NewCopy, StoredCopy};
use crate::{Database, Executor, Lineage, StorageError, Transaction};

/// For fewer new changes than this no copy is kept: they are read as fast.
const CHANGES_MIN: usize = 64;

impl WarmDocument {
    /// Is there so much more than in the stored copy that another one is to be kept?
    pub(super) fn is_copy_due(&self) -> bool {
        self.is_loaded() && is_due(self.document.change_count(), self.copied, CHANGES_MIN)
    }

    /// As [`Self::refresh`] of what is on record, for a document that is to be written to and of which there may be a copy.
    ///
    /// # Errors
    /// As [`Self::refresh`].
    pub async fn refresh_by_copy(
        &mut self,
        on: &impl Executor,
        organisation_id: Uuid,
        session_id: Uuid,
        lineage: Lineage,
    ) -> Result<(), StorageError> {
        if !self.is_loaded()
            && let Some(copy) = session_copies::find(on, organisation_id, session_id, lineage).await?
        {
            let since = Some(&copy.read_up_to);
            let (rows, up_to) = changes::read(on, organisation_id, session_id, since).await?;
            if self.work(move |warm| warm.begin_by_copy(&copy, rows, up_to)).await?? {
                return Ok(());
            }
            tracing::warn!(%session_id, "the stored copy is damaged: it is ignored, and made again");
        }
        self.refresh(on, organisation_id, session_id, Extent::Record).await
    }

    fn begin_by_copy(
        &mut self,
        copy: &StoredCopy,
        rows: Vec<StoredChange>,
        up_to: ReadUpTo,
    ) -> Result<bool, StorageError> {
        let Some(document) = copy.document() else { return Ok(false) };
        self.document = document;
        self.copied = copy.change_count;
        self.catch_up(rows, up_to)?;
        Ok(true)
    }

    /// As [`Self::refresh`] of what is on record, where that is not what the copy was taken for.
    ///
    /// # Errors
    /// As [`Self::refresh`].
    pub async fn refresh_without_copy(
        &mut self,
        tx: &Transaction,
        organisation_id: Uuid,
        session_id: Uuid,
    ) -> Result<(), StorageError> {
        session_copies::forget(tx, organisation_id, session_id).await?;
        self.copied = 0;
        self.refresh(tx, organisation_id, session_id, Extent::Record).await
    }
}

/// Documents that were let go.
#[derive(Debug)]
pub struct Outgoing {
    key: SessionKey,
    session: std::sync::Arc<Place>,
}

impl Outgoing {
    /// Organisation and session.
    pub fn session(&self) -> (Uuid, Uuid) {
        self.key
    }
}

impl WarmDocuments {
    /// Waits for documents that are let go and of which a copy is to be kept.
    pub async fn next_let_go(&self) -> Outgoing {
        loop {
            let noted = self.is_any_let_go.notified();
            let next = self.slots().let_go.pop();
            match next {
                Some((key, session)) => return Outgoing { key, session },
                None => noted.await,
            }
        }
    }
}

/// Keeps a copy of documents that were let go.
///
/// # Errors
/// The database does not answer, or the work panicked.
pub async fn keep_copy(database: &Database, outgoing: Outgoing) -> Result<(), StorageError> {
    let (organisation_id, session_id) = outgoing.key;
    let Some(session) = outgoing.session.lock().await.take() else { return Ok(()) };
    let Some(read_up_to) = session.record.read_up_to.clone() else { return Ok(()) };
    let copying = move || {
        let document = &session.record.document;
        NewCopy { change_count: document.change_count(), read_up_to, bytes: document.copy() }
    };
    let copied = tokio::task::spawn_blocking(copying).await;
    let copy = copied.map_err(|error| StorageError::Damaged(format!("a session document: {error}")))?;
    let tx = database.tenant(organisation_id).transaction().await?;
    session_copies::store(&tx, organisation_id, session_id, &copy).await?;
    tx.commit().await
}
