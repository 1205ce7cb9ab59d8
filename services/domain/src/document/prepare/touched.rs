//! The places that a client's own changes touch.

use std::collections::{BTreeSet, HashMap};

use automerge::Change;

use crate::document::history::{Effect, History, OpRef, SketchKey};
use crate::document::pointer::Pointer;

/// The places that changes of the history touch, each where it is now: keys of maps, lists and texts as a
/// whole.
pub(super) fn touched_by<'c>(
    history: &History,
    changes: impl Iterator<Item = &'c Change>,
) -> BTreeSet<Pointer> {
    let mut paths = Paths { history, objects: HashMap::new(), lists: HashMap::new() };
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

/// Paths of objects, and places of elements in lists, once they were worked out.
struct Paths<'a> {
    history: &'a History,
    objects: HashMap<OpRef, Pointer>,
    lists: HashMap<OpRef, HashMap<OpRef, usize>>,
}

impl Paths<'_> {
    /// The path of an object. Objects nest only so deep, see the limits.
    fn of(&mut self, object: OpRef) -> Pointer {
        if let Some(path) = self.objects.get(&object) {
            return path.clone();
        }
        let Some((sketch, _)) = self.history.operation(object) else { return Pointer::default() };
        let mut path = self.of(sketch.object);
        match (sketch.key, sketch.element(object)) {
            (SketchKey::Map(key), _) => path.push(self.history.key(key)),
            (_, Some(element)) => path.push(self.index_of(sketch.object, element).to_string()),
            _ => {}
        }
        self.objects.insert(object, path.clone());
        path
    }

    /// How many elements of a list stand before this one.
    fn index_of(&mut self, list: OpRef, element: OpRef) -> usize {
        let history = self.history;
        let indices = self.lists.entry(list).or_insert_with(|| indices_of(history, list));
        indices.get(&element).copied().unwrap_or(0)
    }
}

fn indices_of(history: &History, list: OpRef) -> HashMap<OpRef, usize> {
    // What stands in a text is not shown as JSON, so its place there does not matter.
    let Effect::List { .. } = history.effect(list) else { return HashMap::new() };
    let mut before = 0;
    let mut indices = HashMap::new();
    for element in history.elements(list, None) {
        indices.insert(element.id, before);
        before += usize::from(!element.operations.is_empty());
    }
    indices
}
