//! What a device was told is stored.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts of one device's changes that were acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// The device's actor, in hex, under which its Automerge changes are stored.
    pub(crate) actor: String,
    /// Changes that the session had before any device wrote.
    pub(crate) changes_before: u64,
    sent: AtomicU64,
    changes: Acknowledged,
    operations: Acknowledged,
}

/// Those of one kind.
#[derive(Debug, Default)]
struct Acknowledged {
    count: AtomicU64,
    /// The number that the newest of them carries.
    last: AtomicU64,
}

impl Record {
    pub(crate) fn of(actor: &str, changes_before: u64) -> Self {
        Self { actor: actor.to_owned(), changes_before, ..Self::default() }
    }

    /// A number that no other change of this device carries, above all before.
    pub(crate) fn next(&self) -> u64 {
        self.sent.fetch_add(1, Relaxed) + 1
    }

    /// So many Automerge changes were acknowledged; the newest carries the number that was given last.
    pub(crate) fn note_changes(&self, count: u64) {
        self.changes.note(count, self.sent.load(Relaxed));
    }

    /// An operation was acknowledged that carries the number that was given last.
    pub(crate) fn note_operation(&self) {
        self.operations.note(1, self.sent.load(Relaxed));
    }

    pub(crate) fn changes(&self) -> u64 {
        self.changes.count.load(Relaxed)
    }

    pub(crate) fn operations(&self) -> u64 {
        self.operations.count.load(Relaxed)
    }

    /// The number of the newest acknowledged change; 0 without any.
    pub(crate) fn last_change(&self) -> u64 {
        self.changes.last.load(Relaxed)
    }

    /// The number of the newest acknowledged operation; 0 without any.
    pub(crate) fn last_operation(&self) -> u64 {
        self.operations.last.load(Relaxed)
    }
}

impl Acknowledged {
    fn note(&self, count: u64, last: u64) {
        self.count.fetch_add(count, Relaxed);
        self.last.store(last, Relaxed);
    }
}
