//! Changes of the index, and who made them.

use automerge::{ActorId, ChangeHash};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{ActorNumber, Clock, NodeId, OpSketch, Predecessor};

/// A merged change.
#[derive(Debug)]
pub(in crate::document) struct Node {
    pub(in crate::document) hash: ChangeHash,
    pub(in crate::document) actor: ActorNumber,
    pub(in crate::document) seq: u32,
    pub(in crate::document) start_op: u32,
    pub(in crate::document) operations: Box<[OpSketch]>,
    pub(in crate::document) deps: Box<[NodeId]>,
    /// The change itself, uncompressed.
    pub(in crate::document) bytes: Box<[u8]>,
    /// The time the change states, in seconds since 1970.
    pub(in crate::document) stated_at_seconds: i64,
    pub(in crate::document) received_at: OffsetDateTime,
    /// The highest counter of the change and its ancestors.
    pub(super) highest_counter: u32,
    /// For each actor the number of its first change that depends on this one: a clock that covers a later one covers that too.
    pub(super) children: Vec<(ActorNumber, u32)>,
    pub(super) clock: Option<Box<[u32]>>,
}

/// A change that passed its checks and may become a [`Node`].
#[derive(Debug)]
pub(in crate::document) struct NewNode {
    pub(in crate::document) hash: ChangeHash,
    pub(in crate::document) actor: ActorId,
    pub(in crate::document) user_id: Uuid,
    pub(in crate::document) device: Option<String>,
    pub(in crate::document) seq: u32,
    pub(in crate::document) start_op: u32,
    pub(in crate::document) operations: Box<[OpSketch]>,
    /// In the order of the operations.
    pub(in crate::document) predecessors: Vec<Predecessor>,
    pub(in crate::document) deps: Box<[NodeId]>,
    /// What the change has seen.
    pub(in crate::document) seen: Seen,
    pub(in crate::document) bytes: Box<[u8]>,
    pub(in crate::document) stated_at_seconds: i64,
    pub(in crate::document) received_at: OffsetDateTime,
}

/// A clock, and what it took to find it.
#[derive(Debug)]
pub(in crate::document) struct Seen {
    pub(in crate::document) clock: Clock,
    pub(super) steps: usize,
}

/// A writer, and the one line of changes it made.
#[derive(Debug)]
pub(in crate::document) struct Actor {
    pub(in crate::document) id: ActorId,
    /// The user who brought it, and for the server's actors the device it stands for.
    pub(in crate::document) user_id: Uuid,
    pub(in crate::document) device: Option<String>,
    /// The sequence number of its last change.
    pub(in crate::document) last_seq: u32,
    /// Its changes, in their order; where none were left out, the one with sequence number s is at s − 1.
    pub(in crate::document) changes: Vec<NodeId>,
    /// The counter of each change's first operation, side by side: a search here touches little memory.
    pub(super) start_ops: Vec<u32>,
}
