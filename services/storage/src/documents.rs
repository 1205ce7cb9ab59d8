//! Session documents that a process keeps in memory, brought up to date from the database before each use.
//!
//! One task at a time works on a session's documents, under a [`Lease`]. It *takes* them and puts them back once it knows
//! that they say what the database says; if it fails in between, is cancelled or panics, they are simply gone, and with them
//! the Automerge actors that this process wrote with, so that no actor and sequence number can ever be used twice.

mod additions;
mod page;
mod snapshots;
mod warm;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use firemode_domain::document::SessionDocument;
use tokio::sync::{Notify, OwnedMutexGuard};
use uuid::Uuid;

pub use self::additions::{Additions, AdditionsRefusal};
use self::snapshots::{DUE_MAX, is_due};
pub use self::warm::{Extent, Submission, WarmDocument, WarmSession};
use crate::changes::ReadUpTo;
use crate::{Executor, StorageError};

/// A request waits this long for those before it on the same session.
const LEASE_SECONDS_MAX: u64 = 20;

/// All documents together take about this much memory at most; documents in use come on top.
const MEMORY_BYTES_MAX: usize = 192 << 20;

/// The documents of the sessions that were used last.
#[derive(Debug)]
pub struct WarmDocuments {
    slots: Mutex<Slots>,
    sessions_max: usize,
    /// From how many new changes on a snapshot is due; none: this process makes no snapshots.
    snapshot_changes_min: Option<usize>,
    is_any_due: Notify,
}

/// Organisation and session.
type SessionKey = (Uuid, Uuid);

/// Where a session's documents stand while nobody works on them. Boxed, for they are large and often moved.
type Place = tokio::sync::Mutex<Option<Box<WarmSession>>>;

#[derive(Debug, Default)]
struct Slots {
    by_session: HashMap<SessionKey, Slot>,
    /// Counts uses, to tell which slot was used last.
    uses: u64,
    /// Sessions whose snapshot is due.
    due: BTreeSet<SessionKey>,
}

#[derive(Debug, Default)]
struct Slot {
    session: Arc<Place>,
    used_at: u64,
    memory_bytes: usize,
}

/// The right to work on a session's documents, for one task at a time.
#[derive(Debug)]
pub struct Lease<'a> {
    documents: &'a WarmDocuments,
    key: SessionKey,
    slot: OwnedMutexGuard<Option<Box<WarmSession>>>,
}

/// What the warm documents are doing.
#[derive(Debug, Clone, Copy)]
pub struct DocumentFigures {
    /// Sessions whose documents are kept or in use.
    pub sessions: usize,
    /// Memory of those that are kept, in bytes.
    pub memory_bytes: usize,
    /// Requests that work on a session's documents or wait for their turn.
    pub requests: usize,
}

/// Too many requests wait for the same session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session is busy")]
pub struct Busy;

impl From<Busy> for StorageError {
    fn from(busy: Busy) -> Self {
        Self::Unavailable(busy.to_string())
    }
}

impl WarmDocuments {
    /// Room for the documents of so many sessions.
    pub fn new(sessions_max: usize) -> Self {
        Self { slots: Mutex::default(), sessions_max, snapshot_changes_min: None, is_any_due: Notify::new() }
    }

    /// Notes sessions whose snapshot is due, from so many changes on that the last one does not cover.
    #[must_use]
    pub fn with_snapshots(self, changes_min: usize) -> Self {
        Self { snapshot_changes_min: Some(changes_min), ..self }
    }

    /// Waits for the requests before this one on the same session.
    ///
    /// # Errors
    /// [`Busy`] after some seconds.
    pub async fn lease(&self, organisation_id: Uuid, session_id: Uuid) -> Result<Lease<'_>, Busy> {
        let key = (organisation_id, session_id);
        let session = self.slots().session_of(key);
        let wait = Duration::from_secs(LEASE_SECONDS_MAX);
        let slot = tokio::time::timeout(wait, session.lock_owned()).await.map_err(|_| Busy)?;
        Ok(Lease { documents: self, key, slot })
    }

    /// Looks at the present document of a session, on a thread for such work. Not for a transaction that has added changes:
    /// what it might still undo must not get into the document.
    ///
    /// # Errors
    /// The database does not answer, or looking at the document panicked.
    pub async fn read<T: Send + 'static>(
        &self,
        on: &impl Executor,
        organisation_id: Uuid,
        session_id: Uuid,
        look: impl FnOnce(&SessionDocument) -> T + Send + 'static,
    ) -> Result<T, StorageError> {
        let mut lease = self.lease(organisation_id, session_id).await?;
        let mut session = lease.take();
        let seen = match session.record.refresh(on, organisation_id, session_id, Extent::Record).await {
            Ok(()) => session.record.look(look).await,
            Err(error) => Err(error),
        };
        lease.put_back(session);
        seen
    }

    /// What they are doing now.
    pub fn figures(&self) -> DocumentFigures {
        let slots = self.slots();
        let of_slots = || slots.by_session.values();
        DocumentFigures {
            sessions: slots.by_session.len(),
            memory_bytes: of_slots().map(|slot| slot.memory_bytes).sum(),
            // One reference is the slot's own.
            requests: of_slots().map(|slot| Arc::strong_count(&slot.session) - 1).sum(),
        }
    }

    fn note_due(&self, key: SessionKey) {
        let mut slots = self.slots();
        if slots.due.len() < DUE_MAX {
            slots.due.insert(key);
        }
        drop(slots);
        self.is_any_due.notify_one();
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slots {
    fn session_of(&mut self, key: SessionKey) -> Arc<Place> {
        self.uses += 1;
        let slot = self.by_session.entry(key).or_default();
        slot.used_at = self.uses;
        Arc::clone(&slot.session)
    }

    /// Notes what a slot holds at the end of a lease, and makes room.
    fn returned(&mut self, key: SessionKey, memory_bytes: Option<usize>, sessions_max: usize) {
        let Some(slot) = self.by_session.get_mut(&key) else { return };
        slot.memory_bytes = memory_bytes.unwrap_or(0);
        // One reference is the slot's own and one the lease's that ends here; further ones are requests that wait.
        if memory_bytes.is_none() && Arc::strong_count(&slot.session) == 2 {
            self.by_session.remove(&key);
        }
        let mut memory_bytes: usize = self.by_session.values().map(|slot| slot.memory_bytes).sum();
        while (self.by_session.len() > sessions_max || memory_bytes > MEMORY_BYTES_MAX)
            && let Some((key, bytes)) = self.longest_unused()
        {
            self.by_session.remove(&key);
            memory_bytes -= bytes;
        }
    }

    /// The slot that nobody holds or waits for and that was used longest ago.
    fn longest_unused(&self) -> Option<(SessionKey, usize)> {
        let idle = self.by_session.iter().filter(|(_, slot)| Arc::strong_count(&slot.session) == 1);
        idle.min_by_key(|(_, slot)| slot.used_at).map(|(key, slot)| (*key, slot.memory_bytes))
    }
}

impl Lease<'_> {
    /// Organisation and session.
    pub fn session(&self) -> (Uuid, Uuid) {
        self.key
    }

    /// How far the document of the record has been read, if it is in memory.
    pub fn read_up_to(&self) -> Option<&ReadUpTo> {
        self.slot.as_ref().and_then(|session| session.record.read_up_to())
    }

    /// Takes the documents out; new ones know nothing until they are refreshed.
    pub fn take(&mut self) -> Box<WarmSession> {
        self.slot.take().unwrap_or_default()
    }

    /// Puts documents back that say what the database says, for the next request.
    pub fn put_back(&mut self, mut session: Box<WarmSession>) {
        session.measure();
        let record = &session.record;
        let is_due = |min| record.is_loaded() && is_due(record.document.change_count(), record.covered, min);
        if self.documents.snapshot_changes_min.is_some_and(is_due) {
            self.documents.note_due(self.key);
        }
        *self.slot = Some(session).filter(|session| session.is_loaded());
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let memory_bytes = self.slot.as_ref().map(|session| session.memory_bytes());
        self.documents.slots().returned(self.key, memory_bytes, self.documents.sessions_max);
    }
}
