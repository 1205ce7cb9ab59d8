//! Clocks: what a change has seen, and the heads of what was seen.

use std::collections::BTreeSet;

use automerge::Change;

use super::{Clock, History, NodeId};

impl History {
    /// What is merged.
    pub(in crate::document) fn clock(&self) -> Clock {
        self.actors.iter().map(|actor| actor.changes.len() as u32).collect()
    }

    /// Takes an actor's last change out of a clock, if the clock covers it.
    pub(in crate::document) fn take_out(&self, clock: &mut Clock, change: &Change) {
        let seq = self.actor_number(change.actor_id()).and_then(|actor| clock.get_mut(actor as usize));
        if let Some(seq) = seq
            && u64::from(*seq) == change.seq()
        {
            *seq -= 1;
        }
    }

    /// What these changes and all their ancestors amount to.
    pub(in crate::document) fn clock_of(&self, nodes: &[NodeId]) -> Clock {
        self.walk_clock(nodes).0
    }

    /// The clock, and in how many steps it was found.
    pub(super) fn walk_clock(&self, nodes: &[NodeId]) -> (Clock, usize) {
        // `complete` holds whole clocks only: what it covers is known with all its ancestors.
        let mut complete: Clock = vec![0; self.actors.len()];
        let mut visited = BTreeSet::new();
        let mut open = nodes.to_vec();
        while let Some(id) = open.pop() {
            let node = self.node(id);
            if complete[node.actor as usize] >= node.seq || !visited.insert(id) {
                continue;
            }
            match &node.clock {
                Some(clock) => {
                    for (seen, seq) in complete.iter_mut().zip(clock) {
                        *seen = (*seen).max(*seq);
                    }
                }
                None => open.extend_from_slice(&node.deps),
            }
        }
        for id in &visited {
            let node = self.node(*id);
            let seen = &mut complete[node.actor as usize];
            *seen = (*seen).max(node.seq);
        }
        (complete, visited.len())
    }

    /// The heads of everything a *closed* clock covers: the last change of each actor that no other covered
    /// change depends on.
    pub(in crate::document) fn heads_of(&self, clock: &Clock) -> Vec<NodeId> {
        let is_covered = |child: &NodeId| {
            let child = self.node(*child);
            clock.get(child.actor as usize).is_some_and(|seq| child.seq <= *seq)
        };
        (0u32..)
            .zip(clock)
            .filter_map(|(actor, seq)| self.change_of(actor, u64::from(*seq)))
            .filter(|node| !self.node(*node).children.iter().any(is_covered))
            .collect()
    }
}
