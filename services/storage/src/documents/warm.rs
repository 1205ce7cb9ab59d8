//! The documents of one session.

use firemode_domain::document::{
    ChangeHash, Entry, Limits, Prepared, Provenance, RecordedChange, Refusal, SessionDocument, VectorClock,
};
use time::OffsetDateTime;
use uuid::Uuid;

use super::actors::ServerActors;
use crate::changes::{self, ReadUpTo, StoredChange, change_hash};
use crate::session_copies::{self, StoredCopy};
use crate::{Executor, Lineage, StorageError, Transaction};

/// A session's documents.
#[derive(Debug, Default)]
pub struct WarmSession {
    /// What is on record.
    pub record: WarmDocument,
    /// The same with the late work that waits for a decision: further late work builds on that. Only a completed session has one.
    pub with_late: WarmDocument,
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

    /// What they take, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.record.document.memory_bytes_estimate() + self.with_late.document.memory_bytes_estimate()
    }
}

/// One document, and how far it has been read.
#[derive(Debug, Default)]
pub struct WarmDocument {
    pub(super) document: SessionDocument,
    pub(super) read_up_to: Option<ReadUpTo>,
    /// How many merged changes the stored copy has, as far as is known here.
    pub(super) copied: usize,
    /// It was to be condensed, and all of it has to stay.
    pub(super) stays_whole: bool,
}

/// What a document has yet to take in: rows of the record, and the copy that they are read behind.
#[derive(Debug)]
pub struct Unread {
    session_id: Uuid,
    copy: Option<StoredCopy>,
    rows: Vec<StoredChange>,
    up_to: ReadUpTo,
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
    /// What is on record of a session, read for one use; by a transaction that has written it, with what it has not committed.
    ///
    /// # Errors
    /// As for [`Self::refresh`].
    pub async fn of_record(
        on: &impl Executor,
        organisation_id: Uuid,
        session_id: Uuid,
        lineage: Lineage,
    ) -> Result<Self, StorageError> {
        let mut document = Self::default();
        document.refresh(on, organisation_id, session_id, Extent::Record, Some(lineage)).await?;
        Ok(document)
    }

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

    /// Takes in what the database has and this document has not. One that knows nothing yet goes on from the session's copy, if it is
    /// of this lineage.
    ///
    /// # Errors
    /// The database does not answer, and the document stays as it was; or the work panicked, and the document is empty, to be
    /// read again.
    pub async fn refresh(
        &mut self,
        on: &impl Executor,
        organisation_id: Uuid,
        session_id: Uuid,
        extent: Extent,
        copy_of: Option<Lineage>,
    ) -> Result<(), StorageError> {
        if extent == Extent::WithLate {
            self.forget_rejected(on, organisation_id, session_id).await?;
        }
        for copy_of in [copy_of, None] {
            let unread = self.fetch(on, organisation_id, session_id, extent, copy_of).await?;
            if self.take_in(unread).await? {
                break;
            }
        }
        Ok(())
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

    /// Reads what the database has and this document has not. Where the database is another one by now, the document is empty afterwards.
    ///
    /// # Errors
    /// The database does not answer.
    pub(super) async fn fetch(
        &mut self,
        on: &impl Executor,
        organisation_id: Uuid,
        session_id: Uuid,
        extent: Extent,
        copy_of: Option<Lineage>,
    ) -> Result<Unread, StorageError> {
        let copy = match copy_of.filter(|_| !self.is_loaded()) {
            Some(lineage) => session_copies::find(on, organisation_id, session_id, lineage).await?,
            None => None,
        };
        let read = async |since: Option<&ReadUpTo>| match extent {
            Extent::Record => changes::read(on, organisation_id, session_id, since).await,
            Extent::WithLate => changes::read_with_late(on, organisation_id, session_id, since).await,
        };
        let since = self.read_up_to.as_ref().or(copy.as_ref().map(|copy| &copy.read_up_to));
        let (rows, up_to) = read(since).await?;
        if since.is_none_or(|since| since.lineage == up_to.lineage) {
            return Ok(Unread { session_id, copy, rows, up_to });
        }
        *self = Self::default();
        let (rows, up_to) = read(None).await?;
        Ok(Unread { session_id, copy: None, rows, up_to })
    }

    /// Takes in what was read, on a thread for such work. False where the copy is damaged, and nothing is taken in.
    ///
    /// # Errors
    /// The work panicked, and the document is empty, to be read again; or a row does not read as what was written.
    pub(super) async fn take_in(&mut self, unread: Unread) -> Result<bool, StorageError> {
        let Unread { session_id, copy, rows, up_to } = unread;
        if rows.is_empty() && copy.is_none() {
            self.read_up_to = Some(up_to);
            return Ok(true);
        }
        let take_in = move |warm: &mut Self| {
            if let Some(copy) = copy {
                let Some(document) = copy.document() else { return Ok(false) };
                (warm.document, warm.copied) = (document, copy.change_count);
            }
            warm.catch_up(rows, up_to).map(|()| true)
        };
        let is_taken = self.work(take_in).await??;
        if !is_taken {
            tracing::warn!(%session_id, "the stored copy is damaged: it is ignored, and made again");
        }
        Ok(is_taken)
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
        self.refresh(tx, organisation_id, session_id, Extent::Record, None).await
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

fn recorded(row: StoredChange) -> Result<RecordedChange, StorageError> {
    let hash = change_hash(&row.hash)?;
    let provenance = Provenance { user_id: row.user_id, device: row.device, received_at: row.received_at };
    Ok(RecordedChange { hash, bytes: row.bytes, provenance })
}
