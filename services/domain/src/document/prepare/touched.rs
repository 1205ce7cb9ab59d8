//! The places that a client's own changes touch.

use std::collections::BTreeSet;

use automerge::Change;

use crate::document::history::{History, SketchKey};
use crate::document::paths::Paths;
use crate::document::pointer::Pointer;

/// The places that changes of the history touch, each where it is now: keys of maps, lists and texts as a
/// whole.
pub(super) fn touched_by<'c>(
    history: &History,
    changes: impl Iterator<Item = &'c Change>,
) -> BTreeSet<Pointer> {
    let mut paths = Paths::in_history(history);
    let nodes = changes.filter_map(|change| history.find(&change.hash()));
    let sketches = nodes.flat_map(|node| history.node(node).operations.iter());
    let mut touched = BTreeSet::new();
    for sketch in sketches {
        let mut path = paths.of(sketch.object);
        if let SketchKey::Map(key) = sketch.key {
            path.push(history.key(key));
        }
        touched.insert(path);
    }
    touched
}
