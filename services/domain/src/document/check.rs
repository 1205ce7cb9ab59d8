//! Does a change fit into the history? Rules that depend on the change and its ancestors alone.
//!
//! Because they depend on nothing else, every instance comes to the same answer in any order in which changes
//! arrive. They are stricter than the library: a change that breaks one of them either panics inside
//! Automerge 0.12 or is accepted and makes a document that cannot be loaded again.

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType};
use automerge::{ActorId, Change, ObjType, ScalarValue};

use super::change::{ParsedChange, Provenance};
use super::history::{
    ActorNumber, Clock, Effect, History, NewNode, NodeId, OpRef, OpSketch, Predecessor, SketchKey,
};
use super::limits::{
    COUNTER_START_MAX, COUNTER_STEP_MAX, OBJECT_DEPTH_MAX, OPERATION_COUNTER_GAP_MAX, OPERATION_COUNTER_MAX,
};
use super::refusal::ChangeFault;

/// Checks of a change what needs no history, for one that waits for its dependencies.
pub(super) fn check_alone(parsed: &ParsedChange) -> Result<(), ChangeFault> {
    let change = &parsed.change;
    if change.seq() == 0 {
        return Err(ChangeFault::SequenceGap { previous: 0, found: 0 });
    }
    let start_op = change.start_op().get();
    if start_op.saturating_add(change.len() as u64) > u64::from(OPERATION_COUNTER_MAX) {
        return Err(ChangeFault::StartOp { found: start_op, above: 0 });
    }
    for (position, operation) in parsed.expanded.operations.iter().enumerate() {
        effect_of(&operation.action, 0)
            .map_err(|reason| ChangeFault::Operation { operation: position, reason })?;
    }
    Ok(())
}

/// Checks a change whose dependencies are all merged, and describes it for the history.
pub(super) fn check(
    history: &mut History,
    parsed: &ParsedChange,
    provenance: &Provenance,
) -> Result<NewNode, ChangeFault> {
    let change = &parsed.change;
    let deps = dependencies(history, change)?;
    let seen = history.seen_by(&deps);
    check_line(history, change, provenance, &seen.clock)?;
    let start_op = check_start_op(history, change, &deps)?;
    let operations = Operations {
        actor: history.actor_number_or_next(change.actor_id()),
        actor_id: change.actor_id(),
        history,
        seen: &seen.clock,
        start_op,
        sketches: Vec::with_capacity(parsed.expanded.operations.len()),
        predecessors: Vec::new(),
    };
    let (operations, predecessors) = operations.check(&parsed.expanded.operations)?;
    Ok(NewNode {
        operations,
        predecessors,
        hash: change.hash(),
        actor: change.actor_id().clone(),
        user_id: provenance.user_id,
        device: provenance.device.clone(),
        seq: change.seq() as u32,
        start_op,
        deps,
        seen,
        bytes: change.raw_bytes().into(),
        stated_at_seconds: change.timestamp(),
        received_at: provenance.received_at,
    })
}

fn dependencies(history: &History, change: &Change) -> Result<Box<[NodeId]>, ChangeFault> {
    let missing = ChangeFault::Corrupt("a dependency is missing");
    let deps: Option<Vec<_>> = change.deps().iter().map(|hash| history.find(hash)).collect();
    let deps = deps.ok_or(missing)?;
    let mut unique = deps.clone();
    unique.sort_unstable();
    unique.dedup();
    if unique.len() < deps.len() {
        return Err(ChangeFault::Corrupt("a dependency is named twice"));
    }
    Ok(deps.into_boxed_slice())
}

/// An actor is one writer with one line of changes, each of which has seen the one before.
fn check_line(
    history: &History,
    change: &Change,
    provenance: &Provenance,
    seen: &Clock,
) -> Result<(), ChangeFault> {
    let number = history.actor_number(change.actor_id());
    if let Some(actor) = number.map(|number| history.actor(number))
        && (actor.user_id != provenance.user_id || actor.device != provenance.device)
    {
        return Err(ChangeFault::ForeignActor { actor: change.actor_id().clone() });
    }
    let previous = number.and_then(|number| seen.get(number as usize)).copied().unwrap_or(0);
    if change.seq() != u64::from(previous) + 1 {
        return Err(ChangeFault::SequenceGap { previous: previous.into(), found: change.seq() });
    }
    if change.author().is_some() && change.seq() != 1 {
        return Err(ChangeFault::Corrupt("an author may be stated in an actor's first change only"));
    }
    Ok(())
}

fn check_start_op(history: &History, change: &Change, deps: &[NodeId]) -> Result<u32, ChangeFault> {
    let above = history.highest_counter(deps);
    let found = change.start_op().get();
    let fault = ChangeFault::StartOp { found, above };
    let start_op = u32::try_from(found).map_err(|_| fault.clone())?;
    // A saved document does not keep the counter of a change without operations; it is worked out again.
    let gap_max = if change.is_empty() { 1 } else { OPERATION_COUNTER_GAP_MAX };
    let is_above = start_op > above && start_op - above <= gap_max;
    let last = u64::from(start_op) + change.len() as u64;
    if is_above && last <= u64::from(OPERATION_COUNTER_MAX) { Ok(start_op) } else { Err(fault) }
}

/// The operations of one change while they are checked, in order.
struct Operations<'a> {
    history: &'a mut History,
    seen: &'a Clock,
    actor: ActorNumber,
    actor_id: &'a ActorId,
    start_op: u32,
    sketches: Vec<OpSketch>,
    predecessors: Vec<Predecessor>,
}

impl Operations<'_> {
    fn check(mut self, operations: &[Op]) -> Result<(Box<[OpSketch]>, Vec<Predecessor>), ChangeFault> {
        for (position, operation) in operations.iter().enumerate() {
            let sketch = self
                .sketch(operation)
                .map_err(|reason| ChangeFault::Operation { operation: position, reason })?;
            self.sketches.push(sketch);
        }
        Ok((self.sketches.into_boxed_slice(), self.predecessors))
    }

    fn sketch(&mut self, operation: &Op) -> Result<OpSketch, &'static str> {
        let (object, container) = self.container(&operation.obj)?;
        let (key, depth) = match (container, &operation.key) {
            (Effect::Map { depth }, Key::Map(key)) if !operation.insert => {
                (SketchKey::Map(self.history.key_number(key)), depth)
            }
            (Effect::List { depth } | Effect::Text { depth }, Key::Seq(element)) => {
                (self.element(object, element, operation.insert)?, depth)
            }
            _ => return Err("the key does not suit the kind of object"),
        };
        let effect = effect_of(&operation.action, depth)?;
        if matches!(container, Effect::Text { .. }) {
            check_text_operation(&operation.action)?;
        }
        let sketch = OpSketch::new(object, key, operation.insert, effect);
        self.check_predecessors(operation, &sketch)?;
        Ok(sketch)
    }

    fn container(&self, object: &ObjectId) -> Result<(OpRef, Effect), &'static str> {
        let ObjectId::Id(id) = object else { return Ok((OpRef::ROOT, Effect::Map { depth: 0 })) };
        let (id, sketch) = self.find(id).ok_or("it acts on an object that the change has not seen")?;
        match sketch.effect {
            Effect::Map { .. } | Effect::List { .. } | Effect::Text { .. } => Ok((id, sketch.effect)),
            _ => Err("it acts on something that is not an object"),
        }
    }

    fn element(&self, object: OpRef, element: &ElementId, insert: bool) -> Result<SketchKey, &'static str> {
        let ElementId::Id(id) = element else {
            return if insert {
                Ok(SketchKey::Head)
            } else {
                Err("it changes an element without naming one")
            };
        };
        let (id, sketch) = self.find(id).ok_or("it names an element that the change has not seen")?;
        if sketch.insert && sketch.object == object {
            Ok(SketchKey::Element(id))
        } else {
            Err("it names an element of another object")
        }
    }

    fn check_predecessors(&mut self, operation: &Op, sketch: &OpSketch) -> Result<(), &'static str> {
        let predecessors: Vec<&OpId> = operation.pred.iter().collect();
        if operation.insert {
            let adds_value = predecessors.is_empty() && sketch.effect.has_value();
            return if adds_value { Ok(()) } else { Err("an insertion adds a value and replaces none") };
        }
        if predecessors.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err("it names a predecessor twice");
        }
        let must_replace = !sketch.effect.has_value() || matches!(sketch.key, SketchKey::Element(_));
        if must_replace && predecessors.is_empty() {
            return Err("it replaces nothing");
        }
        let is_increment = matches!(operation.action, OpType::Increment(_));
        let mut adds_to_counter = false;
        for predecessor in predecessors {
            let (id, replaced) =
                self.find(predecessor).ok_or("it names a predecessor that the change has not seen")?;
            let same_place = match replaced.insert {
                true => sketch.key == SketchKey::Element(id),
                false => replaced.key == sketch.key,
            };
            if !same_place || replaced.object != sketch.object || !replaced.effect.has_value() {
                return Err("it names a predecessor of another place");
            }
            adds_to_counter |= replaced.effect == Effect::Counter;
            self.predecessors.push(Predecessor { by: self.sketches.len() as u32, of: id });
        }
        if is_increment && !adds_to_counter {
            return Err("it increments something that is not a counter");
        }
        Ok(())
    }

    /// An operation that this change has seen: an earlier one of its own, or one of an ancestor.
    fn find(&self, id: &OpId) -> Option<(OpRef, OpSketch)> {
        let counter = u32::try_from(id.counter()).ok()?;
        if id.actor() == self.actor_id && counter >= self.start_op {
            let sketch = self.sketches.get((counter - self.start_op) as usize)?;
            return Some((OpRef { actor: self.actor, counter }, *sketch));
        }
        let id = OpRef { actor: self.history.actor_number(id.actor())?, counter };
        let (sketch, node) = self.history.operation(id)?;
        let seen = *self.seen.get(node.actor as usize)?;
        (node.seq <= seen).then_some((id, *sketch))
    }
}

fn effect_of(action: &OpType, container_depth: u8) -> Result<Effect, &'static str> {
    let depth = container_depth + 1;
    if matches!(action, OpType::Make(_)) && depth > OBJECT_DEPTH_MAX {
        return Err("objects are nested too deeply");
    }
    match action {
        // A table is what the library called a map of rows once; it reads one as a map.
        OpType::Make(ObjType::Map | ObjType::Table) => Ok(Effect::Map { depth }),
        OpType::Make(ObjType::List) => Ok(Effect::List { depth }),
        OpType::Make(ObjType::Text) => Ok(Effect::Text { depth }),
        OpType::Put(ScalarValue::Counter(counter)) => {
            if i64::from(counter).unsigned_abs() > COUNTER_START_MAX {
                return Err("its counter is too large");
            }
            Ok(Effect::Counter)
        }
        OpType::Put(_) => Ok(Effect::Scalar),
        OpType::Increment(by) if by.unsigned_abs() > COUNTER_STEP_MAX => Err("its increment is too large"),
        OpType::Increment(_) => Ok(Effect::Increment),
        OpType::Delete => Ok(Effect::Nothing),
        // A mark that ends before it begins makes a document that cannot be loaded, and the index does not know the order of characters.
        OpType::MarkBegin(_) | OpType::MarkEnd(_) => Err("formatting marks are not supported"),
    }
}

fn check_text_operation(action: &OpType) -> Result<(), &'static str> {
    match action {
        OpType::Put(ScalarValue::Str(text)) if !text.is_empty() => Ok(()),
        OpType::Make(ObjType::Map) | OpType::Delete => Ok(()),
        _ => Err("text holds characters and block markers only"),
    }
}
