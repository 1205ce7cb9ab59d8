//! Trying changes on top of the history, and taking them off again.

use super::{History, NodeId};
use crate::spelling;

impl History {
    /// Begins changes that are undone when the savepoint goes away.
    pub(in crate::document) fn savepoint(&mut self) -> Savepoint<'_> {
        let base = self.extent();
        Savepoint { history: self, base }
    }

    /// How much there is now.
    pub(in crate::document) fn extent(&self) -> Extent {
        Extent { changes: self.nodes.len(), keys: self.keys.len() }
    }

    /// Takes off everything that came since.
    pub(in crate::document) fn truncate(&mut self, to: Extent) {
        while self.nodes.len() > to.changes {
            self.take_off_last();
        }
        for key in self.keys.drain(to.keys.min(self.keys.len())..) {
            self.key_numbers.remove(&key);
            if let Some(id) = spelling::unusual_id(&key)
                && let Some(numbers) = self.spellings.get_mut(&id)
            {
                numbers.retain(|number| (*number as usize) < to.keys);
            }
        }
    }

    fn take_off_last(&mut self) {
        let Some(id) = (self.nodes.len() as NodeId).checked_sub(1) else { return };
        self.displace_operations(id);
        let Some(node) = self.nodes.pop() else { return };
        self.by_hash.remove(&node.hash);
        self.operations -= node.operations.len();
        self.change_bytes -= node.bytes.len();
        self.clock_entries -= node.clock.as_ref().map_or(0, |clock| clock.len());
        self.heads.remove(&id);
        for dep in &node.deps {
            let children = &mut self.nodes[*dep as usize].children;
            children.retain(|child| *child != (node.actor, node.seq));
            if children.is_empty() {
                self.heads.insert(*dep);
            }
        }
        let actor = &mut self.actors[node.actor as usize];
        actor.last_seq = node.seq - 1;
        actor.changes.pop();
        actor.start_ops.pop();
        if actor.changes.is_empty() {
            self.forget_last_actor();
        }
    }

    /// Actors come and go in the order of their first changes, so the one without changes is the last.
    fn forget_last_actor(&mut self) {
        let Some(actor) = self.actors.pop() else { return };
        self.actor_numbers.remove(&actor.id);
        if let Some(device) = actor.device
            && let Some(numbers) = self.device_actors.get_mut(&(actor.user_id, device))
        {
            numbers.pop();
        }
    }
}

/// How much a history held at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(in crate::document) struct Extent {
    /// Changes.
    pub(in crate::document) changes: usize,
    keys: usize,
}

/// Changes to a history that are undone when this is dropped.
pub(in crate::document) struct Savepoint<'a> {
    history: &'a mut History,
    base: Extent,
}

impl Savepoint<'_> {
    /// What was there before.
    pub(in crate::document) fn base(&self) -> Extent {
        self.base
    }
}

impl std::ops::Deref for Savepoint<'_> {
    type Target = History;

    fn deref(&self) -> &History {
        self.history
    }
}

impl std::ops::DerefMut for Savepoint<'_> {
    fn deref_mut(&mut self) -> &mut History {
        self.history
    }
}

impl Drop for Savepoint<'_> {
    fn drop(&mut self) {
        self.history.truncate(self.base);
    }
}
