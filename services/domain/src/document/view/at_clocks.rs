//! Single places of the document at many clocks. What was read from a change is kept from one clock to the next.

use serde_json::Value;

use super::conflict::Conflict;
use super::reader::Reader;
use super::shown::{Shown, spot_of};
use super::source::Decoded;
use crate::document::history::{Clock, History, OpRef, Standing};
use crate::document::pointer::Pointer;

/// Reads places at clocks.
pub(in crate::document) struct ReaderAtClocks<'a> {
    history: &'a History,
    decoded: Decoded,
}

impl<'a> ReaderAtClocks<'a> {
    pub(in crate::document) fn of(history: &'a History) -> Self {
        Self { history, decoded: Decoded::new() }
    }

    /// What is shown at a path, with the conflicts there and below; none where nothing is.
    pub(in crate::document) fn shown(
        &mut self,
        clock: &Clock,
        path: &[&str],
    ) -> Option<(Value, Vec<Conflict>)> {
        let (path, standing) = self.standing(clock, path)?;
        let mut reader = self.reader(clock);
        let value = reader.standing_at(path, &standing);
        self.decoded = std::mem::take(&mut reader.source.decoded);
        Some((value?, reader.conflicts()?))
    }

    /// The value that one operation wrote.
    pub(in crate::document) fn written(&mut self, clock: &Clock, path: &Pointer, id: OpRef) -> Value {
        let mut reader = self.reader(clock);
        reader.path = path.clone();
        let value = reader.value(id);
        self.decoded = std::mem::take(&mut reader.source.decoded);
        value
    }

    fn reader<'b>(&mut self, clock: &'b Clock) -> Reader<'b>
    where
        'a: 'b,
    {
        let mut reader = Reader::of_changes(self.history, Some(clock));
        reader.source.decoded = std::mem::take(&mut self.decoded);
        reader
    }

    /// What stands at a path.
    fn standing(&self, clock: &Clock, path: &[&str]) -> Option<(Pointer, Standing)> {
        let mut at = Pointer::default();
        let mut shown = Shown::root();
        let mut standing = Standing::default();
        for segment in path {
            let Shown::Maps(maps) = &shown else { return None };
            let (key, spot) = spot_of(self.history, &at, maps, segment);
            at.push(key);
            standing = self.history.standing_at(&spot, Some(clock));
            shown = Shown::of(self.history, &at, &standing, Some(clock));
        }
        Some((at, standing))
    }
}
