//! Looking at documents. While rows are read a connection is held, and while anything is worked out or waited for, none.

use firemode_domain::document::{DocumentSize, DocumentSummary, SessionDocument};
use uuid::Uuid;

use super::warm::{Extent, WarmSession};
use super::{Room, SessionKey, WarmDocuments};
use crate::changes::{self, SessionTail};
use crate::session_summaries::{self, NewSummary, StoredSummary};
use crate::{Database, Executor, StorageError};

/// What whoever looks at a document needs of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// What the index and the changes tell.
    Changes,
    /// Besides, Automerge's own document as it saves it, to be taken along.
    Saved,
}

/// A session with more bytes of changes is not worked out behind results: that would take more memory than a worker has.
const BEHIND_RESULTS_BYTES_MAX: usize = 16 << 20;

/// What the place of a change takes while it is read.
const PLACE_BYTES: usize = 640;

impl WarmDocuments {
    /// Looks at the present document of a session, on a thread for such work. The caller holds no connection meanwhile, and keeps the room
    /// for as long as what was seen is in memory.
    ///
    /// # Errors
    /// The database does not answer, there is no memory for the document, or looking at it panicked.
    pub async fn read<T: Send + 'static>(
        &self,
        database: &Database,
        key: SessionKey,
        needs: Needs,
        look: impl FnOnce(&SessionDocument) -> T + Send + 'static,
    ) -> Result<(T, Room<'_>), StorageError> {
        let (organisation_id, session_id) = key;
        let mut lease = self.lease(organisation_id, session_id).await?;
        let mut session = lease.take();
        let seen = match self.bring_up_to_date(database, key, needs, &mut session).await {
            Ok(room) => session.record.inspect(look).await.map(|seen| (seen, room)),
            Err(error) => Err(error),
        };
        lease.put_back(session);
        seen
    }

    /// Reads what a session's documents lack, and gives the memory that may be used while somebody looks at them.
    async fn bring_up_to_date(
        &self,
        database: &Database,
        key @ (organisation_id, session_id): SessionKey,
        needs: Needs,
        session: &mut WarmSession,
    ) -> Result<Room<'_>, StorageError> {
        let tx = database.tenant(organisation_id).read().await?;
        let up_to = changes::read_up_to(&tx).await?;
        let lineage = up_to.lineage();
        session.enter(lineage);
        let new = new_of(&tx, key, session).await?;
        drop(tx);
        let size = session.record.document().size();
        let whole = size.and(new);
        let mut room = self.room(bytes_needed(size, new, needs)).await?;
        if new.changes == 0 && session.record.is_loaded() {
            session.record.read_up_to = Some(up_to);
            return Ok(room);
        }
        for copies_of in [Some(lineage), None] {
            let tx = database.tenant(organisation_id).read().await?;
            let unread =
                session.record.fetch(&tx, organisation_id, session_id, Extent::Record, copies_of).await?;
            drop(tx);
            if session.record.take_in(unread).await? {
                break;
            }
        }
        let loaded = session.record.document().size();
        room.settle(looking_bytes(loaded, needs) + loaded.index_bytes.saturating_sub(whole.index_bytes));
        Ok(room)
    }

    /// What lists show of sessions, in their order: what is stored where that is what is on record, else what their documents say, and that
    /// is stored for the next one. The caller holds no connection meanwhile.
    ///
    /// # Errors
    /// As for [`Self::read`], but for a document that is too large: of that the last summary is told.
    pub async fn summaries(
        &self,
        database: &Database,
        organisation_id: Uuid,
        session_ids: &[Uuid],
    ) -> Result<Vec<DocumentSummary>, StorageError> {
        let tx = database.tenant(organisation_id).read().await?;
        let mut stored = session_summaries::find(&tx, organisation_id, session_ids).await?;
        drop(tx);
        let mut summaries = Vec::with_capacity(session_ids.len());
        for &session_id in session_ids {
            let known = stored.remove(&session_id);
            if let Some(StoredSummary { summary, is_present: true, .. }) = known {
                summaries.push(summary);
                continue;
            }
            match self.summary(database, (organisation_id, session_id)).await {
                Ok(summary) => summaries.push(summary),
                Err(error @ StorageError::TooLarge { .. }) => {
                    tracing::warn!(%session_id, %error, "a list tells what was last known of a session");
                    summaries.push(known.map_or_else(DocumentSummary::empty, |known| known.summary));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(summaries)
    }

    /// What a session's document comes to, worked out and stored. The caller holds no connection meanwhile.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub async fn summary(
        &self,
        database: &Database,
        key @ (organisation_id, session_id): SessionKey,
    ) -> Result<DocumentSummary, StorageError> {
        let mut lease = self.lease(organisation_id, session_id).await?;
        let mut session = lease.take();
        let summary = match self.bring_up_to_date(database, key, Needs::Changes, &mut session).await {
            Ok(_room) => session.record.inspect(SessionDocument::summary).await,
            Err(error) => Err(error),
        };
        let read_up_to = session.record.read_up_to().cloned();
        lease.put_back(session);
        let new = NewSummary { organisation_id, session_id, summary: summary?, read_up_to };
        keep_worked_out(database, &new).await;
        Ok(new.summary)
    }

    /// Takes memory for a document that is to be loaded in the caller's transaction.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub async fn room_to_load(&self, on: &impl Executor, key: SessionKey) -> Result<Room<'_>, StorageError> {
        let all = new_of(on, key, &WarmSession::default()).await?;
        self.room(all.index_bytes + all.loading_bytes()).await
    }

    /// Takes memory for the places of all changes of a session, without the changes.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub async fn room_for_places(
        &self,
        database: &Database,
        key @ (organisation_id, _): SessionKey,
    ) -> Result<Room<'_>, StorageError> {
        let tx = database.tenant(organisation_id).read().await?;
        let all = new_of(&tx, key, &WarmSession::default()).await?;
        drop(tx);
        self.room(all.changes * PLACE_BYTES).await
    }

    /// Takes memory for a document of this size that is made for one request.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub async fn room_for(&self, size: DocumentSize) -> Result<Room<'_>, StorageError> {
        self.room(bytes_needed(DocumentSize::default(), size, Needs::Changes)).await
    }
}

/// Refuses a session that is too large to be worked out behind results.
///
/// # Errors
/// [`StorageError::TooLarge`], or the database does not answer.
pub async fn refuse_too_large(on: &impl Executor, key: SessionKey) -> Result<(), StorageError> {
    let bytes = new_of(on, key, &WarmSession::default()).await?.change_bytes;
    if bytes > BEHIND_RESULTS_BYTES_MAX {
        return Err(StorageError::TooLarge { bytes, bytes_max: BEHIND_RESULTS_BYTES_MAX });
    }
    Ok(())
}

/// Keeps for the next reader what was worked out for this one, who is answered all the same where nothing can be stored.
async fn keep_worked_out(database: &Database, new: &NewSummary) {
    let kept = async {
        let tx = database.tenant(new.organisation_id).transaction().await?;
        tx.without_the_disk().await?;
        session_summaries::keep(&tx, std::slice::from_ref(new)).await?;
        tx.commit().await
    };
    if let Err(error) = kept.await {
        tracing::warn!(%error, "what lists show of a session was not kept, and will be worked out again");
    }
}

/// How much there is to be read of a session, which is nothing where all of it is in memory. A summary saves the look at every row.
async fn new_of(
    on: &impl Executor,
    (organisation_id, session_id): SessionKey,
    session: &WarmSession,
) -> Result<DocumentSize, StorageError> {
    let tail = |since| SessionTail { organisation_id, session_id, since };
    if let Some(read_up_to) = session.record.read_up_to() {
        return changes::size(on, tail(Some(read_up_to.clone()))).await;
    }
    let stored = session_summaries::find(on, organisation_id, &[session_id]).await?.remove(&session_id);
    match stored {
        Some(StoredSummary { summary, is_present: true, .. }) => Ok(summary.size),
        Some(StoredSummary { summary, read_up_to, .. }) => {
            Ok(summary.size.and(changes::size(on, tail(Some(read_up_to))).await?))
        }
        None => changes::size(on, tail(None)).await,
    }
}

/// What reading this much and looking at all of it takes, besides what is in memory.
fn bytes_needed(known: DocumentSize, new: DocumentSize, needs: Needs) -> usize {
    let looking = looking_bytes(known.and(new), needs);
    if new.changes == 0 {
        return looking;
    }
    new.index_bytes + looking.max(new.loading_bytes())
}

fn looking_bytes(size: DocumentSize, needs: Needs) -> usize {
    let saved = if needs == Needs::Saved { size.saving_bytes() } else { 0 };
    size.looking_bytes() + saved
}
