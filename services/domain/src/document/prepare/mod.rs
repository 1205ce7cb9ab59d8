//! From what a client sent to the changes to store, or a refusal.

mod changes;
mod operations;
mod touched;
mod trial;

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, PoisonError};

use automerge::ChangeHash;
use time::OffsetDateTime;
use uuid::Uuid;

use self::operations::Group;
use super::change::{NewChange, ParsedChange, Provenance};
use super::check::check;
use super::clock::VectorClock;
use super::history::Savepoint;
use super::limits::Limits;
use super::merged::MergedDocument;
use super::operation::Entry;
use super::pointer::Pointer;
use super::refusal::{ChangeFault, Refusal};
use super::session::SessionDocument;
use super::unmerged::{Held, Unmerged, held_of};
use super::writer::WriterContext;

/// The id that a device gave to an operation. Unique within a session, user and device, for ever.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OperationId {
    /// The device's name.
    pub device: String,
    /// The device's id of the operation.
    pub op_id: String,
}

/// A change that another one depends on and that this session does not have, merged or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stranger {
    /// The place in the request of the change that depends on it.
    pub index: usize,
    /// Its hash.
    pub hash: ChangeHash,
}

/// What a request amounts to: changes to store, then to adopt.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// The user who sent it.
    pub user_id: Uuid,
    /// The changes to store, each after the ones it depends on. Held ones are last.
    pub changes: Vec<NewChange>,
    /// Entries that are new and merge at once.
    pub accepted: usize,
    /// Entries that say nothing new.
    pub duplicates: usize,
    /// Changes that are new and wait for a dependency.
    pub held: Vec<Held>,
    /// What changes of the request wait for that this session does not have.
    pub strangers: Vec<Stranger>,
    /// Changes of the request that were stored before.
    pub repeated: BTreeSet<ChangeHash>,
    /// Changes that the request does not bring and that must be stored for all this to be so: those that the accepted ones depend
    /// on, and those that made entries duplicates.
    pub relied_on: BTreeSet<ChangeHash>,
    /// Ids of the operations among the accepted entries. They are kept in the changes' messages.
    pub operation_ids: Vec<OperationId>,
    /// JSON Pointers to what the accepted entries touched, sorted; see
    /// [`SessionDocument::conflicts_touching`].
    pub touched: Vec<String>,
}

/// Changes that a refusal names as missing.
const MISSING_TOLD_MAX: usize = 8;

impl SessionDocument {
    /// Checks what a client sent and works out the changes to store.
    ///
    /// Changes come first and operations after them, each in the order sent, in any order among each
    /// other: an operation may build on a change of its own request, never the other way round. Operations
    /// are applied at the point of history that `seen` names, together with everything that their device
    /// did before; without it, or with an empty one, at the present state.
    ///
    /// The document is not changed, though the borrow is exclusive: new changes are tried on top of the
    /// index of the old ones and taken off again.
    ///
    /// # Errors
    ///
    /// A [`Refusal`], which goes for the request as a whole.
    pub fn prepare(
        &mut self,
        entries: Vec<Entry>,
        seen: Option<&VectorClock>,
        writer: &mut WriterContext<'_>,
        limits: &Limits,
    ) -> Result<Prepared, Refusal> {
        self.set_rejected_aside();
        check_request(&entries, limits)?;
        let mut preparation = Preparation {
            merged: self.merged.get_mut().unwrap_or_else(PoisonError::into_inner),
            history: self.history.savepoint(),
            unmerged: &self.unmerged,
            operation_ids: &self.operation_ids,
            user_id: writer.user_id,
            limits,
            group: None,
            touched: BTreeSet::new(),
            has_repeated_operations: false,
            prepared: Prepared {
                user_id: writer.user_id,
                changes: Vec::new(),
                accepted: 0,
                duplicates: 0,
                held: Vec::new(),
                strangers: Vec::new(),
                repeated: BTreeSet::new(),
                relied_on: BTreeSet::new(),
                operation_ids: Vec::new(),
                touched: Vec::new(),
            },
        };
        let mut changes = Vec::new();
        let mut operations = Vec::new();
        for (index, entry) in entries.into_iter().enumerate() {
            match entry {
                Entry::Change(bytes) => changes.push((index, bytes)),
                Entry::Operation(operation) => operations.push((index, operation)),
            }
        }
        let held = preparation.take_changes(changes)?;
        let seen = preparation.closed_clock(seen)?;
        for (index, operation) in operations {
            preparation.take_operation(index, &operation, seen.as_ref(), writer)?;
        }
        preparation.finish(held, self.change_bytes)
    }
}

fn check_request(entries: &[Entry], limits: &Limits) -> Result<(), Refusal> {
    if entries.len() > limits.request_entries_max {
        return Err(Refusal::TooManyEntries { found: entries.len(), max: limits.request_entries_max });
    }
    let bytes = entries.iter().map(Entry::byte_count).sum();
    if bytes > limits.request_bytes_max {
        return Err(Refusal::RequestTooLarge { found: bytes, max: limits.request_bytes_max });
    }
    Ok(())
}

/// A request while it is worked on. Dropping it undoes everything.
struct Preparation<'a> {
    merged: &'a mut MergedDocument,
    history: Savepoint<'a>,
    unmerged: &'a Unmerged,
    operation_ids: &'a HashSet<(Uuid, String, String)>,
    user_id: Uuid,
    limits: &'a Limits,
    group: Option<Group>,
    touched: BTreeSet<Pointer>,
    /// An operation says what some change has said before.
    has_repeated_operations: bool,
    prepared: Prepared,
}

impl Preparation<'_> {
    fn stage(&mut self, parsed: &Arc<ParsedChange>, device: Option<String>) -> Result<(), ChangeFault> {
        // When it was received is known once it is stored; nothing here depends on it.
        let received_at = OffsetDateTime::UNIX_EPOCH;
        let provenance = Provenance { user_id: self.user_id, device: device.clone(), received_at };
        let node = check(&mut self.history, parsed, &provenance)?;
        self.history.push(node);
        self.prepared.relied_on.extend(parsed.change.deps());
        self.prepared.changes.push(NewChange::of(Arc::clone(parsed), device));
        Ok(())
    }

    fn finish(mut self, held: Vec<Arc<ParsedChange>>, change_bytes: usize) -> Result<Prepared, Refusal> {
        self.close_group()?;
        let strangers: HashSet<ChangeHash> =
            self.prepared.strangers.iter().map(|stranger| stranger.hash).collect();
        for parsed in &held {
            let held = held_of(&parsed.change, &self.history, |dep| !strangers.contains(dep));
            self.prepared.held.push(held);
            self.prepared.changes.push(NewChange::of(Arc::clone(parsed), None));
        }
        if !self.prepared.changes.is_empty() {
            self.check_size(&held, change_bytes)?;
        }
        self.prepared.relied_on.extend(&self.prepared.repeated);
        if self.has_repeated_operations {
            // Which change it was need not be known: it is one of the last ones, or they build on it.
            self.prepared.relied_on.extend(self.history.hashes(&self.history.heads()));
        }
        for change in &self.prepared.changes {
            self.prepared.repeated.remove(&change.hash);
            self.prepared.relied_on.remove(&change.hash);
        }
        self.prepared.touched = self.touched.iter().map(Pointer::to_string).collect();
        Ok(self.prepared)
    }

    /// Bounds the document with what is new.
    fn check_size(&self, held: &[Arc<ParsedChange>], change_bytes: usize) -> Result<(), Refusal> {
        let limits = self.limits;
        if !held.is_empty() && self.unmerged.held.len() + held.len() > limits.held_changes_max {
            let missing = self.prepared.strangers.iter().map(|stranger| stranger.hash);
            let missing: BTreeSet<ChangeHash> =
                missing.chain(self.unmerged.missing()).take(MISSING_TOLD_MAX).collect();
            let missing = missing.iter().map(ChangeHash::to_string).collect();
            return Err(Refusal::TooManyHeld { max: limits.held_changes_max, missing });
        }
        let new_bytes: usize = self.prepared.changes.iter().map(|change| change.bytes.len()).sum();
        if change_bytes + new_bytes > limits.document_bytes_max {
            return Err(Refusal::DocumentFull { what: "bytes", max: limits.document_bytes_max });
        }
        let held_bytes: usize = held.iter().map(|parsed| parsed.change.raw_bytes().len()).sum();
        if self.history.whole_memory_bytes() + self.unmerged.memory_bytes() + held_bytes
            > limits.document_memory_max
        {
            return Err(Refusal::memory_full(limits));
        }
        // Known actors go on, however many there are.
        let brings_actors = self.prepared.changes.iter().any(|change| change.seq == 1);
        if brings_actors && self.history.actors().len() > limits.document_actors_max {
            return Err(Refusal::DocumentFull { what: "actors", max: limits.document_actors_max });
        }
        let held_operations =
            held.iter().map(|parsed| parsed.change.len()).sum::<usize>() + self.unmerged.held_operations();
        if self.history.operation_count() + held_operations > limits.document_operations_max {
            return Err(Refusal::DocumentFull { what: "operations", max: limits.document_operations_max });
        }
        Ok(())
    }
}
