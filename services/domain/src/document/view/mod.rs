//! The document as JSON, with its conflicts.
//!
//! It shows more than the Automerge document does: each acknowledged value is in the document or in a conflict, or was removed by a
//! change that had seen it. `shown` says which value of a place is shown.

mod at_clocks;
mod conflict;
mod reader;
mod several;
mod shown;
mod source;

use serde_json::{Map, Value};

pub(super) use self::at_clocks::ReaderAtClocks;
pub use self::conflict::{Conflict, ConflictValue};
use self::reader::Reader;
pub(super) use self::shown::{Shown, spot_of, spots_of};
use super::history::{Clock, History, Standing};
use super::pointer::Pointer;
use super::session::SessionDocument;

/// Read from a change, a character of a text takes a few hundred bytes; in Automerge's document some sixty. With more operations than
/// this, besides one for each change, a document is read there.
const CHARACTERS_READ_MAX: usize = 200_000;

/// The merged document as a reader sees it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DocumentView {
    /// The document. Where outcomes are in conflict, the safe side is shown.
    pub document: Value,
    /// Places with more than one value, and values that cannot be shown as they are, by path.
    pub conflicts: Vec<Conflict>,
}

impl DocumentView {
    /// What a reader sees; none where only the Automerge document can tell.
    fn read(mut reader: Reader<'_>) -> Option<Self> {
        let document = reader.document();
        Some(Self { document, conflicts: reader.conflicts()? })
    }

    /// How many items are shown.
    #[must_use]
    pub fn item_count(&self) -> usize {
        self.document.get("items").and_then(Value::as_object).map_or(0, Map::len)
    }
}

impl SessionDocument {
    /// The merged document as JSON. To make Automerge's document takes longer the longer the history is, so where it is not made yet
    /// the changes are read instead: what that takes depends on what is shown.
    #[must_use]
    pub fn view(&self) -> DocumentView {
        let of_changes = || DocumentView::read(Reader::of_small_texts(&self.history));
        let of_document =
            || self.read(|document| DocumentView::read(Reader::of_document(&self.history, document)));
        let of_changes = if self.is_read_from_changes() { of_changes() } else { None };
        of_changes.or_else(of_document).unwrap_or_default()
    }

    /// The same at a clock.
    pub(super) fn view_at(&self, clock: &Clock) -> DocumentView {
        DocumentView::read(Reader::of_changes(&self.history, Some(clock))).unwrap_or_default()
    }

    fn is_read_from_changes(&self) -> bool {
        let characters = self.history.operation_count().saturating_sub(self.history.change_count());
        !self.is_merged_at_hand() && characters <= CHARACTERS_READ_MAX
    }

    /// The conflicts at, above or below JSON Pointers, by path. The Automerge document is read only where texts that many changes
    /// have edited are among the values in conflict.
    #[must_use]
    pub fn conflicts_touching(&self, paths: &[String]) -> Vec<Conflict> {
        let paths: Vec<Pointer> = paths.iter().filter_map(|path| Pointer::read(path).ok()).collect();
        let conflicts = |mut reader: Reader<'_>| {
            paths.iter().for_each(|path| reader.collect_at(path));
            reader.conflicts()
        };
        conflicts(Reader::of_small_texts(&self.history)).unwrap_or_else(|| {
            self.read(|document| conflicts(Reader::of_document(&self.history, document)).unwrap_or_default())
        })
    }
}

/// What is shown of the values at a path and a clock; none where nothing is.
pub(super) fn shown_at(
    history: &History,
    clock: Option<&Clock>,
    path: &Pointer,
    standing: &Standing,
) -> Option<Value> {
    Reader::of_changes(history, clock).standing_at(path.clone(), standing)
}
