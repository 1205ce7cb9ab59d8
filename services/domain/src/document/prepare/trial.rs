//! Trying a client's changes where they can do no harm.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType, SortedVec};
use automerge::{ActorId, Automerge, Change, ChangeHash, ExpandedChange, ObjType, ReadDoc, ScalarValue};

use crate::document::change::ParsedChange;
use crate::document::history::{Effect, History, OpRef, OpSketch, SketchKey};

/// True when changes can be applied to a document, and the result saved and loaded. The document stays as it
/// is.
pub(super) fn is_sound_with(document: &Automerge, changes: Vec<Change>) -> bool {
    let trial = catch_unwind(AssertUnwindSafe(|| {
        let mut document = document.clone();
        let expected = document.stats().num_changes + changes.len() as u64;
        let is_applied = document.apply_changes(changes).is_ok() && document.stats().num_changes == expected;
        let loads = || {
            Automerge::load(&document.save_nocompress())
                .is_ok_and(|loaded| loaded.get_heads() == document.get_heads())
        };
        is_applied && loads()
    }));
    trial.unwrap_or(false)
}

/// True when a change can be applied to a document that has as much of the history as the change names and no
/// more, and the result can be saved and loaded. Such a document has the objects that the change acts on, the
/// elements that it names and the operations that it replaces, each under its own id. So a trial takes as
/// long as the change is large, however large the document is. The change must be in the history.
pub(super) fn is_sound_in_miniature(history: &History, parsed: &ParsedChange) -> bool {
    if parsed.expanded.operations.is_empty() {
        return true;
    }
    let mut miniature = Miniature { history, by_counter: BTreeMap::new() };
    miniature.add_named_by(parsed);
    is_sound_with(&Automerge::new(), miniature.finish(&parsed.expanded))
}

struct Miniature<'a> {
    history: &'a History,
    /// Operations by counter and actor, so each comes after all those that it builds on.
    by_counter: BTreeMap<u32, HashMap<u32, OpSketch>>,
}

impl Miniature<'_> {
    fn add_named_by(&mut self, parsed: &ParsedChange) {
        let own = |id: &OpId| {
            id.actor() == parsed.change.actor_id() && id.counter() >= parsed.change.start_op().get()
        };
        for operation in &parsed.expanded.operations {
            let object = match &operation.obj {
                ObjectId::Id(id) => Some(id),
                ObjectId::Root => None,
            };
            let element = match &operation.key {
                Key::Seq(ElementId::Id(id)) => Some(id),
                _ => None,
            };
            for id in object.into_iter().chain(element).chain(operation.pred.iter()).filter(|id| !own(id)) {
                self.add_id(id);
            }
        }
    }

    fn add_id(&mut self, id: &OpId) {
        let Some(actor) = self.history.actor_number(id.actor()) else { return };
        let Ok(counter) = u32::try_from(id.counter()) else { return };
        self.add(OpRef { actor, counter });
    }

    /// Adds an operation and what it stands in.
    fn add(&mut self, id: OpRef) {
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            let Some((sketch, _)) = self.history.operation(id) else { continue };
            if self.by_counter.entry(id.counter).or_default().insert(id.actor, *sketch).is_none() {
                open.push(sketch.object);
                open.extend(sketch.element(id).filter(|element| *element != id));
            }
        }
    }

    /// The changes of the miniature, and behind them the one that is tried.
    fn finish(self, tried: &ExpandedChange) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut sequence: HashMap<ActorId, u64> = HashMap::new();
        let mut next_seq = |actor: &ActorId| {
            let seq = sequence.entry(actor.clone()).or_default();
            *seq += 1;
            *seq
        };
        let mut deps: Vec<ChangeHash> = Vec::new();
        for (counter, operations) in &self.by_counter {
            let mut heads = Vec::new();
            for (actor, sketch) in operations {
                let id = OpRef { actor: *actor, counter: *counter };
                let actor_id = self.history.actor(*actor).id.clone();
                let change = Change::from(ExpandedChange {
                    operations: vec![self.operation(id, sketch)],
                    seq: next_seq(&actor_id),
                    actor_id,
                    hash: None,
                    start_op: NonZeroU64::MIN.saturating_add(u64::from(*counter) - 1),
                    time: 0,
                    message: None,
                    deps: deps.clone(),
                    extra_bytes: Vec::new(),
                    author: None,
                });
                heads.push(change.hash());
                changes.push(change);
            }
            heads.sort_unstable();
            deps = heads;
        }
        let seq = next_seq(&tried.actor_id);
        changes.push(Change::from(ExpandedChange { seq, deps, hash: None, ..tried.clone() }));
        changes
    }

    /// An operation with the same id, place and kind of effect.
    fn operation(&self, id: OpRef, sketch: &OpSketch) -> Op {
        let is_root = sketch.object == OpRef::ROOT;
        let in_text = matches!(self.history.effect(sketch.object), Effect::Text { .. });
        let replaced =
            sketch.element(id).filter(|_| !sketch.insert).map(|element| self.history.op_id(element));
        let key = match (sketch.key, &replaced) {
            (SketchKey::Map(key), _) => Key::Map(self.history.key(key).into()),
            (_, Some(element)) => Key::Seq(ElementId::Id(element.clone())),
            // The order of elements does not matter here.
            _ => Key::Seq(ElementId::Head),
        };
        Op {
            action: match sketch.effect {
                Effect::Map { .. } => OpType::Make(ObjType::Map),
                Effect::List { .. } => OpType::Make(ObjType::List),
                Effect::Text { .. } => OpType::Make(ObjType::Text),
                Effect::Counter => OpType::Put(ScalarValue::counter(0)),
                Effect::Scalar if in_text => OpType::Put(ScalarValue::Str("x".into())),
                Effect::Scalar | Effect::Increment | Effect::Nothing => OpType::Put(ScalarValue::Null),
            },
            obj: if is_root { ObjectId::Root } else { ObjectId::Id(self.history.op_id(sketch.object)) },
            key,
            pred: SortedVec::from(Vec::from_iter(replaced)),
            insert: sketch.insert,
        }
    }
}
