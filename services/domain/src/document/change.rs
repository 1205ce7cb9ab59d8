//! One Automerge change: as stored, as parsed, as about to be stored.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use automerge::legacy::{Key, OpType};
use automerge::{ActorId, Change, ChangeHash, ExpandedChange, ScalarValue};
use time::OffsetDateTime;
use uuid::Uuid;

use super::chunk;
use super::ids::ACTOR_BYTES_MAX;
use super::limits::{Limits, TIME_SECONDS_MAX};
use super::refusal::ChangeFault;

/// The device name under which the server's own changes (the items of a session) are recorded.
pub const SERVER_DEVICE: &str = "firemode-server";

/// Who brought a change, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// The user.
    pub user_id: Uuid,
    /// The device whose JSON operation the server wrote down as this change, or [`SERVER_DEVICE`] for the
    /// server's own; none where a client sent the Automerge change itself.
    pub device: Option<String>,
    /// When the server received it.
    pub received_at: OffsetDateTime,
}

/// A change as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedChange {
    /// The hash that names it.
    pub hash: ChangeHash,
    /// Its bytes: one uncompressed change chunk.
    pub bytes: Vec<u8>,
    /// Who brought it.
    pub provenance: Provenance,
}

/// A change that is to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewChange {
    /// The hash that names it.
    pub hash: ChangeHash,
    /// Its bytes: one uncompressed change chunk.
    pub bytes: Vec<u8>,
    /// The actor.
    pub actor: ActorId,
    /// The actor's sequence number, from 1.
    pub seq: u64,
    /// The counter of its first operation.
    pub start_op: u64,
    /// The changes it depends on.
    pub deps: Vec<ChangeHash>,
    /// See [`Provenance::device`].
    pub device: Option<String>,
    /// The same, read: it need not be read again to be adopted.
    pub(super) parsed: Arc<ParsedChange>,
}

impl NewChange {
    pub(super) fn of(parsed: Arc<ParsedChange>, device: Option<String>) -> Self {
        let change = &parsed.change;
        Self {
            hash: change.hash(),
            bytes: change.raw_bytes().to_vec(),
            actor: change.actor_id().clone(),
            seq: change.seq(),
            start_op: change.start_op().get(),
            deps: change.deps().to_vec(),
            device,
            parsed,
        }
    }

    /// The row that is stored for this change.
    #[must_use]
    pub fn recorded(&self, user_id: Uuid, received_at: OffsetDateTime) -> RecordedChange {
        let provenance = Provenance { user_id, device: self.device.clone(), received_at };
        RecordedChange { hash: self.hash, bytes: self.bytes.clone(), provenance }
    }
}

/// A change that was read, is canonical, and keeps its own bounds. Whether it fits into a history is
/// another question (see `check`).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ParsedChange {
    pub(super) change: Change,
    pub(super) expanded: ExpandedChange,
}

impl ParsedChange {
    /// Reads one change from bytes that may be hostile.
    pub(super) fn parse(bytes: &[u8], limits: &Limits) -> Result<Self, ChangeFault> {
        let plain = chunk::plain_change(bytes, limits)?;
        // Counts are bounded, but the library still has panics on malformed columns.
        let parsed = catch_unwind(AssertUnwindSafe(|| {
            let change = Change::from_bytes(plain).ok()?;
            let expanded = change.decode();
            Some(Self { change, expanded })
        }));
        let Ok(Some(parsed)) = parsed else {
            return Err(ChangeFault::Corrupt("its columns cannot be read"));
        };
        parsed.check_bounds(limits)?;
        parsed.check_canonical()?;
        Ok(parsed)
    }

    /// A change that this program built.
    pub(super) fn built(expanded: ExpandedChange) -> Self {
        Self { change: Change::from(expanded.clone()), expanded }
    }

    /// A change that was parsed before.
    pub(super) fn again(change: Change) -> Self {
        Self { expanded: change.decode(), change }
    }

    pub(super) fn hash(&self) -> ChangeHash {
        self.change.hash()
    }

    pub(super) fn line(&self) -> (ActorId, u64) {
        (self.change.actor_id().clone(), self.change.seq())
    }

    fn check_bounds(&self, limits: &Limits) -> Result<(), ChangeFault> {
        let too_large = |what, max| Err(ChangeFault::Oversized { what, max });
        if self.expanded.operations.len() > limits.change_operations_max {
            return too_large("the number of operations", limits.change_operations_max);
        }
        // Automerge stores times as differences to those beside them, which must not overflow.
        if self.expanded.time.unsigned_abs() > TIME_SECONDS_MAX {
            return Err(ChangeFault::Corrupt("the time it states is out of range"));
        }
        for actor in self.change.actors() {
            match actor.to_bytes().len() {
                0 => return Err(ChangeFault::Corrupt("an actor id is empty")),
                1..=ACTOR_BYTES_MAX => {}
                _ => return too_large("the bytes of an actor id", ACTOR_BYTES_MAX),
            }
        }
        let expanded_bytes = self.expanded.operations.iter().map(|operation| {
            let key_bytes = match &operation.key {
                Key::Map(key) => key.len(),
                Key::Seq(_) => 0,
            };
            let value_bytes = match &operation.action {
                OpType::Put(ScalarValue::Str(text)) => text.len(),
                OpType::Put(ScalarValue::Bytes(bytes)) => bytes.len(),
                OpType::MarkBegin(mark) => mark.name.len(),
                _ => 0,
            };
            key_bytes + value_bytes
        });
        if expanded_bytes.sum::<usize>() > limits.change_expanded_bytes_max {
            return too_large("the bytes of all keys and values", limits.change_expanded_bytes_max);
        }
        Ok(())
    }

    /// A saved document holds a change's operations, not its bytes: a change that is encoded in an unusual
    /// way gets another hash on the next load, and the document is lost. So only the usual encoding passes.
    fn check_canonical(&self) -> Result<(), ChangeFault> {
        let again = catch_unwind(AssertUnwindSafe(|| Change::from(self.expanded.clone())));
        match again {
            Ok(again) if again.raw_bytes() == self.change.raw_bytes() => Ok(()),
            _ => Err(ChangeFault::Corrupt("it is not in Automerge's canonical encoding")),
        }
    }
}
