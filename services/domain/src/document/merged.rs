//! The Automerge document of the merged changes, made when something asks for it.
//!
//! Automerge takes as long for one change as for hundreds of them, and the longer the larger the document is.
//! So changes wait here, in the order of the index, until somebody reads what they amount to. A document that
//! nobody reads is never made.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::{Automerge, Change, ChangeHash, ReadDoc};

use super::history::{History, NodeId};

/// How many changes are applied in one step: few enough to bound what they take while they are parsed, enough
/// for the steps to be few.
const STEP_CHANGES_MAX: usize = 10_000;

/// The document, as far as it was made.
#[derive(Debug, Default)]
pub(super) struct MergedDocument {
    document: Automerge,
    /// How many changes of the index it has.
    applied: usize,
    /// Changes that passed every check and that Automerge did not take all the same.
    rejected: Vec<ChangeHash>,
}

impl MergedDocument {
    /// The document with the first changes of the index, as many as are told.
    pub(super) fn up_to(&mut self, history: &History, changes: usize) -> &Automerge {
        self.truncate(changes);
        while self.applied < changes {
            let step = (self.applied + STEP_CHANGES_MAX).min(changes);
            let nodes: Vec<NodeId> = (self.applied as NodeId..step as NodeId).collect();
            // A failure may leave the document in any state.
            let document = std::mem::take(&mut self.document);
            match apply(document, history, &nodes) {
                Some(document) => (self.document, self.applied) = (document, step),
                None => *self = Self::salvaged(history, changes),
            }
        }
        &self.document
    }

    /// Forgets the document where it has more than so many changes.
    pub(super) fn truncate(&mut self, changes: usize) {
        if self.applied > changes {
            *self = Self::default();
        }
    }

    /// Changes that turned out not to be applicable, each of which was named once before.
    pub(super) fn take_rejected(&mut self) -> Vec<ChangeHash> {
        std::mem::take(&mut self.rejected)
    }

    /// How many changes of the index the document has.
    pub(super) fn applied(&self) -> usize {
        self.applied
    }

    /// The last resort: the document without the changes that cannot be applied, and without what builds on
    /// them. The order is one that follows from the set of changes alone, so that every instance finds the
    /// same ones.
    fn salvaged(history: &History, changes: usize) -> Self {
        let mut salvage = Salvage { history, document: Automerge::new(), rejected: Vec::new() };
        for step in canonical_order(history, changes).chunks(STEP_CHANGES_MAX) {
            salvage.take(step);
        }
        let Salvage { document, rejected, .. } = salvage;
        let rejected = rejected.into_iter().map(|node| history.node(node).hash).collect();
        Self { document, applied: changes, rejected }
    }
}

struct Salvage<'a> {
    history: &'a History,
    document: Automerge,
    rejected: Vec<NodeId>,
}

impl Salvage<'_> {
    /// Applies as many of these as possible. Halves until the change to blame stands alone.
    fn take(&mut self, nodes: &[NodeId]) {
        match apply(self.document.clone(), self.history, nodes) {
            Some(document) => self.document = document,
            None if nodes.len() > 1 => {
                let (first, second) = nodes.split_at(nodes.len() / 2);
                self.take(first);
                self.take(second);
            }
            None => {
                let is_to_blame = nodes.iter().all(|node| self.has_all_dependencies(*node));
                self.rejected.extend(nodes.iter().filter(|_| is_to_blame));
            }
        }
    }

    /// False for a change that failed only because it builds on one that did.
    fn has_all_dependencies(&self, node: NodeId) -> bool {
        let mut deps = self.history.node(node).deps.iter();
        deps.all(|dep| self.document.get_change_meta_by_hash(&self.history.node(*dep).hash).is_some())
    }
}

/// The document with changes applied, or none if that fails in any way.
fn apply(mut document: Automerge, history: &History, nodes: &[NodeId]) -> Option<Automerge> {
    let applied = catch_unwind(AssertUnwindSafe(|| {
        let parse = |node: &NodeId| Change::from_bytes(history.node(*node).bytes.to_vec()).ok();
        let changes = nodes.iter().map(parse).collect::<Option<Vec<_>>>()?;
        let expected = document.stats().num_changes + changes.len() as u64;
        document.apply_changes(changes).ok()?;
        // Automerge sets changes aside, without an error, whose dependencies it does not have.
        (document.stats().num_changes == expected).then_some(document)
    }));
    applied.ok().flatten()
}

/// Every change after those it depends on; of several that may come next, the one with the smallest hash.
fn canonical_order(history: &History, changes: usize) -> Vec<NodeId> {
    let mut missing: Vec<usize> = Vec::with_capacity(changes);
    let mut dependents: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
    let mut ready = BinaryHeap::new();
    for id in 0..changes as NodeId {
        let node = history.node(id);
        missing.push(node.deps.len());
        node.deps.iter().for_each(|dep| dependents.entry(*dep).or_default().push(id));
        if node.deps.is_empty() {
            ready.push(Reverse((node.hash, id)));
        }
    }
    let mut order = Vec::with_capacity(changes);
    while let Some(Reverse((_, id))) = ready.pop() {
        order.push(id);
        for dependent in dependents.remove(&id).unwrap_or_default() {
            missing[dependent as usize] -= 1;
            if missing[dependent as usize] == 0 {
                ready.push(Reverse((history.node(dependent).hash, dependent)));
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use automerge::ActorId;
    use time::OffsetDateTime;
    use uuid::Uuid;

    use crate::document::change::ParsedChange;
    use crate::document::check::check;
    use crate::document::{ChangeFault, ItemSeed, Limits, NewChange, RecordedChange, SessionDocument};

    fn recorded(change: &NewChange) -> RecordedChange {
        change.recorded(Uuid::nil(), OffsetDateTime::UNIX_EPOCH)
    }

    fn items_change(session: &SessionDocument, actor: u8, item_id: &str) -> NewChange {
        let item = ItemSeed { item_id: item_id.to_owned(), ..ItemSeed::default() };
        let change = session.items_change(&ActorId::from([actor]), &[item], OffsetDateTime::UNIX_EPOCH);
        change.expect("the item is new")
    }

    /// No change is known that passes the checks and that Automerge does not take, so this one gets its bytes
    /// damaged behind the checks.
    fn merge_damaged(session: &mut SessionDocument, change: &NewChange) {
        let parsed = ParsedChange::parse(&change.bytes, &Limits::default()).expect("it is sound");
        let mut node = check(&mut session.history, &parsed, &recorded(change).provenance).expect("it fits");
        node.bytes[9] ^= 0xff;
        session.history.push(node);
    }

    #[test]
    fn a_change_that_cannot_be_applied_is_quarantined_and_harms_no_other() {
        let mut session = SessionDocument::empty();
        let first = items_change(&session, 1, "first");
        session.integrate([recorded(&first)]);
        let damaged = items_change(&session, 2, "damaged");
        let beside = items_change(&session, 3, "beside");
        merge_damaged(&mut session, &damaged);
        session.integrate([recorded(&beside)]);
        let above = items_change(&session, 4, "above");
        session.integrate([recorded(&above)]);

        let _ = session.save();
        let shown = session.view().document;
        let keys: Vec<_> = shown["items"].as_object().into_iter().flat_map(serde_json::Map::keys).collect();
        assert_eq!(keys, ["beside", "first"]);

        let later = items_change(&session, 5, "later");
        session.integrate([]);
        assert_eq!(session.heads(), [beside.hash.to_string()]);
        let quarantined: Vec<_> =
            session.quarantined().into_iter().map(|change| (change.hash, change.fault)).collect();
        assert_eq!(quarantined, [(damaged.hash, ChangeFault::NotApplicable)]);
        assert_eq!(session.held().len(), 1);

        let after = items_change(&session, 6, "after");
        session.integrate([recorded(&later), recorded(&after)]);
        assert_eq!(session.view().document["items"].as_object().map(serde_json::Map::len), Some(3));
    }
}
