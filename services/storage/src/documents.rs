//! Session documents that a process keeps in memory, brought up to date from the database before each use.
//!
//! One task at a time works on a session's documents, under a [`Lease`]. It *takes* them and puts them back once it knows
//! that they say what the database says; if it fails in between, is cancelled or panics, they are simply gone.

mod actors;
mod additions;
mod condensing;
mod copies;
mod reading;
mod room;
mod slots;
mod uses;
mod warm;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedMutexGuard};
use uuid::Uuid;

pub use self::actors::ServerActors;
pub use self::additions::{Additions, AdditionsRefusal};
pub use self::reading::{Needs, refuse_too_large};
pub use self::room::Room;
use self::slots::Slots;
pub use self::warm::{Extent, Submission, Unread, WarmDocument, WarmSession};
use crate::changes::ReadUpTo;
use crate::{Lineage, StorageError};

/// A request waits this long for those before it on the same session.
const LEASE_SECONDS_MAX: u64 = 20;

/// The documents that are worth their memory, see `slots`.
#[derive(Debug)]
pub struct WarmDocuments {
    slots: Mutex<Slots>,
    /// Actors from before this moment are not gone on with: the database had lost changes then.
    actors_renewed_at: Mutex<Uuid>,
    /// From how many new changes on a copy of a document in memory is due.
    copy_changes_min: usize,
    /// Is what is kept for work alone, and for nobody to read?
    condenses: bool,
    is_any_copy_due: Notify,
    is_any_freed: Notify,
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
    /// Memory that was taken for what is under way, in bytes.
    pub work_bytes: usize,
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
    /// Documents that stay in memory take about so much of it together, and with those that are read no more than the second bound.
    /// Copies of them are kept, of those that stay from so many new changes on.
    pub fn new(memory_bytes_max: usize, work_bytes_max: usize, copy_changes_min: usize) -> Self {
        Self {
            slots: Mutex::new(Slots::new(memory_bytes_max, work_bytes_max)),
            actors_renewed_at: Mutex::default(),
            copy_changes_min,
            condenses: false,
            is_any_copy_due: Notify::new(),
            is_any_freed: Notify::new(),
        }
    }

    /// The same for a process that writes and does not read: where memory becomes scarce, its documents keep only what new work asks for.
    #[must_use]
    pub fn for_work_alone(self) -> Self {
        Self { condenses: true, ..self }
    }

    /// True where documents are to be condensed, because most of the memory for them is taken.
    pub fn is_to_condense(&self) -> bool {
        self.condenses && self.slots().is_tight()
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

    /// What they are doing now.
    pub fn figures(&self) -> DocumentFigures {
        self.slots().figures()
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
        if session.record.is_copy_due_from(self.documents.copy_changes_min) {
            self.documents.slots().note_due(self.key);
        }
        *self.slot = Some(session).filter(|session| session.is_loaded());
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let memory_bytes = self.slot.as_ref().map_or(0, |session| session.memory_bytes());
        let is_copy_due = self.slot.as_ref().is_some_and(|session| session.record.is_copy_due());
        let mut slots = self.documents.slots();
        slots.returned(self.key, memory_bytes, is_copy_due);
        if slots.is_any_copy_due() {
            self.documents.is_any_copy_due.notify_one();
        }
        drop(slots);
        self.documents.is_any_freed.notify_waiters();
    }
}
