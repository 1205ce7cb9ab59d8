//! Trying changes on top of the history, and taking them off again.

use super::{History, NodeId};

impl History {
    /// Begins changes that are undone when the savepoint goes away, unless they are kept.
    pub(in crate::document) fn savepoint(&mut self) -> Savepoint<'_> {
        let (length, keys) = (self.nodes.len(), self.key_numbers.len());
        Savepoint { history: self, length, keys }
    }

    fn truncate(&mut self, length: usize, keys: usize) {
        if self.key_numbers.len() > keys {
            self.key_numbers.retain(|_, number| (*number as usize) < keys);
        }
        while self.nodes.len() > length
            && let Some(node) = self.nodes.pop()
        {
            let id = self.nodes.len() as NodeId;
            self.by_hash.remove(&node.hash);
            self.operations -= node.operations.len();
            self.heads.remove(&id);
            for dep in &node.deps {
                let children = &mut self.nodes[*dep as usize].children;
                children.pop();
                if children.is_empty() {
                    self.heads.insert(*dep);
                }
            }
            let actor = &mut self.actors[node.actor as usize];
            actor.changes.pop();
            if actor.changes.is_empty() {
                self.forget_last_actor();
            }
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

/// Changes to a history that are undone when this is dropped, unless [`Savepoint::keep`] is called.
pub(in crate::document) struct Savepoint<'a> {
    history: &'a mut History,
    length: usize,
    keys: usize,
}

impl Savepoint<'_> {
    pub(in crate::document) fn keep(mut self) {
        self.length = self.history.nodes.len();
        self.keys = self.history.key_numbers.len();
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
        self.history.truncate(self.length, self.keys);
    }
}
