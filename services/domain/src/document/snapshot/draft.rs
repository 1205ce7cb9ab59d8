//! A snapshot between its making and the moment when it is known to read back as what it was made from.

use crate::document::change::RecordedChange;
use crate::document::clock::VectorClock;
use crate::document::session::SessionDocument;
use crate::document::view::DocumentView;

/// A snapshot that nobody has read back yet.
#[derive(Debug)]
pub struct DocumentSnapshotDraft {
    pub(super) bytes: Vec<u8>,
    /// The changes that it was made from.
    pub(super) records: Vec<RecordedChange>,
    pub(super) facts: Facts,
}

/// What must read back the same.
#[derive(Debug, PartialEq)]
pub(super) struct Facts {
    heads: Vec<String>,
    vector_clock: VectorClock,
    change_count: usize,
    operation_count: usize,
    view: DocumentView,
}

impl Facts {
    pub(super) fn of(document: &SessionDocument) -> Self {
        Self {
            heads: document.heads(),
            vector_clock: document.vector_clock(),
            change_count: document.change_count(),
            operation_count: document.operation_count(),
            view: document.view(),
        }
    }
}

impl DocumentSnapshotDraft {
    /// How many changes it was made from.
    #[must_use]
    pub fn change_count(&self) -> usize {
        self.facts.change_count
    }

    /// The snapshot, if it gives the document again that it was made from. Takes as long as reading it.
    #[must_use]
    pub fn verified(self) -> Option<Vec<u8>> {
        let Self { bytes, records, facts } = self;
        let mut again = SessionDocument::restored(&bytes, records)?;
        let is_sound = again.merged_mut().load_saved() && Facts::of(&again) == facts;
        is_sound.then_some(bytes)
    }
}
