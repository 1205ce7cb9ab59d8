//! Bounds on what one request, one change and one document may cost.

use super::clock::VectorClock;

/// Bounds on what one request, one change and one document may cost. Every figure is inclusive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Entries (changes and operations) in one request.
    pub request_entries_max: usize,
    /// Bytes of all changes and operations of one request, before anything is inflated.
    pub request_bytes_max: usize,
    /// Operations of all changes of one request, those that become of its JSON operations included: some 400 bytes each while they
    /// are merged.
    pub request_operations_max: usize,
    /// Bytes of one change, both as sent and inflated.
    pub change_bytes_max: usize,
    /// Operations in one change.
    pub change_operations_max: usize,
    /// Bytes of keys and values in one change with repetitions written out: a column of a change stores a
    /// repeated key once, the document stores it each time.
    pub change_expanded_bytes_max: usize,
    /// Bytes of all changes of a document, held ones included.
    pub document_bytes_max: usize,
    /// Operations of all changes of a document, held ones included.
    pub document_operations_max: usize,
    /// Memory of a document in bytes: of its index with the changes, held ones included.
    pub document_memory_max: usize,
    /// Actors of a document. A vector clock can name them all.
    pub document_actors_max: usize,
    /// Changes of a document that may wait for a dependency at the same time: all that a device makes in years without its first one, and
    /// about a kilobyte of memory each.
    pub held_changes_max: usize,
    /// Before a client's changes are accepted they are applied on trial, and the result is saved and loaded.
    /// The trial uses a copy of a document that has at most this many operations, and otherwise a miniature
    /// that has as much of it as the changes name.
    pub trial_save_operations_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_entries_max: 1_000,
            request_bytes_max: 8 << 20,
            request_operations_max: 250_000,
            change_bytes_max: 1 << 20,
            change_operations_max: 100_000,
            change_expanded_bytes_max: 16 << 20,
            document_bytes_max: 64 << 20,
            document_operations_max: 1_000_000,
            document_memory_max: 100 << 20,
            document_actors_max: VectorClock::ENTRIES_MAX,
            held_changes_max: 100_000,
            trial_save_operations_max: 1_000,
        }
    }
}

impl Limits {
    /// What a stored change is read with. Stored changes were accepted under the limits of their day, so
    /// these are wide; they only keep a damaged row from exhausting memory.
    pub(super) fn of_stored_changes() -> Self {
        Self {
            change_bytes_max: 64 << 20,
            change_operations_max: 1_000_000,
            change_expanded_bytes_max: 256 << 20,
            ..Self::default()
        }
    }
}

/// How deep objects may nest in a document. Reading a document recurses, so depth is bounded.
pub(super) const OBJECT_DEPTH_MAX: u8 = 64;

/// The largest operation counter. Automerge 0.12 keeps counters in 32 bits.
pub(super) const OPERATION_COUNTER_MAX: u32 = i32::MAX as u32;

/// How far a change's first operation counter may lie above the highest counter that the change has seen.
/// Libraries use the highest counter of the whole document, so a gap is normal; an unbounded one would let
/// one change use up all counters of a session.
pub(super) const OPERATION_COUNTER_GAP_MAX: u32 = 1_000_000;

/// The largest magnitude of a counter's start. Together with all increments that a document can hold it cannot overflow.
pub(super) const COUNTER_START_MAX: u64 = 1 << 62;

/// The largest magnitude of one increment of a counter.
pub(super) const COUNTER_STEP_MAX: u64 = 1 << 42;

/// The furthest time from 1970 that a change may state, in seconds: what every JSON library can write as a number.
pub(super) const TIME_SECONDS_MAX: u64 = 1 << 53;
