//! The document of one session: merged changes, held ones, quarantined ones.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use automerge::{Automerge, Change, ChangeHash};
use time::OffsetDateTime;
use uuid::Uuid;

use super::change::{Provenance, RecordedChange};
use super::clock::VectorClock;
use super::history::History;
use super::merged::MergedDocument;
use super::prepare::Prepared;
use super::refusal::ChangeFault;
use super::unmerged::{Held, Unmerged, held_of};

/// The document of one session.
///
/// Taking in changes costs the same however long the history is; the Automerge document is brought up to date
/// when something is read that the index of the changes cannot answer. It is never in a half-applied state, and
/// no input makes it panic.
#[derive(Debug, Default)]
pub struct SessionDocument {
    pub(super) merged: Mutex<MergedDocument>,
    pub(super) history: History,
    pub(super) unmerged: Unmerged,
    /// Ids of operations that were written down: user, device, id.
    pub(super) operation_ids: HashSet<(Uuid, String, String)>,
    /// Bytes of all changes, held and quarantined ones included.
    pub(super) change_bytes: usize,
    /// The items, as they were counted last.
    pub(super) counted_items: Mutex<CountedItems>,
}

/// How many items are shown of so many changes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CountedItems {
    pub(super) changes: usize,
    pub(super) items: usize,
}

/// A change that is kept but not merged, because it would damage the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// The hash it is stored under.
    pub hash: ChangeHash,
    /// Who brought it.
    pub provenance: Provenance,
    /// Why it is not merged.
    pub fault: ChangeFault,
}

impl SessionDocument {
    /// A document without changes.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Takes in what was prepared, once it is stored.
    ///
    /// It may also be called before the commit, so that several requests can be prepared on top of each
    /// other for one commit; if that fails, this document must be dropped and built again from the store.
    pub fn adopt(&mut self, prepared: &Prepared, received_at: OffsetDateTime) {
        self.adopt_where(prepared, received_at, |_| true);
    }

    /// True when a change with this hash is merged, held or quarantined.
    #[must_use]
    pub fn contains(&self, hash: &ChangeHash) -> bool {
        self.history.find(hash).is_some() || self.unmerged.contains(hash)
    }

    /// True when an operation of this user and device with this id was written down before.
    #[must_use]
    pub fn knows_operation(&self, user_id: Uuid, device: &str, op_id: &str) -> bool {
        self.operation_ids.contains(&(user_id, device.to_owned(), op_id.to_owned()))
    }

    /// What the merged document has seen.
    #[must_use]
    pub fn vector_clock(&self) -> VectorClock {
        let actors = self.history.actors().iter();
        VectorClock::of_known(actors.map(|actor| (actor.id.clone(), actor.last_seq.into())))
    }

    /// The hashes of the merged changes that no other depends on, in hex, sorted.
    #[must_use]
    pub fn heads(&self) -> Vec<String> {
        self.history.hashes(&self.history.heads()).iter().map(ChangeHash::to_string).collect()
    }

    /// Changes that wait for dependencies, by hash.
    #[must_use]
    pub fn held(&self) -> Vec<Held> {
        self.unmerged.held.values().map(|pending| self.held_of(&pending.change)).collect()
    }

    /// A change that waits for dependencies, by its hash.
    #[must_use]
    pub fn held_change(&self, hash: &ChangeHash) -> Option<Held> {
        self.unmerged.held.get(hash).map(|pending| self.held_of(&pending.change))
    }

    /// How a change that is held is shown.
    pub(super) fn held_of(&self, change: &Change) -> Held {
        held_of(change, &self.history, |dep| self.unmerged.contains(dep))
    }

    /// Changes that are kept but not merged, by hash.
    #[must_use]
    pub fn quarantined(&self) -> Vec<Quarantined> {
        let describe = |(record, fault): &(RecordedChange, ChangeFault)| Quarantined {
            hash: record.hash,
            provenance: record.provenance.clone(),
            fault: fault.clone(),
        };
        self.unmerged.quarantined().map(describe).collect()
    }

    /// True when changes wait for others, or are kept apart.
    #[must_use]
    pub fn has_unmerged(&self) -> bool {
        !self.unmerged.is_empty()
    }

    /// The number of merged changes.
    #[must_use]
    pub fn change_count(&self) -> usize {
        self.history.change_count()
    }

    /// The number of operations of the merged changes.
    #[must_use]
    pub fn operation_count(&self) -> usize {
        self.history.operation_count()
    }

    /// The merged document in Automerge's format, compressed. Held and quarantined changes are not in it.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        self.read(Automerge::save)
    }

    /// True when saved bytes load again as exactly this document.
    #[must_use]
    pub fn is_sound_save(&self, bytes: &[u8]) -> bool {
        let loaded = catch_unwind(AssertUnwindSafe(|| Automerge::load(bytes)));
        matches!(loaded, Ok(Ok(loaded)) if loaded.get_heads() == self.read(Automerge::get_heads))
    }

    /// A rough figure for the memory that this document takes, in bytes.
    #[must_use]
    pub fn memory_bytes_estimate(&self) -> usize {
        let merged = self.merged.lock().unwrap_or_else(PoisonError::into_inner);
        let document = if merged.applied() > 0 { self.automerge_bytes_estimate() } else { 0 };
        document + self.history.memory_bytes() + self.unmerged.memory_bytes()
    }

    fn automerge_bytes_estimate(&self) -> usize {
        // Automerge's columns and indexes take some 64 bytes for an operation and 512 for a change, and it
        // keeps a clock over all actors for every sixteenth change.
        let clocks = self.history.len() / 16 * self.history.actors().len() * size_of::<u64>();
        self.history.operation_count() * 64 + self.history.len() * 512 + clocks
    }

    /// Is the Automerge document made, but for changes that came since?
    pub(super) fn is_merged_at_hand(&self) -> bool {
        let merged = self.merged.lock().unwrap_or_else(PoisonError::into_inner);
        merged.applied() > self.history.len() / 2
    }

    /// Reads the Automerge document.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Automerge) -> T) -> T {
        let mut merged = self.merged.lock().unwrap_or_else(PoisonError::into_inner);
        read(merged.up_to(&self.history, self.history.len()))
    }

    pub(super) fn merged_mut(&mut self) -> &mut MergedDocument {
        self.merged.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}
