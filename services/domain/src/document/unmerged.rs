//! Changes of the set that are not part of the document: held ones and quarantined ones.

use std::collections::{BTreeMap, HashMap};

use automerge::{ActorId, Change, ChangeHash};
use serde::Serialize;
use uuid::Uuid;

use super::change::{Provenance, RecordedChange};
use super::history::History;
use super::refusal::ChangeFault;

/// Changes of the set that are not part of the document.
#[derive(Debug, Default)]
pub(super) struct Unmerged {
    pub(super) held: BTreeMap<ChangeHash, Pending>,
    quarantined: BTreeMap<ChangeHash, (RecordedChange, ChangeFault)>,
    /// The change that counts for an actor and sequence number, where it is not merged.
    lines: BTreeMap<(ActorId, u64), (ChangeHash, Uuid)>,
    /// Held changes by one dependency that they wait for.
    waiting: HashMap<ChangeHash, Vec<ChangeHash>>,
    /// Operations of the held changes.
    held_operations: usize,
    /// What all of them take.
    memory_bytes: usize,
    /// Counts the times that held or quarantined changes came or went.
    revision: u64,
}

/// A change that was read and waits to be merged. Its operations stay encoded: written out they can take a
/// thousand times as much.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) change: Change,
    pub(super) provenance: Provenance,
}

/// A change that waits for its dependencies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Held {
    /// Its hash in hex.
    pub hash: String,
    /// Its actor in hex.
    pub actor: String,
    /// Its sequence number.
    pub seq: u64,
    /// Hashes of the dependencies that are not merged.
    pub waits_for: Vec<String>,
    /// True where this session has none of its changes under one of these hashes: that has not arrived yet, or this one belongs to
    /// another session.
    pub may_be_of_another_session: bool,
}

/// Memory of a held change, besides its bytes.
const HELD_BYTES: usize = 1024;

/// Memory of a quarantined change, besides its bytes.
const QUARANTINED_BYTES: usize = 256;

impl Unmerged {
    pub(super) fn hold(&mut self, pending: Pending) {
        self.revision += 1;
        self.claim_line_of(&pending);
        self.held_operations += pending.change.len();
        self.memory_bytes += pending.memory_bytes();
        self.held.insert(pending.change.hash(), pending);
    }

    fn release(&mut self, hash: &ChangeHash) -> Option<Pending> {
        let pending = self.held.remove(hash)?;
        self.held_operations -= pending.change.len();
        self.memory_bytes -= pending.memory_bytes();
        Some(pending)
    }

    /// Notes the change that counts for an actor and sequence number, and who brought it.
    pub(super) fn claim_line(&mut self, actor: ActorId, seq: u64, hash: ChangeHash, user_id: Uuid) {
        self.lines.insert((actor, seq), (hash, user_id));
    }

    fn claim_line_of(&mut self, pending: &Pending) {
        let change = &pending.change;
        let user_id = pending.provenance.user_id;
        self.claim_line(change.actor_id().clone(), change.seq(), change.hash(), user_id);
    }

    /// Keeps a change that cannot even be read.
    pub(super) fn set_aside(&mut self, record: RecordedChange, fault: ChangeFault) {
        self.revision += 1;
        let bytes = record.bytes.len() + QUARANTINED_BYTES;
        if self.quarantined.insert(record.hash, (record, fault)).is_none() {
            self.memory_bytes += bytes;
        }
    }

    /// The history answers for a change that is merged.
    pub(super) fn forget_line(&mut self, change: &Change) {
        self.lines.remove(&(change.actor_id().clone(), change.seq()));
    }

    /// Held changes that waited for this one, and may be ready.
    pub(super) fn take_waiting(&mut self, hash: &ChangeHash) -> Vec<ChangeHash> {
        self.waiting.remove(hash).unwrap_or_default()
    }

    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// Takes the place of what was there before a rebuild.
    pub(super) fn succeed(&mut self, revision: u64) {
        self.revision += revision + 1;
    }

    pub(super) fn quarantined(&self) -> impl Iterator<Item = &(RecordedChange, ChangeFault)> {
        self.quarantined.values()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty() && self.quarantined.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.held.len() + self.quarantined.len()
    }

    pub(super) fn contains(&self, hash: &ChangeHash) -> bool {
        self.held.contains_key(hash) || self.quarantined.contains_key(hash)
    }

    /// Changes that others wait for and that are not among them.
    pub(super) fn missing(&self) -> impl Iterator<Item = ChangeHash> {
        self.waiting.keys().filter(|hash| !self.contains(hash)).copied()
    }

    pub(super) fn on_line(&self, actor: &ActorId, seq: u64) -> Option<ChangeHash> {
        self.lines.get(&(actor.clone(), seq)).map(|(hash, _)| *hash)
    }

    /// The user of an actor's first unmerged change.
    pub(super) fn owner(&self, actor: &ActorId) -> Option<Uuid> {
        let mut lines = self.lines.range((actor.clone(), 0)..=(actor.clone(), u64::MAX));
        lines.next().map(|(_, (_, user_id))| *user_id)
    }

    /// Operations of the held changes.
    pub(super) fn held_operations(&self) -> usize {
        self.held_operations
    }

    /// Notes what a held change waits for; false when that is nothing.
    pub(super) fn wait(&mut self, hash: &ChangeHash, history: &History) -> bool {
        let Some(pending) = self.held.get(hash) else { return false };
        let missing = pending.change.deps().iter().find(|dep| history.find(dep).is_none());
        if let Some(missing) = missing {
            self.waiting.entry(*missing).or_default().push(*hash);
        }
        missing.is_some()
    }

    /// Takes a held change whose dependencies are all merged, or notes what it waits for.
    pub(super) fn take_ready(&mut self, hash: &ChangeHash, history: &History) -> Option<Pending> {
        if self.wait(hash, history) {
            return None;
        }
        self.revision += 1;
        self.release(hash)
    }

    /// Keeps a change that is not merged. It goes on to count for its actor and sequence number.
    pub(super) fn quarantine(&mut self, pending: Pending, fault: ChangeFault) {
        self.claim_line_of(&pending);
        self.set_aside(pending.record(), fault);
    }

    /// A held change gives way to another one with the same actor and sequence number.
    pub(super) fn displace(&mut self, hash: &ChangeHash, actor: &ActorId, seq: u64) {
        if let Some(pending) = self.release(hash) {
            self.quarantine(pending, ChangeFault::Equivocation { actor: actor.clone(), seq });
        }
    }

    pub(super) fn records(&self) -> impl Iterator<Item = RecordedChange> {
        let held = self.held.values().map(Pending::record);
        held.chain(self.quarantined.values().map(|(record, _)| record.clone()))
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }
}

impl Pending {
    fn memory_bytes(&self) -> usize {
        self.change.raw_bytes().len() + HELD_BYTES
    }

    fn record(&self) -> RecordedChange {
        RecordedChange {
            hash: self.change.hash(),
            bytes: self.change.raw_bytes().to_vec(),
            provenance: self.provenance.clone(),
        }
    }
}

/// How a change that waits is shown. `is_here` answers whether this session has a change that is not merged.
pub(super) fn held_of(change: &Change, history: &History, is_here: impl Fn(&ChangeHash) -> bool) -> Held {
    let missing = || change.deps().iter().filter(|dep| history.find(dep).is_none());
    Held {
        hash: change.hash().to_string(),
        actor: change.actor_id().to_hex_string(),
        seq: change.seq(),
        waits_for: missing().map(ChangeHash::to_string).collect(),
        may_be_of_another_session: !missing().all(is_here),
    }
}
