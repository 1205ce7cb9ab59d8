//! Clocks: what a change has seen, and the heads of what was seen.

use std::collections::BinaryHeap;

use super::{ActorNumber, Clock, History, NodeId, Seen};

impl History {
    /// What is merged.
    pub(in crate::document) fn clock(&self) -> Clock {
        self.actors.iter().map(|actor| actor.last_seq).collect()
    }

    /// What these changes and all their ancestors amount to.
    pub(in crate::document) fn clock_of(&self, nodes: &[NodeId]) -> Clock {
        self.seen_by(nodes).clock
    }

    /// The same, and in how many steps it was found.
    pub(in crate::document) fn seen_by(&self, nodes: &[NodeId]) -> Seen {
        // `complete` holds whole clocks only: what it covers is known with all its ancestors.
        let mut complete: Clock = vec![0; self.actors.len()];
        let mut visited: Vec<NodeId> = Vec::new();
        // The latest first. So one that several others name comes from all of them in a row, and in a line there is never more than one.
        let mut open: BinaryHeap<NodeId> = nodes.iter().copied().collect();
        while let Some(id) = open.pop() {
            let node = self.node(id);
            if complete[node.actor as usize] >= node.seq || visited.last() == Some(&id) {
                continue;
            }
            visited.push(id);
            match &node.clock {
                Some(clock) => {
                    for (seen, seq) in complete.iter_mut().zip(clock) {
                        *seen = (*seen).max(*seq);
                    }
                }
                None => open.extend(&node.deps),
            }
        }
        for id in &visited {
            let node = self.node(*id);
            let seen = &mut complete[node.actor as usize];
            *seen = (*seen).max(node.seq);
        }
        Seen { clock: complete, steps: visited.len() }
    }

    /// The heads of everything a *closed* clock covers: the last change of each actor that no other covered
    /// change depends on.
    pub(in crate::document) fn heads_of(&self, clock: &Clock) -> Vec<NodeId> {
        let is_covered =
            |(actor, child): &(ActorNumber, u32)| clock.get(*actor as usize).is_some_and(|seq| child <= seq);
        (0u32..)
            .zip(clock)
            .filter_map(|(actor, seq)| self.change_of(actor, u64::from(*seq)))
            .filter(|node| !self.node(*node).children.iter().any(is_covered))
            .collect()
    }
}
