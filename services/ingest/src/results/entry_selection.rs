//! What is left of a request without the operations that are stored already, but not on record.

use std::collections::HashSet;

use firemode_domain::document::{Entry, Operation};
use firemode_storage::documents::Submission;
use firemode_storage::{StorageError, Transaction, changes};
use uuid::Uuid;

/// Which entries of a request are to be merged.
#[derive(Debug)]
pub(super) struct EntrySelection {
    /// Where each of them stands in the request.
    positions: Vec<usize>,
    /// Operations that are stored as late work: a manager decides on them, sent again or not.
    pub(super) late: usize,
}

impl EntrySelection {
    /// The whole request.
    pub(super) fn all(submission: &Submission) -> (Submission, Self) {
        let positions = (0..submission.entries.len()).collect();
        (submission.clone(), Self { positions, late: 0 })
    }

    /// The request without operations whose ids stand with late changes.
    pub(super) async fn without_late(
        tx: &Transaction,
        organisation_id: Uuid,
        session_id: Uuid,
        submission: &Submission,
    ) -> Result<(Submission, Self), StorageError> {
        let user_id = submission.user_id;
        let named: Vec<(&str, &str)> = submission.entries.iter().filter_map(name_of).collect();
        let late = changes::operations_apart(tx, organisation_id, session_id, user_id, &named).await?;
        let late: HashSet<(&str, &str)> = late.iter().map(|(device, op_id)| (&**device, &**op_id)).collect();
        let is_late = |entry: &Entry| name_of(entry).is_some_and(|name| late.contains(&name));
        let left = submission.entries.iter().enumerate().filter(|(_, entry)| !is_late(entry));
        let (positions, entries): (Vec<usize>, Vec<Entry>) =
            left.map(|(position, entry)| (position, entry.clone())).unzip();
        let late = submission.entries.len() - entries.len();
        let left = Submission { entries, seen: submission.seen.clone(), user_id };
        Ok((left, Self { positions, late }))
    }

    /// The place in the request of an entry that is left.
    pub(super) fn position_of(&self, index: usize) -> usize {
        self.positions.get(index).copied().unwrap_or(index)
    }
}

/// Device and id of an operation that has one.
fn name_of(entry: &Entry) -> Option<(&str, &str)> {
    match entry {
        Entry::Operation(Operation { actor_id, op_id: Some(op_id), .. }) => Some((actor_id, op_id)),
        _ => None,
    }
}
