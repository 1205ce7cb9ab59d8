//! The index of merged changes: who made them, what they saw, what their operations touch.
//!
//! It is kept apart from the Automerge document on purpose. The document answers "what is the value"; this
//! answers "is this allowed at that point of the history", for changes that must not touch the document
//! before that is known.

mod clock;
mod savepoint;

use std::collections::{BTreeSet, HashMap};

use automerge::{ActorId, ChangeHash};
use time::OffsetDateTime;
use uuid::Uuid;

pub(super) use self::savepoint::Savepoint;

pub(super) type NodeId = u32;
pub(super) type ActorNumber = u32;

/// The highest sequence number seen of each actor, by actor number; 0 is none.
pub(super) type Clock = Vec<u32>;

/// A change keeps the clock of its ancestors if computing it took more steps than this, which bounds the
/// steps for each change above it.
const CLOCK_STEPS_MAX: usize = 32;

/// An operation's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OpRef {
    pub(super) actor: ActorNumber,
    pub(super) counter: u32,
}

impl OpRef {
    /// The root object, which no operation makes.
    pub(super) const ROOT: Self = Self { actor: 0, counter: 0 };
}

/// Where in its object an operation acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SketchKey {
    /// A key of a map, by its number.
    Map(u32),
    /// Before the first element.
    Head,
    /// At (or, inserting, behind) an element.
    Element(OpRef),
}

/// What an operation leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Map {
        depth: u8,
    },
    List {
        depth: u8,
    },
    Text {
        depth: u8,
    },
    Scalar,
    Counter,
    /// A deletion or an increment: nothing that a later operation may name.
    Nothing,
}

/// As much of an operation as later changes need to be checked against.
#[derive(Debug, Clone, Copy)]
pub(super) struct OpSketch {
    pub(super) object: OpRef,
    pub(super) key: SketchKey,
    pub(super) insert: bool,
    pub(super) effect: Effect,
}

/// A merged change.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) hash: ChangeHash,
    pub(super) actor: ActorNumber,
    pub(super) seq: u32,
    pub(super) start_op: u32,
    pub(super) operations: Box<[OpSketch]>,
    pub(super) deps: Box<[NodeId]>,
    /// The time the change states, in seconds since 1970.
    pub(super) stated_at_seconds: i64,
    pub(super) received_at: OffsetDateTime,
    /// The highest counter of the change and its ancestors.
    highest_counter: u32,
    children: Vec<NodeId>,
    clock: Option<Box<[u32]>>,
}

/// A change that passed its checks and may become a [`Node`].
#[derive(Debug)]
pub(super) struct NewNode {
    pub(super) hash: ChangeHash,
    pub(super) actor: ActorId,
    pub(super) user_id: Uuid,
    pub(super) device: Option<String>,
    pub(super) seq: u32,
    pub(super) start_op: u32,
    pub(super) operations: Box<[OpSketch]>,
    pub(super) deps: Box<[NodeId]>,
    pub(super) stated_at_seconds: i64,
    pub(super) received_at: OffsetDateTime,
}

/// A writer, and the one line of changes it made.
#[derive(Debug)]
pub(super) struct Actor {
    pub(super) id: ActorId,
    /// The user who brought it, and for the server's actors the device it stands for.
    pub(super) user_id: Uuid,
    pub(super) device: Option<String>,
    /// Its changes; the one with sequence number s is at s − 1.
    pub(super) changes: Vec<NodeId>,
}

/// The index of merged changes.
#[derive(Debug, Default)]
pub(super) struct History {
    nodes: Vec<Node>,
    by_hash: HashMap<ChangeHash, NodeId>,
    actors: Vec<Actor>,
    actor_numbers: HashMap<ActorId, ActorNumber>,
    device_actors: HashMap<(Uuid, String), Vec<ActorNumber>>,
    key_numbers: HashMap<Box<str>, u32>,
    heads: BTreeSet<NodeId>,
    operations: usize,
}

impl History {
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn operation_count(&self) -> usize {
        self.operations
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
        let position = usize::try_from(seq.checked_sub(1)?).ok()?;
        self.actor(actor).changes.get(position).copied()
    }

    /// The last changes of all actors that stand for a user's device.
    pub(super) fn last_of_device(&self, user_id: Uuid, device: &str) -> Vec<NodeId> {
        let actors = self.device_actors.get(&(user_id, device.to_owned()));
        let last = |number: &ActorNumber| self.actor(*number).changes.last().copied();
        actors.into_iter().flatten().filter_map(last).collect()
    }

    pub(super) fn heads(&self) -> Vec<NodeId> {
        self.heads.iter().copied().collect()
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
        let number = self.key_numbers.len() as u32;
        self.key_numbers.insert(key.into(), number);
        number
    }

    /// An operation and the change that made it.
    pub(super) fn operation(&self, id: OpRef) -> Option<(&OpSketch, &Node)> {
        let changes = &self.actors.get(id.actor as usize)?.changes;
        let behind = changes.partition_point(|node| self.node(*node).start_op <= id.counter);
        let node = self.node(*changes.get(behind.checked_sub(1)?)?);
        let sketch = node.operations.get((id.counter - node.start_op) as usize)?;
        Some((sketch, node))
    }

    /// Adds a change that passed its checks.
    pub(super) fn push(&mut self, new: NewNode) -> NodeId {
        let id = self.nodes.len() as NodeId;
        let actor = self.actor_for(&new);
        self.actors[actor as usize].changes.push(id);
        for dep in &new.deps {
            self.heads.remove(dep);
            self.nodes[*dep as usize].children.push(id);
        }
        self.heads.insert(id);
        self.by_hash.insert(new.hash, id);
        self.operations += new.operations.len();
        let own_counter = new.start_op + new.operations.len() as u32 - 1;
        let (mut clock, steps) = self.walk_clock(&new.deps);
        clock[actor as usize] = new.seq;
        self.nodes.push(Node {
            highest_counter: self.highest_counter(&new.deps).max(own_counter),
            clock: (steps > CLOCK_STEPS_MAX).then(|| clock.into_boxed_slice()),
            children: Vec::new(),
            hash: new.hash,
            actor,
            seq: new.seq,
            start_op: new.start_op,
            operations: new.operations,
            deps: new.deps,
            stated_at_seconds: new.stated_at_seconds,
            received_at: new.received_at,
        });
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
            changes: Vec::new(),
        });
        number
    }

    /// A rough figure for the memory that this index takes, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        let cached_clocks: usize =
            self.nodes.iter().filter_map(|node| node.clock.as_ref()).map(|c| c.len()).sum();
        self.nodes.len() * (size_of::<Node>() + 128)
            + self.operations * size_of::<OpSketch>()
            + self.actors.len() * (size_of::<Actor>() + 128)
            + self.key_numbers.len() * 64
            + cached_clocks * size_of::<u32>()
    }
}
