//! The index of merged changes: who made them, what they saw, what their operations touch.
//!
//! It is kept apart from the Automerge document on purpose. The document answers "what is the value"; this
//! answers "is this allowed at that point of the history", for changes that must not touch the document
//! before that is known.

mod clock;
mod condensed;
mod entry;
mod list;
mod node;
mod operation;
mod places;
mod savepoint;
mod standing;

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use automerge::legacy::OpId;
use automerge::{ActorId, ChangeHash};
use uuid::Uuid;

use self::condensed::LeftOut;
pub(super) use self::list::Element;
pub(super) use self::node::{Actor, NewNode, Node, Seen};
pub(super) use self::operation::{Effect, OpRef, OpSketch, Predecessor, SketchKey};
use self::places::Places;
pub(super) use self::savepoint::{Extent, Savepoint};
pub(super) use self::standing::{Part, Spot, Standing};
use crate::spelling;

pub(super) type NodeId = u32;
pub(super) type ActorNumber = u32;

/// The highest sequence number seen of each actor, by actor number; 0 is none.
pub(super) type Clock = Vec<u32>;

/// A change keeps the clock of its ancestors if computing it took more steps than this, which bounds the
/// steps for each change above it.
const CLOCK_STEPS_MAX: usize = 32;

/// The index of merged changes.
#[derive(Debug, Default)]
pub(super) struct History {
    nodes: Vec<Node>,
    by_hash: HashMap<ChangeHash, NodeId>,
    actors: Vec<Actor>,
    actor_numbers: HashMap<ActorId, ActorNumber>,
    device_actors: HashMap<(Uuid, String), Vec<ActorNumber>>,
    key_numbers: HashMap<Arc<str>, u32>,
    /// Map keys by their numbers.
    keys: Vec<Arc<str>>,
    /// The numbers of keys that spell an id in another way than we do.
    spellings: HashMap<Uuid, Vec<u32>>,
    heads: BTreeSet<NodeId>,
    operations: usize,
    places: Places,
    /// Bytes of the merged changes.
    change_bytes: usize,
    /// Entries of the clocks that changes keep.
    clock_entries: usize,
    left_out: LeftOut,
}

impl History {
    /// How many changes are in the index.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// How many changes are merged, with those that were left out of the index.
    pub(super) fn change_count(&self) -> usize {
        self.nodes.len() + self.left_out.changes
    }

    /// Operations of all merged changes.
    pub(super) fn operation_count(&self) -> usize {
        self.operations + self.left_out.operations
    }

    /// Bytes of all merged changes, uncompressed.
    pub(super) fn change_bytes(&self) -> usize {
        self.change_bytes + self.left_out.change_bytes
    }

    pub(super) fn find(&self, hash: &ChangeHash) -> Option<NodeId> {
        self.by_hash.get(hash).copied()
    }

    pub(super) fn node(&self, node: NodeId) -> &Node {
        &self.nodes[node as usize]
    }

    pub(super) fn actors(&self) -> &[Actor] {
        &self.actors
    }

    pub(super) fn actor(&self, number: ActorNumber) -> &Actor {
        &self.actors[number as usize]
    }

    pub(super) fn actor_number(&self, id: &ActorId) -> Option<ActorNumber> {
        self.actor_numbers.get(id).copied()
    }

    /// The number that this actor has, or will have once its first change is added.
    pub(super) fn actor_number_or_next(&self, id: &ActorId) -> ActorNumber {
        self.actor_number(id).unwrap_or(self.actors.len() as u32)
    }

    /// An actor's change with a sequence number, if it is merged.
    pub(super) fn change_of(&self, actor: ActorNumber, seq: u64) -> Option<NodeId> {
        let Actor { changes, last_seq, .. } = self.actor(actor);
        if changes.len() == *last_seq as usize {
            return changes.get(usize::try_from(seq.checked_sub(1)?).ok()?).copied();
        }
        // Some are left out.
        let found = changes.binary_search_by_key(&seq, |node| u64::from(self.node(*node).seq));
        found.ok().map(|position| changes[position])
    }

    /// The change that an entry of a clock names: an actor in hex and a sequence number. None for one that is not merged.
    pub(super) fn change_named(&self, (actor, seq): (&str, u64)) -> Option<NodeId> {
        self.change_of(self.actor_number(&ActorId::try_from(actor).ok()?)?, seq)
    }

    /// The last changes of all actors that stand for a user's device.
    pub(super) fn last_of_device(&self, user_id: Uuid, device: &str) -> Vec<NodeId> {
        let actors = self.device_actors.get(&(user_id, device.to_owned()));
        let last = |number: &ActorNumber| self.actor(*number).changes.last().copied();
        actors.into_iter().flatten().filter_map(last).collect()
    }

    /// The actors that stand for a user's device.
    pub(super) fn actors_of_device(&self, user_id: Uuid, device: &str) -> impl Iterator<Item = &ActorId> {
        let actors = self.device_actors.get(&(user_id, device.to_owned()));
        actors.into_iter().flatten().map(|number| &self.actor(*number).id)
    }

    /// The actors that stand for any device of a user.
    pub(super) fn actors_of_user(&self, user_id: Uuid) -> impl Iterator<Item = &ActorId> {
        let of_user = self.device_actors.iter().filter(move |((user, _), _)| *user == user_id);
        of_user.flat_map(|(_, actors)| actors).map(|number| &self.actor(*number).id)
    }

    pub(super) fn heads(&self) -> Vec<NodeId> {
        self.heads.iter().copied().collect()
    }

    /// The first change of each actor that depends on this one.
    pub(super) fn children(&self, node: NodeId) -> impl Iterator<Item = NodeId> {
        let children = self.node(node).children.iter();
        children.filter_map(|(actor, seq)| self.change_of(*actor, u64::from(*seq)))
    }

    pub(super) fn hashes(&self, nodes: &[NodeId]) -> Vec<ChangeHash> {
        let mut hashes: Vec<_> = nodes.iter().map(|node| self.node(*node).hash).collect();
        hashes.sort_unstable();
        hashes
    }

    /// The highest operation counter of these changes and their ancestors.
    pub(super) fn highest_counter(&self, nodes: &[NodeId]) -> u32 {
        nodes.iter().map(|node| self.node(*node).highest_counter).max().unwrap_or(0)
    }

    /// The number of a map key.
    pub(super) fn key_number(&mut self, key: &str) -> u32 {
        if let Some(number) = self.key_numbers.get(key) {
            return *number;
        }
        let number = self.keys.len() as u32;
        if let Some(id) = spelling::unusual_id(key) {
            self.spellings.entry(id).or_default().push(number);
        }
        let key: Arc<str> = key.into();
        self.keys.push(Arc::clone(&key));
        self.key_numbers.insert(key, number);
        number
    }

    /// The number of a map key that some operation has named.
    pub(super) fn known_key(&self, key: &str) -> Option<u32> {
        self.key_numbers.get(key).copied()
    }

    /// The numbers of the map keys that mean the same as one where keys are ids: that key, and all that spell its id.
    pub(super) fn keys_meaning(&self, key: &str) -> Vec<u32> {
        let Some(id) = spelling::id_of(key) else { return self.known_key(key).into_iter().collect() };
        let usual = self.known_key(&spelling::usual(id));
        usual.into_iter().chain(self.spellings.get(&id).into_iter().flatten().copied()).collect()
    }

    /// True where some key spells an id in another way than we do.
    pub(super) fn has_unusual_spellings(&self) -> bool {
        self.spellings.values().any(|numbers| !numbers.is_empty())
    }

    /// All map keys by their numbers.
    pub(super) fn keys(&self) -> &[Arc<str>] {
        &self.keys
    }

    /// The map key with a number.
    pub(super) fn key(&self, number: u32) -> &str {
        &self.keys[number as usize]
    }

    /// An operation and the change that made it.
    pub(super) fn operation(&self, id: OpRef) -> Option<(&OpSketch, &Node)> {
        let actor = self.actors.get(id.actor as usize)?;
        let behind = actor.start_ops.partition_point(|start_op| *start_op <= id.counter);
        let node = self.node(*actor.changes.get(behind.checked_sub(1)?)?);
        let sketch = node.operations.get((id.counter - node.start_op) as usize)?;
        Some((sketch, node))
    }

    /// The element of a list at which an operation acts; none in a map.
    pub(super) fn element_of(&self, id: OpRef) -> Option<OpRef> {
        self.operation(id).and_then(|(sketch, _)| sketch.element(id))
    }

    /// An operation's id as changes write it.
    pub(super) fn op_id(&self, id: OpRef) -> OpId {
        OpId::new(id.counter.into(), &self.actor(id.actor).id)
    }

    /// What an operation of the index leaves behind.
    pub(super) fn effect(&self, id: OpRef) -> Effect {
        if id == OpRef::ROOT {
            return Effect::Map { depth: 0 };
        }
        self.operation(id).map_or(Effect::Nothing, |(sketch, _)| sketch.effect)
    }

    /// Automerge's order of operations: by counter, then by the bytes of the actor.
    pub(super) fn compare(&self, one: OpRef, other: OpRef) -> Ordering {
        let by_actor = || self.actor(one.actor).id.cmp(&self.actor(other.actor).id);
        one.counter.cmp(&other.counter).then_with(by_actor)
    }

    /// Makes room for so many more changes at once.
    pub(super) fn reserve(&mut self, changes: usize) {
        self.nodes.reserve(changes);
        self.by_hash.reserve(changes);
    }

    /// Adds a change that passed its checks.
    pub(super) fn push(&mut self, new: NewNode) -> NodeId {
        let id = self.nodes.len() as NodeId;
        let actor = self.actor_for(&new);
        let line = &mut self.actors[actor as usize];
        line.last_seq = new.seq;
        line.changes.push(id);
        line.start_ops.push(new.start_op);
        for dep in &new.deps {
            self.heads.remove(dep);
            let children = &mut self.nodes[*dep as usize].children;
            if let Err(place) = children.binary_search_by_key(&actor, |(actor, _)| *actor) {
                children.insert(place, (actor, new.seq));
            }
        }
        self.heads.insert(id);
        self.by_hash.insert(new.hash, id);
        self.operations += new.operations.len();
        self.change_bytes += new.bytes.len();
        let own_counter = new.start_op + new.operations.len() as u32 - 1;
        let mut clock = new.seen.clock;
        clock.resize(self.actors.len(), 0);
        clock[actor as usize] = new.seq;
        let clock = (new.seen.steps > CLOCK_STEPS_MAX).then(|| clock.into_boxed_slice());
        self.clock_entries += clock.as_ref().map_or(0, |clock| clock.len());
        self.nodes.push(Node {
            highest_counter: self.highest_counter(&new.deps).max(own_counter),
            clock,
            children: Vec::new(),
            hash: new.hash,
            actor,
            seq: new.seq,
            start_op: new.start_op,
            operations: new.operations,
            deps: new.deps,
            bytes: new.bytes,
            stated_at_seconds: new.stated_at_seconds,
            received_at: new.received_at,
        });
        self.place_operations(id, &new.predecessors);
        id
    }

    fn actor_for(&mut self, new: &NewNode) -> ActorNumber {
        if let Some(number) = self.actor_number(&new.actor) {
            return number;
        }
        let number = self.actors.len() as ActorNumber;
        self.actor_numbers.insert(new.actor.clone(), number);
        if let Some(device) = &new.device {
            self.device_actors.entry((new.user_id, device.clone())).or_default().push(number);
        }
        self.actors.push(Actor {
            id: new.actor.clone(),
            user_id: new.user_id,
            device: new.device.clone(),
            last_seq: 0,
            changes: Vec::new(),
            start_ops: Vec::new(),
        });
        number
    }

    /// A rough figure for the memory that this index would take with what was left out, in bytes.
    pub(super) fn whole_memory_bytes(&self) -> usize {
        self.memory_bytes() + self.left_out.memory_bytes
    }

    /// A rough figure for the memory that this index takes, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.nodes.len() * (size_of::<Node>() + 128)
            + self.operations * size_of::<OpSketch>()
            + self.change_bytes
            + self.places.memory_bytes()
            + self.actors.len() * (size_of::<Actor>() + 128)
            + self.key_numbers.len() * 64
            + self.clock_entries * size_of::<u32>()
    }
}
