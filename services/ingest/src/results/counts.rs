//! What became of changes, counted.

use firemode_domain::document::{Prepared, SessionDocument, Standing};
use metrics::{counter, describe_counter};

const CHANGES: &str = "firemode_results_changes_total";

/// New changes of one request, by what became of them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ChangeCounts {
    merged: u64,
    held: u64,
    quarantined: u64,
    late: u64,
}

impl ChangeCounts {
    /// Those of a request that the session has taken in.
    pub(super) fn of(record: &SessionDocument, prepared: &Prepared) -> Self {
        let mut counts = Self::default();
        for change in &prepared.changes {
            let place = match record.standing_of(&change.hash) {
                Standing::Merged => &mut counts.merged,
                Standing::Held => &mut counts.held,
                Standing::Quarantined => &mut counts.quarantined,
                Standing::Apart => &mut counts.late,
            };
            *place += 1;
        }
        counts
    }

    /// Counts them: they are stored.
    pub(super) fn note(self) {
        let Self { merged, held, quarantined, late } = self;
        for (standing, count) in
            [("merged", merged), ("held", held), ("quarantined", quarantined), ("late", late)]
        {
            counter!(CHANGES, "standing" => standing).increment(count);
        }
    }
}

/// Says what the figures of this file are, and has each from the beginning.
pub(crate) fn describe() {
    describe_counter!(
        CHANGES,
        "Changes that were stored, by their standing then: merged, held, quarantined or late."
    );
    ChangeCounts::default().note();
}
