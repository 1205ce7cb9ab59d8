//! Lists at any point of the history.

use std::collections::HashMap;

use super::entry::standing;
use super::{Clock, History, OpRef, SketchKey};

/// An element of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::document) struct Element {
    /// The insertion that made it.
    pub(in crate::document) id: OpRef,
    /// The operations whose values stand there; none where the element is deleted.
    pub(in crate::document) operations: Vec<OpRef>,
}

impl History {
    /// The elements of a list at a clock or at present, in order, deleted ones included. Takes as many steps
    /// as there are operations on the list.
    pub(in crate::document) fn elements(&self, list: OpRef, clock: Option<&Clock>) -> Vec<Element> {
        let entries = self.places.list(list);
        // Elements inserted behind another one, or none, and what stands at each.
        let mut behind: HashMap<Option<OpRef>, Vec<OpRef>> = HashMap::new();
        let mut values: HashMap<OpRef, Vec<OpRef>> = HashMap::new();
        for (entry, stands) in entries.iter().zip(standing(entries, clock)) {
            let id = entry.id();
            let Some((sketch, _)) = self.operation(id).filter(|_| entry.is_covered(clock)) else { continue };
            if sketch.insert {
                let after = match sketch.key {
                    SketchKey::Element(element) => Some(element),
                    SketchKey::Head | SketchKey::Map(_) => None,
                };
                behind.entry(after).or_default().push(id);
            }
            if let Some(element) = sketch.element(id).filter(|_| stands) {
                values.entry(element).or_default().push(id);
            }
        }
        let mut elements = Vec::new();
        let mut open = self.in_order(behind.remove(&None));
        while let Some(id) = open.pop() {
            elements.push(Element { id, operations: values.remove(&id).unwrap_or_default() });
            open.extend(self.in_order(behind.remove(&Some(id))));
        }
        elements
    }

    /// Elements inserted at one place, the one that comes first last: the later insertion comes first.
    fn in_order(&self, siblings: Option<Vec<OpRef>>) -> Vec<OpRef> {
        let mut siblings = siblings.unwrap_or_default();
        siblings.sort_unstable_by(|one, other| self.compare(*one, *other));
        siblings
    }
}
