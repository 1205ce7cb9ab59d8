//! The documents of one session.

use firemode_domain::document::{
    ChangeHash, Entry, Limits, Prepared, Provenance, RecordedChange, Refusal, SessionDocument, VectorClock,
};
use time::OffsetDateTime;
use uuid::Uuid;

use super::actors::ServerActors;
use crate::changes::{self, ReadUpTo, StoredChange, change_hash};
use crate::{Executor, Lineage, StorageError, session_snapshots};

/// A session's documents.
#[derive(Debug, Default)]
pub struct WarmSession {
    /// What is on record.
    pub record: WarmDocument,
    /// The same with the late work that waits for a decision: further late work builds on that. Only a completed session has one.
    pub with_late: WarmDocument,
    measured: Measured,
}

/// What the documents took when that was last worked out.
#[derive(Debug, Default)]
struct Measured {
    change_count: usize,
    memory_bytes: usize,
}

impl WarmSession {
    /// Makes sure that they are of this lineage. A database that is another one may have lost some of what they have.
    pub fn enter(&mut self, lineage: Lineage) {
        if !(self.record.may_be_of(lineage) && self.with_late.may_be_of(lineage)) {
            *self = Self::default();
        }
    }

    /// Lets go of the document with late work, if there is one.
    pub fn forget_late(&mut self) {
        if self.with_late.is_loaded() {
            self.with_late = WarmDocument::default();
        }
    }

    /// The document that a user's work goes to, and the actors to write with there. Late work has its own: on record nobody knows its
    /// numbers until it is accepted, and they would be given out again.
    pub fn for_work(
        &mut self,
        is_late: bool,
        user_id: Uuid,
        actors: &ServerActors,
    ) -> (&mut WarmDocument, ServerActors) {
        match is_late {
            true => (&mut self.with_late, actors.but(self.record.document.actors_of_user(user_id))),
            false => (&mut self.record, actors.clone()),
        }
    }

    pub(super) fn is_loaded(&self) -> bool {
        self.record.is_loaded()
    }

    /// What they take, in bytes. It means a look at every change, and is worked out again where they have grown or shrunk by a
    /// sixteenth.
    pub fn measured_bytes(&mut self) -> usize {
        let documents = [&self.record.document, &self.with_late.document];
        let change_count: usize = documents.iter().map(|document| document.change_count()).sum();
        let measured = self.measured.change_count;
        if self.measured.memory_bytes == 0 || change_count.abs_diff(measured) * 16 > measured {
            let memory_bytes = documents.iter().map(|document| document.memory_bytes_estimate()).sum();
            self.measured = Measured { change_count, memory_bytes };
        }
        self.measured.memory_bytes
    }
}

/// One document, and how far it has been read.
#[derive(Debug, Default)]
pub struct WarmDocument {
    pub(super) document: SessionDocument,
    pub(super) read_up_to: Option<ReadUpTo>,
    /// How many changes the stored snapshot was made from, as far as is known here.
    pub(super) covered: usize,
    /// The same of the stored copy.
    pub(super) copied: usize,
}

/// Which changes a document is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Those on record.
    Record,
    /// Those, and late ones that wait for a decision. What was rejected never gets on record, and neither would what builds on it.
    WithLate,
}

/// What a client sent.
#[derive(Debug, Clone)]
pub struct Submission {
    /// Changes and operations.
    pub entries: Vec<Entry>,
    /// What the client had seen.
    pub seen: Option<VectorClock>,
    /// Who sends it.
    pub user_id: Uuid,
}

impl WarmDocument {
    /// The document as it is.
    pub fn document(&self) -> &SessionDocument {
        &self.document
    }

    pub(super) fn is_loaded(&self) -> bool {
        self.read_up_to.is_some()
    }

    /// How far it has been read, if it is loaded.
    pub fn read_up_to(&self) -> Option<&ReadUpTo> {
        self.read_up_to.as_ref()
    }

    /// Takes in what the database has and this document has not.
    ///
    /// # Errors
    /// The database does not answer, and the document stays as it was; or the work panicked, and the document is empty, to be
    /// loaded again.
    pub async fn refresh(
        &mut self,
        on: &impl Executor,
        organisation_id: Uuid,
        session_id: Uuid,
        extent: Extent,
    ) -> Result<(), StorageError> {
        if extent == Extent::WithLate {
            self.forget_rejected(on, organisation_id, session_id).await?;
        }
        if self.is_loaded() {
            let (rows, up_to) = self.read_unseen(on, organisation_id, session_id, extent).await?;
            if self.may_be_of(up_to.lineage) {
                return self.take_in(rows, up_to).await;
            }
            *self = Self::default();
        }
        // Before the changes, so that these have all that it was made from.
        if let Some(snapshot) = session_snapshots::find(on, organisation_id, session_id).await? {
            let (rows, up_to) = self.read_unseen(on, organisation_id, session_id, extent).await?;
            if self.work(move |warm| warm.begin(rows, up_to, &snapshot)).await?? {
                return Ok(());
            }
            tracing::warn!(%session_id, "the stored snapshot is damaged or not of this record: it is ignored, and made again");
        }
        let (rows, up_to) = self.read_unseen(on, organisation_id, session_id, extent).await?;
        self.take_in(rows, up_to).await
    }

    /// A document that has what was rejected since it was read is no use any more.
    async fn forget_rejected(
        &mut self,
        on: &impl Executor,
        organisation_id: Uuid,
        session_id: Uuid,
    ) -> Result<(), StorageError> {
        if self.is_loaded() {
            let rejected = changes::rejected(on, organisation_id, session_id).await?;
            if rejected.iter().any(|hash| self.document.contains(hash)) {
                *self = Self::default();
            }
        }
        Ok(())
    }

    /// False where it was read in another history of the database, which may have lost some of what it has.
    pub(super) fn may_be_of(&self, lineage: Lineage) -> bool {
        self.read_up_to.as_ref().is_none_or(|known| known.lineage == lineage)
    }

    async fn read_unseen(
        &self,
        on: &impl Executor,
        organisation_id: Uuid,
        session_id: Uuid,
        extent: Extent,
    ) -> Result<(Vec<StoredChange>, ReadUpTo), StorageError> {
        let since = self.read_up_to.as_ref();
        match extent {
            Extent::Record => changes::read(on, organisation_id, session_id, since).await,
            Extent::WithLate => changes::read_with_late(on, organisation_id, session_id, since).await,
        }
    }

    /// As [`Self::catch_up`], on a thread for such work.
    pub(super) async fn take_in(
        &mut self,
        rows: Vec<StoredChange>,
        up_to: ReadUpTo,
    ) -> Result<(), StorageError> {
        if rows.is_empty() {
            self.read_up_to = Some(up_to);
            return Ok(());
        }
        self.work(move |warm| warm.catch_up(rows, up_to)).await?
    }

    /// Takes in rows that were read from the database, all there were up to a point. May take long.
    ///
    /// # Errors
    /// A row does not read as what was written; the document stays as it was.
    pub fn catch_up(&mut self, rows: Vec<StoredChange>, up_to: ReadUpTo) -> Result<(), StorageError> {
        let mut unseen = rows.into_iter().map(recorded).collect::<Result<Vec<_>, _>>()?;
        unseen.retain(|change| !self.document.contains(&change.hash));
        if !unseen.is_empty() {
            self.document.integrate(unseen);
        }
        self.read_up_to = Some(up_to);
        Ok(())
    }

    /// Checks what a client sent and works out what to store. The document stays as it is. May take long.
    ///
    /// # Errors
    /// The refusal is for the client.
    pub fn prepare(
        &mut self,
        submission: Submission,
        limits: &Limits,
        actors: &ServerActors,
    ) -> Result<Prepared, Refusal> {
        let Submission { entries, seen, user_id } = submission;
        let document = &mut self.document;
        actors.as_writer(user_id, |writer| document.prepare(entries, seen.as_ref(), writer, limits))
    }

    /// Takes in what was prepared last, but for some changes that stay apart. That comes before the commit, so that the next
    /// request can be prepared on top of it: the document must be dropped if the commit does not happen. May take long.
    pub fn adopt(&mut self, prepared: &Prepared, received_at: OffsetDateTime, apart: &[Vec<u8>]) {
        let is_apart = |hash: &ChangeHash| apart.iter().any(|apart| apart == hash.as_ref());
        self.document.adopt_where(prepared, received_at, |hash| !is_apart(hash));
    }

    /// Looks at the document on a thread for such work.
    ///
    /// # Errors
    /// The work panicked; the document is then empty, to be loaded again.
    pub async fn inspect<T: Send + 'static>(
        &mut self,
        inspect: impl FnOnce(&SessionDocument) -> T + Send + 'static,
    ) -> Result<T, StorageError> {
        self.work(move |warm| inspect(&warm.document)).await
    }

    /// Works where it holds nobody up. Until it is done, and for good if it panics, an empty document stands in its place.
    pub(super) async fn work<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Self) -> T + Send + 'static,
    ) -> Result<T, StorageError> {
        let mut taken = std::mem::take(self);
        let done = tokio::task::spawn_blocking(move || {
            let result = work(&mut taken);
            (taken, result)
        });
        let (warm, result) =
            done.await.map_err(|error| StorageError::Damaged(format!("a session document: {error}")))?;
        *self = warm;
        Ok(result)
    }
}

pub(super) fn recorded(row: StoredChange) -> Result<RecordedChange, StorageError> {
    let hash = change_hash(&row.hash)?;
    let provenance = Provenance { user_id: row.user_id, device: row.device, received_at: row.received_at };
    Ok(RecordedChange { hash, bytes: row.bytes, provenance })
}
