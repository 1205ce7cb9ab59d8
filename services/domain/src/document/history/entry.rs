//! Operations at one place, and what they do to each other.

use super::{ActorNumber, Clock, Effect, OpRef};

/// An operation at a place.
#[derive(Debug)]
pub(super) struct IndexEntry {
    pub(super) actor: ActorNumber,
    pub(super) counter: u32,
    /// The sequence number of its change.
    pub(super) seq: u32,
    /// How many later operations replace it.
    pub(super) replaced_by: u32,
    /// The operations it names as its predecessors: it replaces them, or adds to them if it is an increment and they are counters.
    pub(super) predecessors: Positions,
    pub(super) effect: Effect,
    /// How many operations of later changes lie inside the value that it made.
    pub(super) edits: u32,
}

/// Positions at the same place; mostly there is one.
#[derive(Debug)]
pub(super) enum Positions {
    None,
    One(u32),
    Many(Box<[u32]>),
}

impl Positions {
    pub(super) fn of(positions: &[u32]) -> Self {
        match positions {
            [] => Self::None,
            [position] => Self::One(*position),
            many => Self::Many(many.into()),
        }
    }

    pub(super) fn as_slice(&self) -> &[u32] {
        match self {
            Self::None => &[],
            Self::One(position) => std::slice::from_ref(position),
            Self::Many(positions) => positions,
        }
    }
}

impl IndexEntry {
    pub(super) fn id(&self) -> OpRef {
        OpRef { actor: self.actor, counter: self.counter }
    }

    /// True when a clock, or the present, covers the operation.
    pub(super) fn is_covered(&self, clock: Option<&Clock>) -> bool {
        clock.is_none_or(|clock| clock.get(self.actor as usize).is_some_and(|seen| self.seq <= *seen))
    }

    /// True when the operation ends the value of this one, its predecessor.
    pub(super) fn ends(&self, predecessor: &Self) -> bool {
        !(self.effect == Effect::Increment && predecessor.effect == Effect::Counter)
    }

    /// True when the operation adds to the counter at a position.
    pub(super) fn adds_to(&self, position: u32) -> bool {
        self.effect == Effect::Increment && self.predecessors.as_slice().contains(&position)
    }

    /// True where its value was replaced or deleted and others have edited what is inside.
    pub(super) fn is_disputed(&self) -> bool {
        self.edits > 0 && self.replaced_by > 0
    }

    /// True where others than its own change have edited what is inside its value.
    pub(super) fn is_edited(&self) -> bool {
        self.edits > 0
    }
}

/// For each operation of a place: does its value stand there at a clock, or at present?
pub(super) fn standing(entries: &[IndexEntry], clock: Option<&Clock>) -> Vec<bool> {
    let mut stands: Vec<bool> =
        entries.iter().map(|entry| entry.effect.has_value() && entry.is_covered(clock)).collect();
    for entry in entries.iter().filter(|entry| entry.is_covered(clock)) {
        for position in entry.predecessors.as_slice() {
            stands[*position as usize] &= !entry.ends(&entries[*position as usize]);
        }
    }
    stands
}

/// Changes an entry and returns whether it became, or ceased to be, disputed.
pub(super) fn change_entry(entry: &mut IndexEntry, disputed: &mut u32, change: impl FnOnce(&mut IndexEntry)) {
    *disputed -= u32::from(entry.is_disputed());
    change(entry);
    *disputed += u32::from(entry.is_disputed());
}

/// Notes that an operation acts on its predecessors.
pub(super) fn act_on_predecessors(entries: &mut [IndexEntry], disputed: &mut u32, entry: &IndexEntry) {
    for position in entry.predecessors.as_slice() {
        let predecessor = &mut entries[*position as usize];
        let ends = entry.ends(predecessor);
        change_entry(predecessor, disputed, |predecessor| {
            if ends { predecessor.replaced_by += 1 } else { predecessor.edits += 1 }
        });
    }
}

/// Takes that back.
pub(super) fn leave_predecessors(entries: &mut [IndexEntry], disputed: &mut u32, entry: &IndexEntry) {
    for position in entry.predecessors.as_slice() {
        let predecessor = &mut entries[*position as usize];
        let ends = entry.ends(predecessor);
        change_entry(predecessor, disputed, |predecessor| {
            if ends { predecessor.replaced_by -= 1 } else { predecessor.edits -= 1 }
        });
    }
}

/// Most places have one operation for good: no room is kept for more until there is a second.
pub(super) fn push_exactly(entries: &mut Vec<IndexEntry>, entry: IndexEntry) -> u32 {
    if entries.is_empty() {
        entries.reserve_exact(1);
    }
    entries.push(entry);
    entries.len() as u32 - 1
}
