//! Documents of which only the part is in memory that new work asks for, so that they do not grow with the record.

use std::sync::PoisonError;

use super::clock::VectorClock;
use super::history::NodeId;
use super::merged::MergedDocument;
use super::operation::Entry;
use super::session::{CountedItems, SessionDocument};

impl SessionDocument {
    /// Leaves out what only those ask for who have not seen all but so many changes, the last ones. False for a document that stays whole:
    /// something waits there or is quarantined, or more than scalars were replaced.
    pub fn condense(&mut self, last_changes: usize) -> bool {
        if self.has_unmerged() {
            return false;
        }
        let items = self.item_count();
        if !self.history.condense(last_changes) {
            return false;
        }
        *self.merged_mut() = MergedDocument::default();
        *self.counted_items.get_mut().unwrap_or_else(PoisonError::into_inner) =
            CountedItems { changes: self.history.len(), items };
        true
    }

    /// How many changes it has in memory.
    #[must_use]
    pub fn change_count_in_memory(&self) -> usize {
        self.history.len()
    }

    /// True for one that cannot be read, copied or given changes that devices made: only [`Self::can_take`] says what it is good for.
    #[must_use]
    pub fn is_condensed(&self) -> bool {
        self.history.is_condensed()
    }

    /// Can such work be prepared on this document? A condensed one takes JSON operations of those who have seen what it left out.
    #[must_use]
    pub fn can_take(&self, entries: &[Entry], seen: Option<&VectorClock>) -> bool {
        if !self.is_condensed() {
            return true;
        }
        let are_operations = entries.iter().all(|entry| matches!(entry, Entry::Operation(_)));
        are_operations && seen.is_none_or(|seen| seen.is_empty() || self.has_seen_left_out(seen))
    }

    fn has_seen_left_out(&self, seen: &VectorClock) -> bool {
        let nodes: Option<Vec<NodeId>> = seen.iter().map(|entry| self.history.change_named(entry)).collect();
        nodes.is_some_and(|nodes| self.history.covers_left_out(&self.history.clock_of(&nodes)))
    }
}
