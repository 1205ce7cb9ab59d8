//! Which changes have to do with an item: found in one pass over the operations of all changes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::document::history::{Effect, History, NodeId, OpRef, OpSketch, SketchKey};
use crate::document::pointer::ITEMS;
use crate::spelling;

/// An item, and what changes did to it.
#[derive(Debug, Default)]
pub(super) struct TouchedItem {
    pub(super) item_id: String,
    /// The changes that wrote anywhere in it.
    pub(super) nodes: BTreeSet<NodeId>,
    /// The values that were written as its outcome. Of one that was edited inside, the value after each edit.
    pub(super) outcomes: Vec<Write>,
    /// What was done to its outcome, or to the item as a whole.
    pub(super) deciding: Vec<Write>,
    /// The changes that wrote which asset or what kind of item it is.
    pub(super) naming: Vec<NodeId>,
}

/// An operation, and the change with which its value is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Write {
    pub(super) id: OpRef,
    pub(super) node: NodeId,
}

/// What an object of the document is.
#[derive(Clone, Copy)]
enum Place {
    Items,
    /// An item.
    Item(usize),
    /// An outcome that is no scalar; what wrote it.
    Outcome(usize, OpRef),
    /// What says which asset or what kind of item it is.
    Name(usize),
    /// Something else in an item.
    Inside(usize),
}

/// The items of a session by their ids.
pub(super) fn touched_items(history: &History) -> Vec<TouchedItem> {
    let mut search = Search { history, places: HashMap::new(), items: Vec::new(), by_id: BTreeMap::new() };
    for node in 0..history.len() as NodeId {
        let change = history.node(node);
        for (counter, sketch) in (change.start_op..).zip(&change.operations) {
            search.take(Write { id: OpRef { actor: change.actor, counter }, node }, sketch);
        }
    }
    let Search { mut items, by_id, .. } = search;
    by_id.into_values().map(|index| std::mem::take(&mut items[index])).collect()
}

struct Search<'a> {
    history: &'a History,
    /// Objects that hold items, or are in one.
    places: HashMap<OpRef, Place>,
    items: Vec<TouchedItem>,
    by_id: BTreeMap<String, usize>,
}

impl Search<'_> {
    fn take(&mut self, write: Write, sketch: &OpSketch) {
        if sketch.object == OpRef::ROOT {
            if self.key_of(sketch) == Some(ITEMS) && matches!(sketch.effect, Effect::Map { .. }) {
                self.places.insert(write.id, Place::Items);
            }
            return;
        }
        let Some(place) = self.places.get(&sketch.object).copied() else { return };
        let (index, inside) = match place {
            Place::Items => {
                let Some(index) = self.item_at(sketch) else { return };
                self.items[index].deciding.push(write);
                let is_map = matches!(sketch.effect, Effect::Map { .. });
                (index, if is_map { Place::Item(index) } else { Place::Inside(index) })
            }
            Place::Item(index) if self.key_of(sketch) == Some("outcome") => {
                self.items[index].deciding.push(write);
                if sketch.effect.has_value() {
                    self.items[index].outcomes.push(write);
                }
                (index, Place::Outcome(index, write.id))
            }
            Place::Item(index) if matches!(self.key_of(sketch), Some("asset_id" | "item_code")) => {
                self.items[index].naming.push(write.node);
                (index, Place::Name(index))
            }
            Place::Name(index) => {
                self.items[index].naming.push(write.node);
                (index, Place::Name(index))
            }
            Place::Item(index) | Place::Inside(index) => (index, Place::Inside(index)),
            Place::Outcome(index, outcome) => {
                let edited = Write { id: outcome, node: write.node };
                let is_known = |known: &Write| known.id == edited.id && known.node == edited.node;
                if !self.items[index].outcomes.iter().rev().any(is_known) {
                    self.items[index].outcomes.push(edited);
                }
                (index, Place::Inside(index))
            }
        };
        self.items[index].nodes.insert(write.node);
        if matches!(sketch.effect, Effect::Map { .. } | Effect::List { .. } | Effect::Text { .. }) {
            self.places.insert(write.id, inside);
        }
    }

    fn key_of(&self, sketch: &OpSketch) -> Option<&str> {
        match sketch.key {
            SketchKey::Map(key) => Some(self.history.key(key)),
            SketchKey::Head | SketchKey::Element(_) => None,
        }
    }

    /// The item that an operation among the items is about.
    fn item_at(&mut self, sketch: &OpSketch) -> Option<usize> {
        let item_id = spelling::shown(self.key_of(sketch)?).into_owned();
        let next = self.items.len();
        let index = *self.by_id.entry(item_id.clone()).or_insert(next);
        if index == next {
            self.items.push(TouchedItem { item_id, ..TouchedItem::default() });
        }
        Some(index)
    }
}
