//! Documents that keep only what new work asks for, where memory becomes scarce: then what they take does not grow with the record, and
//! many more of them stay in memory.

use super::{Submission, WarmDocument, WarmSession};

/// A condensed document has so many changes at least, the last ones. Whoever has not seen the others waits until a whole one is read.
const LAST_CHANGES: usize = 128;

/// With fewer it is not worth it.
const CHANGES_MIN: usize = 4 * LAST_CHANGES;

impl WarmSession {
    /// Leaves out of memory what new work does not ask for, unless a copy of the whole document is due. May take as long as a document has
    /// changes in memory.
    pub fn condense_unless_due(&mut self, copy_changes_min: usize) {
        if !self.record.is_copy_due_from(copy_changes_min) {
            self.condense();
        }
    }

    pub(super) fn condense(&mut self) {
        self.record.condense();
    }

    /// Can this work be done with the documents as they are? Late work and changes from other processes ask for whole ones.
    pub fn can_take<'a>(
        &self,
        submissions: impl IntoIterator<Item = &'a Submission>,
        is_more_expected: bool,
    ) -> bool {
        let document = &self.record.document;
        let takes =
            |submission: &Submission| document.can_take(&submission.entries, submission.seen.as_ref());
        !document.is_condensed() || (!is_more_expected && submissions.into_iter().all(takes))
    }
}

impl WarmDocument {
    fn condense(&mut self) {
        let is_worth_it = self.is_loaded() && self.document.change_count_in_memory() >= CHANGES_MIN;
        if is_worth_it && !self.stays_whole {
            self.stays_whole = !self.document.condense(LAST_CHANGES);
        }
    }
}
