//! An index of which only the part is left that new work asks for: what stands at each place, and the last changes.
//!
//! Whoever has seen all but the last changes can see nothing else of what was before than what stood there then. So values that were
//! replaced before, and changes of which nothing stands, are left out, and what is left no longer grows with the history. That holds where
//! only scalars were replaced: what is shown of replaced objects, texts and counters depends on who had seen what. Such an index
//! stays whole, and whoever has seen less asks a whole one.

use super::entry::{IndexEntry, Positions, standing};
use super::places::{KeyPlace, NOT_KEPT, Places};
use super::{Clock, Effect, History, Node, NodeId, OpRef};

/// An index keeps clocks of so many actors at most for changes whose ancestors it leaves out.
const ACTORS_MAX: usize = 256;

/// What an index has left out.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    /// Whoever asks has to have seen this; empty where nothing was left out.
    seen: Clock,
    pub(super) changes: usize,
    pub(super) operations: usize,
    pub(super) change_bytes: usize,
    pub(super) memory_bytes: usize,
}

impl History {
    /// Leaves out what nobody asks for who has seen all but so many changes, the last ones. False where all of it has to stay.
    pub(in crate::document) fn condense(&mut self, last: usize) -> bool {
        let first = self.len().saturating_sub(last);
        if first == 0
            || self.actors.len() > ACTORS_MAX
            || self.has_unusual_spellings()
            || !self.places.are_plain()
        {
            return false;
        }
        let memory_bytes = self.memory_bytes();
        let seen = self.clock_of_first(first);
        let placed = self.places.condense(&seen);
        let is_kept = self.kept(first, &placed);
        self.put_into_places(&is_kept, &placed);
        self.keep_clocks(&is_kept);
        self.leave_out(&is_kept);
        self.left_out.memory_bytes += memory_bytes.saturating_sub(self.memory_bytes());
        self.left_out.seen = seen;
        true
    }

    /// True where something was left out.
    pub(in crate::document) fn is_condensed(&self) -> bool {
        !self.left_out.seen.is_empty()
    }

    /// True for a clock that has seen all that was left out.
    pub(in crate::document) fn covers_left_out(&self, clock: &Clock) -> bool {
        let mut clock = clock.iter();
        self.left_out.seen.iter().all(|left_out| clock.next().unwrap_or(&0) >= left_out)
    }

    /// What changes had seen and those before them, without the changes themselves.
    pub(super) fn clock_before(&self, nodes: &[NodeId]) -> Clock {
        let mut before: Clock = vec![0; self.actors.len()];
        for id in nodes {
            let node = self.node(*id);
            let mut seen = self.clock_of(&[*id]);
            // Of its actor it has seen the change before.
            seen[node.actor as usize] = node.seq - 1;
            before.iter_mut().zip(seen).for_each(|(before, seen)| *before = (*before).max(seen));
        }
        before
    }

    /// What the first changes of the index amount to, with all that was left out before.
    fn clock_of_first(&self, changes: usize) -> Clock {
        let mut clock = self.left_out.seen.clone();
        clock.resize(self.actors.len(), 0);
        for node in &self.nodes[..changes] {
            let seen = &mut clock[node.actor as usize];
            *seen = (*seen).max(node.seq);
        }
        clock
    }

    /// The changes that stay: those behind the first ones, the heads, the last one of each actor, and those of which something stands.
    fn kept(&self, first: usize, placed: &[(OpRef, u32)]) -> Vec<bool> {
        let mut is_kept = vec![false; self.len()];
        is_kept[first..].fill(true);
        let last = self.actors.iter().filter_map(|actor| actor.changes.last().copied());
        let standing = placed.iter().filter_map(|(id, _)| self.node_of(*id));
        for id in last.chain(standing).chain(self.heads.iter().copied()) {
            is_kept[id as usize] = true;
        }
        is_kept
    }

    /// Notes where the operations stand now that were left in their places.
    fn put_into_places(&mut self, is_kept: &[bool], placed: &[(OpRef, u32)]) {
        for (node, _) in self.nodes.iter_mut().zip(is_kept).filter(|(_, is_kept)| **is_kept) {
            node.operations.iter_mut().for_each(|operation| operation.position = NOT_KEPT);
        }
        for (id, position) in placed {
            let Some(node) = self.node_of(*id) else { continue };
            let node = &mut self.nodes[node as usize];
            node.operations[(id.counter - node.start_op) as usize].position = *position;
        }
    }

    /// Has those that build on what is left out keep what they have seen.
    fn keep_clocks(&mut self, is_kept: &[bool]) {
        for id in 0..self.len() as NodeId {
            let node = self.node(id);
            let is_cut = node.deps.iter().any(|dep| !is_kept[*dep as usize]);
            if is_kept[id as usize] && is_cut && node.clock.is_none() {
                self.nodes[id as usize].clock = Some(self.clock_of(&[id]).into_boxed_slice());
            }
        }
    }

    /// Takes changes out, and numbers those again that stay.
    fn leave_out(&mut self, is_kept: &[bool]) {
        let mut next: NodeId = 0;
        let number = |is_kept: &bool| {
            let number = is_kept.then_some(next);
            next += NodeId::from(*is_kept);
            number
        };
        let numbers: Vec<Option<NodeId>> = is_kept.iter().map(number).collect();
        let renumbered = |id: &NodeId| numbers[*id as usize];
        let mut nodes = Vec::with_capacity(next as usize);
        for (node, is_kept) in std::mem::take(&mut self.nodes).into_iter().zip(is_kept) {
            if *is_kept {
                nodes.push(Node { deps: node.deps.iter().filter_map(renumbered).collect(), ..node });
            } else {
                self.left_out.changes += 1;
                self.left_out.operations += node.operations.len();
                self.left_out.change_bytes += node.bytes.len();
                self.operations -= node.operations.len();
                self.change_bytes -= node.bytes.len();
            }
        }
        self.by_hash = nodes.iter().zip(0..).map(|(node, id)| (node.hash, id)).collect();
        self.heads = self.heads.iter().filter_map(renumbered).collect();
        self.clock_entries =
            nodes.iter().filter_map(|node| node.clock.as_ref()).map(|clock| clock.len()).sum();
        for actor in &mut self.actors {
            actor.changes = actor.changes.iter().filter_map(renumbered).collect();
            actor.start_ops = actor.changes.iter().map(|id| nodes[*id as usize].start_op).collect();
        }
        self.nodes = nodes;
    }
}

impl Places {
    /// True where nothing was ever replaced but scalars, and where nothing else stands beside another.
    fn are_plain(&self) -> bool {
        let lists =
            self.lists.values().all(|place| place.disputed == 0 && place.entries.iter().all(is_plain));
        lists
            && self.text_edits.is_empty()
            && self.maps.values().flat_map(|keys| keys.values()).all(KeyPlace::is_plain)
    }

    /// Leaves scalars out that were replaced before a clock, and gives what is left with its positions.
    fn condense(&mut self, seen: &Clock) -> Vec<(OpRef, u32)> {
        self.maps.retain(|_, keys| {
            keys.retain(|_, place| place.condense(seen));
            !keys.is_empty()
        });
        let keys = || self.maps.values().flat_map(|keys| keys.values());
        let places =
            keys().map(|place| &place.entries).chain(self.lists.values().map(|place| &place.entries));
        let placed: Vec<_> = places.flat_map(|entries| entries.iter().map(IndexEntry::id).zip(0..)).collect();
        self.keys = keys().count();
        self.entries = placed.len();
        placed
    }
}

impl KeyPlace {
    fn is_plain(&self) -> bool {
        let is_scalar = |position: &u32| self.entries[*position as usize].effect == Effect::Scalar;
        let is_alone = self.present.len() < 2 || self.present.iter().all(is_scalar);
        is_alone && !self.is_disputed() && self.entries.iter().all(is_plain)
    }

    /// False where nothing is left.
    fn condense(&mut self, seen: &Clock) -> bool {
        let stood = standing(&self.entries, Some(seen));
        let is_later = |entry: &IndexEntry| !entry.is_covered(Some(seen));
        let is_kept: Vec<bool> =
            self.entries.iter().zip(stood).map(|(entry, stood)| stood || is_later(entry)).collect();
        let mut next = 0;
        let position = |is_kept: &bool| {
            let position = is_kept.then_some(next);
            next += u32::from(*is_kept);
            position
        };
        let positions: Vec<Option<u32>> = is_kept.iter().map(position).collect();
        let moved =
            |old: &[u32]| -> Vec<u32> { old.iter().filter_map(|old| positions[*old as usize]).collect() };
        let entries =
            std::mem::take(&mut self.entries).into_iter().zip(is_kept).filter(|(_, is_kept)| *is_kept);
        let entries = entries.map(|(entry, _)| IndexEntry {
            predecessors: Positions::of(&moved(entry.predecessors.as_slice())),
            ..entry
        });
        self.entries = entries.collect();
        self.present = moved(&self.present);
        !self.entries.is_empty()
    }
}

/// True for scalars and deletions, and for objects that nothing has replaced.
fn is_plain(entry: &IndexEntry) -> bool {
    match entry.effect {
        Effect::Scalar | Effect::Nothing => true,
        Effect::Map { .. } | Effect::List { .. } => entry.replaced_by == 0,
        Effect::Text { .. } | Effect::Counter | Effect::Increment => false,
    }
}
