//! Going back to how the document was before changes that did not get stored.

use std::sync::PoisonError;

use automerge::Change;

use super::history::{Extent, NodeId};
use super::session::{CountedItems, SessionDocument};

/// How a document was at one time; see [`SessionDocument::mark`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    extent: Extent,
    unmerged: u64,
    change_bytes: usize,
}

impl SessionDocument {
    /// Marks the present state, so that what is adopted from now on can be taken back if it does not get
    /// stored. Marks may nest; going back to one makes those that were set after it void.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark {
            extent: self.history.extent(),
            unmerged: self.unmerged.revision(),
            change_bytes: self.change_bytes,
        }
    }

    /// Goes back to a mark of this document, in as many steps as changes came since. True when that was
    /// possible: if held or quarantined changes came or went in between it is not, and the document must be
    /// built again from the store. Where the Automerge document was read since the mark, it is made again when
    /// it is read next.
    #[must_use]
    pub fn roll_back(&mut self, mark: &Mark) -> bool {
        if self.unmerged.revision() != mark.unmerged || self.history.extent() < mark.extent {
            return false;
        }
        for id in mark.extent.changes..self.history.len() {
            self.forget_operations(id as NodeId);
        }
        self.history.truncate(mark.extent);
        self.merged_mut().truncate(mark.extent.changes);
        self.change_bytes = mark.change_bytes;
        *self.counted_items.get_mut().unwrap_or_else(PoisonError::into_inner) = CountedItems::default();
        true
    }

    fn forget_operations(&mut self, id: NodeId) {
        let node = self.history.node(id);
        let actor = self.history.actor(node.actor);
        let (Some(device), Ok(change)) = (&actor.device, Change::from_bytes(node.bytes.to_vec())) else {
            return;
        };
        for op_id in change.message().into_iter().flat_map(str::lines) {
            self.operation_ids.remove(&(actor.user_id, device.clone(), op_id.to_owned()));
        }
    }
}
