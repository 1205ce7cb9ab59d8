//! What stands at each place of the document, now and at any point of the history.
//!
//! A place is a key of a map, or a list as a whole. Each place keeps its operations in the order in which they
//! were added, and for each which earlier ones it replaced. So the present value of a key is known at once, an
//! older one in as many steps as the key has operations, and the last operation can be taken off again.
//! Operations on text are left out: nothing asks for a place inside a text.

use std::collections::HashMap;

use super::{ActorNumber, Clock, Effect, History, NodeId, OpRef, OpSketch, Replacement, SketchKey};

/// The position of an operation that no place keeps.
pub(super) const NOT_KEPT: u32 = u32::MAX;

/// All places, by object.
#[derive(Debug, Default)]
pub(super) struct Places {
    maps: HashMap<OpRef, HashMap<u32, KeyPlace>>,
    lists: HashMap<OpRef, Vec<Entry>>,
    keys: usize,
    entries: usize,
}

/// A key of a map.
#[derive(Debug, Default)]
struct KeyPlace {
    entries: Vec<Entry>,
    /// Positions of the operations whose values stand there now.
    present: Vec<u32>,
}

/// An operation at a place.
#[derive(Debug)]
pub(super) struct Entry {
    actor: ActorNumber,
    counter: u32,
    /// The sequence number of its change.
    seq: u32,
    /// How many later operations replace it.
    replaced_by: u32,
    replaces: Positions,
    pub(super) has_value: bool,
}

/// Positions at the same place; mostly there is one.
#[derive(Debug)]
enum Positions {
    None,
    One(u32),
    Many(Box<[u32]>),
}

impl Positions {
    fn of(positions: &[u32]) -> Self {
        match positions {
            [] => Self::None,
            [position] => Self::One(*position),
            many => Self::Many(many.into()),
        }
    }

    fn as_slice(&self) -> &[u32] {
        match self {
            Self::None => &[],
            Self::One(position) => std::slice::from_ref(position),
            Self::Many(positions) => positions,
        }
    }
}

impl Entry {
    pub(super) fn id(&self) -> OpRef {
        OpRef { actor: self.actor, counter: self.counter }
    }

    /// True when a clock, or the present, covers the operation.
    pub(super) fn is_covered(&self, clock: Option<&Clock>) -> bool {
        clock.is_none_or(|clock| clock.get(self.actor as usize).is_some_and(|seen| self.seq <= *seen))
    }
}

/// For each operation of a place: does its value stand there at a clock, or at present?
pub(super) fn standing(entries: &[Entry], clock: Option<&Clock>) -> Vec<bool> {
    let mut stands: Vec<bool> =
        entries.iter().map(|entry| entry.has_value && entry.is_covered(clock)).collect();
    for entry in entries.iter().filter(|entry| entry.is_covered(clock)) {
        for replaced in entry.replaces.as_slice() {
            stands[*replaced as usize] = false;
        }
    }
    stands
}

impl Places {
    pub(super) fn memory_bytes(&self) -> usize {
        (self.maps.len() + self.lists.len()) * 96
            + self.keys * (size_of::<KeyPlace>() + 32)
            + self.entries * (size_of::<Entry>() + 4)
    }

    /// The operations on the elements of a list.
    pub(super) fn list(&self, list: OpRef) -> &[Entry] {
        self.lists.get(&list).map_or(&[], Vec::as_slice)
    }

    /// All operations at the place of one.
    fn beside(&self, sketch: &OpSketch) -> &[Entry] {
        match sketch.key {
            SketchKey::Map(key) => {
                let place = self.maps.get(&sketch.object).and_then(|keys| keys.get(&key));
                place.map_or(&[], |place| &place.entries)
            }
            SketchKey::Head | SketchKey::Element(_) => self.list(sketch.object),
        }
    }

    /// Adds an operation behind all others of its place, and tells its position there.
    fn add(&mut self, sketch: &OpSketch, entry: Entry) -> u32 {
        self.entries += 1;
        match sketch.key {
            SketchKey::Map(key) => {
                let keys = self.maps.entry(sketch.object).or_default();
                let place = keys.entry(key).or_default();
                self.keys += usize::from(place.entries.is_empty());
                place.add(entry)
            }
            SketchKey::Head | SketchKey::Element(_) => {
                let entries = self.lists.entry(sketch.object).or_default();
                push_exactly(entries, entry)
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
                let Some(entries) = self.lists.get_mut(&sketch.object) else { return };
                entries.pop();
                if entries.is_empty() {
                    self.lists.remove(&sketch.object);
                }
            }
        }
    }
}

impl KeyPlace {
    fn add(&mut self, entry: Entry) -> u32 {
        for replaced in entry.replaces.as_slice() {
            self.entries[*replaced as usize].replaced_by += 1;
            self.present.retain(|position| position != replaced);
        }
        let has_value = entry.has_value;
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
        for position in entry.replaces.as_slice() {
            let replaced = &mut self.entries[*position as usize];
            replaced.replaced_by -= 1;
            if replaced.replaced_by == 0 && replaced.has_value {
                self.present.push(*position);
            }
        }
        self.entries.is_empty()
    }

    fn standing(&self, clock: Option<&Clock>) -> Vec<OpRef> {
        if clock.is_none() {
            return self.present.iter().map(|position| self.entries[*position as usize].id()).collect();
        }
        let stands = standing(&self.entries, clock);
        let entries = self.entries.iter().zip(stands);
        entries.filter(|(_, stands)| *stands).map(|(entry, _)| entry.id()).collect()
    }
}

/// Most places have one operation for good: no room is kept for more until there is a second.
fn push_exactly(entries: &mut Vec<Entry>, entry: Entry) -> u32 {
    if entries.is_empty() {
        entries.reserve_exact(1);
    }
    entries.push(entry);
    entries.len() as u32 - 1
}

impl History {
    /// The operations whose values stand at a key of a map, at a clock or at present: what a write there
    /// replaces.
    pub(in crate::document) fn at_key(&self, map: OpRef, key: &str, clock: Option<&Clock>) -> Vec<OpRef> {
        let place = self.known_key(key).and_then(|key| self.places.maps.get(&map)?.get(&key));
        place.map(|place| place.standing(clock)).unwrap_or_default()
    }

    /// The keys of a map at present, and the operations whose values stand there.
    pub(in crate::document) fn keys_of(&self, map: OpRef) -> impl Iterator<Item = (&str, Vec<OpRef>)> {
        let places = self.places.maps.get(&map).into_iter().flatten();
        let present = places.filter(|(_, place)| !place.present.is_empty());
        present.map(|(key, place)| (self.key(*key), place.standing(None)))
    }

    /// Puts the operations of the last change into their places.
    pub(super) fn place_operations(&mut self, id: NodeId, replacements: &[Replacement]) {
        let mut replacements = replacements.iter().peekable();
        let mut positions = Vec::new();
        for index in 0..self.node(id).operations.len() {
            positions.clear();
            while let Some(replacement) = replacements.next_if(|next| next.by as usize == index) {
                let replaced = self.operation(replacement.of).map(|(sketch, _)| sketch.position);
                positions.extend(replaced.filter(|position| *position != NOT_KEPT));
            }
            let node = self.node(id);
            let sketch = node.operations[index];
            let has_value = sketch.effect != Effect::Nothing;
            if !self.has_place(&sketch) || (!has_value && positions.is_empty()) {
                continue;
            }
            let entry = Entry {
                actor: node.actor,
                counter: node.start_op + index as u32,
                seq: node.seq,
                replaced_by: 0,
                replaces: Positions::of(&positions),
                has_value,
            };
            self.nodes[id as usize].operations[index].position = self.places.add(&sketch, entry);
        }
    }

    /// What the operations of a change replaced where they stand, in their order.
    pub(in crate::document) fn replacements_by(&self, id: NodeId) -> Vec<Replacement> {
        let mut replacements = Vec::new();
        for (by, sketch) in (0u32..).zip(&self.node(id).operations) {
            let beside = self.places.beside(sketch);
            let replaced =
                beside.get(sketch.position as usize).map_or(&[][..], |entry| entry.replaces.as_slice());
            replacements.extend(
                replaced.iter().map(|position| Replacement { by, of: beside[*position as usize].id() }),
            );
        }
        replacements
    }

    /// Takes the operations of the last change out of their places.
    pub(super) fn displace_operations(&mut self, id: NodeId) {
        for sketch in self.nodes[id as usize].operations.iter().rev() {
            if sketch.position != NOT_KEPT {
                self.places.take_off(sketch);
            }
        }
    }

    fn has_place(&self, sketch: &OpSketch) -> bool {
        matches!(sketch.key, SketchKey::Map(_)) || matches!(self.effect(sketch.object), Effect::List { .. })
    }
}
