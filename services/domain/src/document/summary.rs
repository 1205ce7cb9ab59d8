//! What lists show of a document, and what it would take to load it: kept beside the changes, so that nobody needs the document to know.

use std::cmp::Reverse;

use data_encoding::HEXLOWER;

use super::clock::VectorClock;
use super::copy::parts::{Reader, Writer};
use super::ids::{ActorId, ChangeHash};
use super::session::SessionDocument;

/// What lists show of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentSummary {
    /// What is merged, of the actors that wrote last: of [`DocumentSummary::ACTORS_TOLD_MAX`] at most.
    pub vector_clock: VectorClock,
    /// How many actors there are.
    pub actor_count: usize,
    /// The merged changes that no other depends on, sorted.
    pub heads: Vec<ChangeHash>,
    /// Items that are shown.
    pub item_count: usize,
    /// Changes on record that are held or quarantined.
    pub unmerged_count: usize,
    /// What the document takes.
    pub size: DocumentSize,
}

/// What a document takes, in as far as its changes tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DocumentSize {
    /// Changes on record.
    pub changes: usize,
    /// Operations of them.
    pub operations: usize,
    /// Bytes of them.
    pub change_bytes: usize,
    /// Memory of the index of them.
    pub index_bytes: usize,
    /// Actors that wrote them.
    pub actors: usize,
}

/// Memory of a change in the index, besides its operations and its bytes.
const CHANGE_BYTES: usize = 512;

/// Memory of an operation in the index.
const OPERATION_BYTES: usize = 128;

impl DocumentSize {
    /// What is to be expected of changes of which only this is known: that each has as many operations as its bytes have room for, as
    /// ordinary changes are written.
    #[must_use]
    pub fn of_changes(changes: usize, change_bytes: usize, actors: usize) -> Self {
        const WRITTEN_OPERATION_BYTES: usize = 16;
        let operations = changes.max(change_bytes / WRITTEN_OPERATION_BYTES);
        let index_bytes = changes * CHANGE_BYTES + operations * OPERATION_BYTES + change_bytes;
        Self { changes, operations, change_bytes, index_bytes, actors }
    }

    /// With more changes.
    #[must_use]
    pub fn and(self, more: Self) -> Self {
        Self {
            changes: self.changes + more.changes,
            operations: self.operations + more.operations,
            change_bytes: self.change_bytes + more.change_bytes,
            index_bytes: self.index_bytes + more.index_bytes,
            actors: self.actors + more.actors,
        }
    }

    /// What it takes to make the index from stored rows or a copy, besides the index: what is read stands in memory twice for a while, and
    /// a table that grows is there twice.
    #[must_use]
    pub fn loading_bytes(self) -> usize {
        self.index_bytes / 2 + 2 * (self.change_bytes + self.changes * 96)
    }

    /// What it takes to look at the document: its values, the operations that wrote them, and what is told of it as JSON, which is there
    /// twice while it grows.
    #[must_use]
    pub fn looking_bytes(self) -> usize {
        3 * self.change_bytes + self.operations * 160
    }

    /// What it takes to save it as Automerge does: Automerge's document with the changes that are being applied, the columns that it
    /// writes, and what comes of them.
    #[must_use]
    pub fn saving_bytes(self) -> usize {
        // Automerge keeps a clock for every sixteenth change.
        let clocks = self.changes / 16 * self.actors * 32;
        self.operations * 400 + self.changes * 768 + 6 * self.change_bytes + clocks
    }
}

impl DocumentSummary {
    /// How many actors the clock names at most.
    pub const ACTORS_TOLD_MAX: usize = 256;

    /// The summary of a document without changes.
    #[must_use]
    pub fn empty() -> Self {
        SessionDocument::empty().summary()
    }

    /// In bytes, to be stored.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.count(self.heads.len());
        self.heads.iter().for_each(|head| writer.hash(head));
        writer.count(self.vector_clock.len());
        for (actor, seq) in self.vector_clock.iter() {
            writer.bytes(&HEXLOWER.decode(actor.as_bytes()).unwrap_or_default());
            writer.wide(seq);
        }
        let size = &self.size;
        for number in [
            self.actor_count,
            self.item_count,
            self.unmerged_count,
            size.changes,
            size.operations,
            size.change_bytes,
            size.index_bytes,
        ] {
            writer.wide(number as u64);
        }
        writer.finish()
    }

    /// Reads [`Self::to_bytes`]; none of other bytes.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::of(bytes);
        let heads = (0..reader.count()?).map(|_| reader.hash()).collect::<Option<_>>()?;
        let told = reader.count()?;
        let actors = (0..told).map(|_| Some((ActorId::from(reader.bytes()?), reader.wide()?)));
        let vector_clock = VectorClock::of_known(actors.collect::<Option<Vec<_>>>()?.into_iter());
        let mut number = || usize::try_from(reader.wide()?).ok();
        let (actor_count, item_count, unmerged_count) = (number()?, number()?, number()?);
        let size = DocumentSize {
            changes: number()?,
            operations: number()?,
            change_bytes: number()?,
            index_bytes: number()?,
            actors: actor_count,
        };
        reader.is_at_end().then_some(Self {
            vector_clock,
            actor_count,
            heads,
            item_count,
            unmerged_count,
            size,
        })
    }
}

impl SessionDocument {
    /// What lists show of it. Takes as long as there are actors.
    #[must_use]
    pub fn summary(&self) -> DocumentSummary {
        DocumentSummary {
            vector_clock: self.last_written(DocumentSummary::ACTORS_TOLD_MAX),
            actor_count: self.history.actors().len(),
            heads: self.history.hashes(&self.history.heads()),
            item_count: self.item_count(),
            unmerged_count: self.unmerged.len(),
            size: self.size(),
        }
    }

    /// What it takes.
    #[must_use]
    pub fn size(&self) -> DocumentSize {
        DocumentSize {
            changes: self.history.change_count() + self.unmerged.len(),
            operations: self.history.operation_count() + self.unmerged.held_operations(),
            // Stored changes may be compressed.
            change_bytes: self.change_bytes.max(self.history.change_bytes()),
            index_bytes: self.history.whole_memory_bytes() + self.unmerged.memory_bytes(),
            actors: self.history.actors().len(),
        }
    }

    /// The clock of so many actors, those that wrote last.
    fn last_written(&self, most: usize) -> VectorClock {
        let mut actors: Vec<_> = self.history.actors().iter().collect();
        if actors.len() > most {
            actors.select_nth_unstable_by_key(most, |actor| Reverse(actor.changes.last()));
            actors.truncate(most);
        }
        VectorClock::of_known(actors.into_iter().map(|actor| (actor.id.clone(), actor.last_seq.into())))
    }
}
