//! Where objects stand in the document now.

use std::collections::HashMap;

use super::history::{Effect, History, OpRef, SketchKey};
use super::pointer::Pointer;

/// Paths of objects, and places of elements in lists, once they were worked out.
pub(super) struct Paths<'a> {
    history: &'a History,
    objects: HashMap<OpRef, Pointer>,
    lists: HashMap<OpRef, HashMap<OpRef, usize>>,
}

impl<'a> Paths<'a> {
    pub(super) fn in_history(history: &'a History) -> Self {
        Self { history, objects: HashMap::new(), lists: HashMap::new() }
    }

    /// The path of an object. Objects nest only so deep, see the limits.
    pub(super) fn of(&mut self, object: OpRef) -> Pointer {
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
