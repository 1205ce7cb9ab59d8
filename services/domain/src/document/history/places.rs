//! What stands at each place of the document, now and at any point of the history.
//!
//! A place is a key of a map, or a list as a whole. Each place keeps its operations in the order in which they
//! were added, and for each which earlier ones it acted on. So the present value of a key is known at once, an
//! older one in as many steps as the key has operations, and the last operation can be taken off again.
//! Operations on text are left out: nothing asks for a place inside a text, only which changes edited it.
//!
//! Each place also counts its *disputed* values: objects, texts and counters that were replaced or deleted and
//! that another change than the one that made them has edited. Only there can something be hidden from a
//! reader of the Automerge document; see `standing`.

use std::collections::HashMap;

use super::entry::{
    IndexEntry, Positions, act_on_predecessors, change_entry, leave_predecessors, push_exactly, standing,
};
use super::{Clock, Effect, History, NodeId, OpRef, OpSketch, Predecessor, SketchKey};

/// The position of an operation that no place keeps.
pub(super) const NOT_KEPT: u32 = u32::MAX;

/// All places, by object.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) maps: HashMap<OpRef, HashMap<u32, KeyPlace>>,
    pub(super) lists: HashMap<OpRef, ListPlace>,
    /// For each text the changes that edited it after the one that made it, in their order.
    pub(super) text_edits: HashMap<OpRef, Vec<NodeId>>,
    pub(super) keys: usize,
    pub(super) entries: usize,
}

/// A key of a map.
#[derive(Debug, Default)]
pub(super) struct KeyPlace {
    pub(super) entries: Vec<IndexEntry>,
    /// Positions of the operations whose values stand there now.
    pub(super) present: Vec<u32>,
    disputed: u32,
}

/// A list as a whole.
#[derive(Debug, Default)]
pub(super) struct ListPlace {
    pub(super) entries: Vec<IndexEntry>,
    pub(super) disputed: u32,
}

impl Places {
    pub(super) fn memory_bytes(&self) -> usize {
        (self.maps.len() + self.lists.len()) * 96
            + self.keys * (size_of::<KeyPlace>() + 32)
            + self.entries * (size_of::<IndexEntry>() + 4)
    }

    /// The operations on the elements of a list.
    pub(super) fn list(&self, list: OpRef) -> &[IndexEntry] {
        self.lists.get(&list).map_or(&[], |place| &place.entries)
    }

    /// A key of a map.
    pub(super) fn key(&self, map: OpRef, key: u32) -> Option<&KeyPlace> {
        self.maps.get(&map)?.get(&key)
    }

    /// The keys of a map.
    pub(super) fn keys(&self, map: OpRef) -> impl Iterator<Item = (u32, &KeyPlace)> {
        self.maps.get(&map).into_iter().flatten().map(|(key, place)| (*key, place))
    }

    /// True where elements of a list are disputed.
    pub(super) fn is_disputed_list(&self, list: OpRef) -> bool {
        self.lists.get(&list).is_some_and(|place| place.disputed > 0)
    }

    /// The changes that edited a text after the one that made it.
    pub(super) fn text_edits(&self, text: OpRef) -> &[NodeId] {
        self.text_edits.get(&text).map_or(&[], Vec::as_slice)
    }

    fn note_text_edit(&mut self, text: OpRef, node: NodeId) {
        let edits = self.text_edits.entry(text).or_default();
        if edits.last() != Some(&node) {
            edits.push(node);
        }
    }

    fn forget_text_edit(&mut self, text: OpRef, node: NodeId) {
        let Some(edits) = self.text_edits.get_mut(&text) else { return };
        if edits.last() == Some(&node) {
            edits.pop();
        }
        if edits.is_empty() {
            self.text_edits.remove(&text);
        }
    }

    /// Counts operations inside the value that an operation made, up or down.
    fn count_edits(&mut self, sketch: &OpSketch, change: impl FnOnce(&mut u32)) {
        let place = match sketch.key {
            SketchKey::Map(key) => {
                let place = self.maps.get_mut(&sketch.object).and_then(|keys| keys.get_mut(&key));
                place.map(|place| (&mut place.entries, &mut place.disputed))
            }
            SketchKey::Head | SketchKey::Element(_) => {
                let place = self.lists.get_mut(&sketch.object);
                place.map(|place| (&mut place.entries, &mut place.disputed))
            }
        };
        let Some((entries, disputed)) = place else { return };
        if let Some(entry) = entries.get_mut(sketch.position as usize) {
            change_entry(entry, disputed, |entry| change(&mut entry.edits));
        }
    }

    /// All operations at the place of one.
    pub(super) fn beside(&self, sketch: &OpSketch) -> &[IndexEntry] {
        match sketch.key {
            SketchKey::Map(key) => {
                let place = self.maps.get(&sketch.object).and_then(|keys| keys.get(&key));
                place.map_or(&[], |place| &place.entries)
            }
            SketchKey::Head | SketchKey::Element(_) => self.list(sketch.object),
        }
    }

    /// Adds an operation behind all others of its place, and returns its position there.
    fn add(&mut self, sketch: &OpSketch, entry: IndexEntry) -> u32 {
        self.entries += 1;
        match sketch.key {
            SketchKey::Map(key) => {
                let keys = self.maps.entry(sketch.object).or_default();
                let place = keys.entry(key).or_default();
                self.keys += usize::from(place.entries.is_empty());
                place.add(entry)
            }
            SketchKey::Head | SketchKey::Element(_) => {
                let place = self.lists.entry(sketch.object).or_default();
                act_on_predecessors(&mut place.entries, &mut place.disputed, &entry);
                push_exactly(&mut place.entries, entry)
            }
        }
    }

    /// Takes off the last operation of a place.
    fn take_off(&mut self, sketch: &OpSketch) {
        self.entries -= 1;
        match sketch.key {
            SketchKey::Map(key) => {
                let Some(keys) = self.maps.get_mut(&sketch.object) else { return };
                if keys.get_mut(&key).is_some_and(KeyPlace::take_off) {
                    keys.remove(&key);
                    self.keys -= 1;
                }
                if keys.is_empty() {
                    self.maps.remove(&sketch.object);
                }
            }
            SketchKey::Head | SketchKey::Element(_) => {
                let Some(place) = self.lists.get_mut(&sketch.object) else { return };
                if let Some(entry) = place.entries.pop() {
                    leave_predecessors(&mut place.entries, &mut place.disputed, &entry);
                }
                if place.entries.is_empty() {
                    self.lists.remove(&sketch.object);
                }
            }
        }
    }
}

impl KeyPlace {
    fn add(&mut self, entry: IndexEntry) -> u32 {
        act_on_predecessors(&mut self.entries, &mut self.disputed, &entry);
        let entries = &self.entries;
        self.present.retain(|position| entries[*position as usize].replaced_by == 0);
        let has_value = entry.effect.has_value();
        let position = push_exactly(&mut self.entries, entry);
        if has_value {
            self.present.push(position);
        }
        position
    }

    /// Takes off the last operation; true when none is left.
    fn take_off(&mut self) -> bool {
        let Some(entry) = self.entries.pop() else { return true };
        self.present.retain(|position| (*position as usize) < self.entries.len());
        leave_predecessors(&mut self.entries, &mut self.disputed, &entry);
        for position in entry.predecessors.as_slice() {
            let predecessor = &self.entries[*position as usize];
            if entry.ends(predecessor) && predecessor.replaced_by == 0 && predecessor.effect.has_value() {
                self.present.push(*position);
            }
        }
        self.entries.is_empty()
    }

    pub(super) fn standing(&self, clock: Option<&Clock>) -> Vec<OpRef> {
        if clock.is_none() {
            return self.present.iter().map(|position| self.entries[*position as usize].id()).collect();
        }
        let stands = standing(&self.entries, clock);
        let entries = self.entries.iter().zip(stands);
        entries.filter(|(_, stands)| *stands).map(|(entry, _)| entry.id()).collect()
    }

    pub(super) fn is_disputed(&self) -> bool {
        self.disputed > 0
    }
}

impl History {
    /// Puts the operations of the last change into their places.
    pub(super) fn place_operations(&mut self, id: NodeId, predecessors: &[Predecessor]) {
        let mut predecessors = predecessors.iter().peekable();
        let mut positions = Vec::new();
        for index in 0..self.node(id).operations.len() {
            positions.clear();
            while let Some(predecessor) = predecessors.next_if(|next| next.by as usize == index) {
                let position = self.operation(predecessor.of).map(|(sketch, _)| sketch.position);
                positions.extend(position.filter(|position| *position != NOT_KEPT));
            }
            let sketch = self.node(id).operations[index];
            if self.has_place(&sketch) {
                let node = self.node(id);
                let entry = IndexEntry {
                    actor: node.actor,
                    counter: node.start_op + index as u32,
                    seq: node.seq,
                    replaced_by: 0,
                    predecessors: Positions::of(&positions),
                    effect: sketch.effect,
                    edits: 0,
                };
                self.nodes[id as usize].operations[index].position = self.places.add(&sketch, entry);
            }
        }
        self.count_edits(id, |edits| *edits += 1, Places::note_text_edit);
    }

    /// The predecessors that the operations of a change name where they stand, in the order of the operations.
    pub(in crate::document) fn predecessors_of(&self, id: NodeId) -> Vec<Predecessor> {
        let mut predecessors = Vec::new();
        for (by, sketch) in (0u32..).zip(&self.node(id).operations) {
            let beside = self.places.beside(sketch);
            let named =
                beside.get(sketch.position as usize).map_or(&[][..], |entry| entry.predecessors.as_slice());
            predecessors
                .extend(named.iter().map(|position| Predecessor { by, of: beside[*position as usize].id() }));
        }
        predecessors
    }

    /// Takes the operations of the last change out of their places.
    pub(super) fn displace_operations(&mut self, id: NodeId) {
        self.count_edits(id, |edits| *edits -= 1, Places::forget_text_edit);
        for sketch in self.nodes[id as usize].operations.iter().rev() {
            if sketch.position != NOT_KEPT {
                self.places.take_off(sketch);
            }
        }
    }

    /// Counts the edits of a change, up or down: one for each object that it acts on and all that hold it, as far as earlier
    /// changes made them. Operations on one object mostly follow each other and count once.
    fn count_edits(
        &mut self,
        id: NodeId,
        count: impl Fn(&mut u32),
        count_text: impl Fn(&mut Places, OpRef, NodeId),
    ) {
        let mut last = OpRef::ROOT;
        for index in 0..self.node(id).operations.len() {
            let object = self.node(id).operations[index].object;
            if object == last {
                continue;
            }
            last = object;
            let mut inside = object;
            // Objects nest only so deep, see the limits.
            while let Some((sketch, maker)) = self.operation(inside) {
                let sketch = *sketch;
                let own = self.node(id);
                if (maker.actor, maker.seq) != (own.actor, own.seq) {
                    if let Effect::Text { .. } = sketch.effect {
                        count_text(&mut self.places, inside, id);
                    }
                    self.places.count_edits(&sketch, &count);
                }
                inside = sketch.object;
            }
        }
    }

    fn has_place(&self, sketch: &OpSketch) -> bool {
        matches!(sketch.key, SketchKey::Map(_)) || matches!(self.effect(sketch.object), Effect::List { .. })
    }
}
