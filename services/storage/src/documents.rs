//! Session documents that a process keeps in memory, brought up to date from the database before each use.
//!
//! One task at a time works on a session's documents, under a [`Lease`]. It *takes* them and puts them back once it knows
//! that they say what the database says; if it fails in between, is cancelled or panics, they are simply gone.

mod actors;
mod additions;
mod copies;
mod page;
mod slots;
mod snapshots;
mod uses;
mod warm;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use firemode_domain::document::SessionDocument;
use tokio::sync::{Notify, OwnedMutexGuard};
use uuid::Uuid;

pub use self::actors::ServerActors;
pub use self::additions::{Additions, AdditionsRefusal};
pub use self::copies::{Outgoing, keep_copy};
use self::slots::Slots;
use self::snapshots::{DUE_MAX, is_due};
pub use self::warm::{Extent, Submission, WarmDocument, WarmSession};
use crate::changes::ReadUpTo;
use crate::{Executor, Lineage, StorageError};

/// A request waits this long for those before it on the same session.
const LEASE_SECONDS_MAX: u64 = 20;

/// The documents that are worth their memory, see `slots`.
#[derive(Debug)]
pub struct WarmDocuments {
    slots: Mutex<Slots>,
    /// Actors from before this moment are not gone on with: the database had lost changes then.
    actors_renewed_at: Mutex<Uuid>,
    /// From how many new changes on a snapshot is due; none: this process makes no snapshots.
    snapshot_changes_min: Option<usize>,
    is_any_due: Notify,
    keeps_copies: bool,
    is_any_let_go: Notify,
}

/// Organisation and session.
type SessionKey = (Uuid, Uuid);

/// Where a session's documents stand while nobody works on them. Boxed, for they are large and often moved.
type Place = tokio::sync::Mutex<Option<Box<WarmSession>>>;

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
        Self::Busy(busy.to_string())
    }
}

impl WarmDocuments {
    /// Documents that take about so much memory together; those in use come on top.
    pub fn new(memory_bytes_max: usize) -> Self {
        Self {
            slots: Mutex::new(Slots::new(memory_bytes_max)),
            actors_renewed_at: Mutex::default(),
            snapshot_changes_min: None,
            is_any_due: Notify::new(),
            keeps_copies: false,
            is_any_let_go: Notify::new(),
        }
    }

    /// Notes sessions whose snapshot is due, from so many changes on that the last one does not cover.
    #[must_use]
    pub fn with_snapshots(self, changes_min: usize) -> Self {
        Self { snapshot_changes_min: Some(changes_min), ..self }
    }

    /// Notes documents that are let go, and of which a copy is to be kept.
    #[must_use]
    pub fn with_copies(self) -> Self {
        Self { keeps_copies: true, ..self }
    }

    /// The actors that this process may write with.
    pub fn actors(&self, lineage: Lineage) -> ServerActors {
        ServerActors::of(lineage).not_before(*self.actors_renewed_at())
    }

    /// From now on this process writes with new actors, in every session. There are two causes: the database has lost changes, so that
    /// a number of an earlier actor might be given out twice; or late work that is not on record has taken a number.
    pub fn renew_actors(&self) {
        *self.actors_renewed_at() = Uuid::now_v7();
    }

    fn actors_renewed_at(&self) -> MutexGuard<'_, Uuid> {
        self.actors_renewed_at.lock().unwrap_or_else(PoisonError::into_inner)
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
        inspect: impl FnOnce(&SessionDocument) -> T + Send + 'static,
    ) -> Result<T, StorageError> {
        let mut lease = self.lease(organisation_id, session_id).await?;
        let mut session = lease.take();
        let seen = match session.record.refresh(on, organisation_id, session_id, Extent::Record).await {
            Ok(()) => session.record.inspect(inspect).await,
            Err(error) => Err(error),
        };
        lease.put_back(session);
        seen
    }

    /// What they are doing now.
    pub fn figures(&self) -> DocumentFigures {
        self.slots().figures()
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
    pub fn put_back(&mut self, session: Box<WarmSession>) {
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
        let memory_bytes = self.slot.as_mut().map_or(0, |session| session.measured_bytes());
        let is_copy_due = self.slot.as_ref().is_some_and(|session| session.record.is_copy_due());
        let mut slots = self.documents.slots();
        slots.returned(self.key, memory_bytes, is_copy_due && self.documents.keeps_copies);
        if !slots.let_go.is_empty() {
            self.documents.is_any_let_go.notify_one();
        }
    }
}
