//! Merging stored changes into the document.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::{ActorId, Automerge, Change, ChangeHash};

use super::change::{ParsedChange, Provenance, RecordedChange};
use super::check::check;
use super::limits::Limits;
use super::refusal::ChangeFault;
use super::session::SessionDocument;
use super::unmerged::Pending;

/// How many changes are applied in one step. After a failure the step is repeated one by one.
const BATCH_CHANGES_MAX: usize = 512;

impl SessionDocument {
    /// Takes in stored changes, in any order and any number of times. Never fails: see the module.
    pub fn integrate(&mut self, records: impl IntoIterator<Item = RecordedChange>) {
        let limits = Limits::of_stored_changes();
        let mut worklist = VecDeque::new();
        let mut displacing = Vec::new();
        for record in records {
            match self.register(record, &limits) {
                Registered::Known => {}
                Registered::Waiting(hash) => worklist.push_back(hash),
                Registered::Displaces(record) => displacing.push(record),
            }
        }
        if !displacing.is_empty() {
            return self.rebuild_with(displacing);
        }
        while !worklist.is_empty() {
            self.merge_ready(&mut worklist, BATCH_CHANGES_MAX);
        }
    }

    fn register(&mut self, record: RecordedChange, limits: &Limits) -> Registered {
        if self.contains(&record.hash) {
            return Registered::Known;
        }
        let parsed = match ParsedChange::parse(&record.bytes, limits) {
            Ok(parsed) if parsed.hash() == record.hash => parsed,
            Ok(parsed) => {
                return self.quarantine(record, ChangeFault::HashMismatch { found: parsed.hash() });
            }
            Err(fault) => return self.quarantine(record, fault),
        };
        let (actor, seq) = parsed.line();
        match self.on_line(&actor, seq) {
            Some(other) if other < record.hash => {
                return self.quarantine(record, ChangeFault::Equivocation { actor, seq });
            }
            Some(other) if self.history.find(&other).is_some() => return Registered::Displaces(record),
            Some(other) => self.unmerged.displace(&other, &actor, seq),
            None => {}
        }
        self.change_bytes += record.bytes.len();
        if let Some(device) = &record.provenance.device {
            for op_id in parsed.change.message().into_iter().flat_map(str::lines) {
                let id = (record.provenance.user_id, device.clone(), op_id.to_owned());
                self.operation_ids.insert(id);
            }
        }
        let pending = Pending { change: parsed.change, provenance: record.provenance };
        self.unmerged.hold(pending);
        Registered::Waiting(record.hash)
    }

    fn quarantine(&mut self, record: RecordedChange, fault: ChangeFault) -> Registered {
        self.change_bytes += record.bytes.len();
        self.unmerged.set_aside(record, fault);
        Registered::Known
    }

    /// The change that counts for an actor and sequence number.
    fn on_line(&self, actor: &ActorId, seq: u64) -> Option<ChangeHash> {
        let merged = self.history.actor_number(actor).and_then(|actor| self.history.change_of(actor, seq));
        match merged {
            Some(node) => Some(self.history.node(node).hash),
            None => self.unmerged.on_line(actor, seq),
        }
    }

    /// Two changes claim one sequence number and the one that is merged is not the one that counts (the
    /// smaller hash, so that every instance agrees). The store forbids that; if it happens all the same, the
    /// document is built again from all changes.
    fn rebuild_with(&mut self, more: Vec<RecordedChange>) {
        let old = std::mem::take(self);
        let mut records = more;
        for change in old.document.get_changes(&[]) {
            let Some(node) = old.history.find(&change.hash()).map(|node| old.history.node(node)) else {
                continue;
            };
            let actor = old.history.actor(node.actor);
            let (user_id, device) = (actor.user_id, actor.device.clone());
            records.push(RecordedChange {
                hash: node.hash,
                bytes: change.raw_bytes().to_vec(),
                provenance: Provenance { user_id, device, received_at: node.received_at },
            });
        }
        records.extend(old.unmerged.into_records());
        self.integrate(records);
    }

    /// Merges changes of the worklist whose dependencies are merged, at most `batch_max` of them.
    fn merge_ready(&mut self, worklist: &mut VecDeque<ChangeHash>, batch_max: usize) {
        let mut staged = self.history.savepoint();
        let mut batch: Vec<Pending> = Vec::new();
        while batch.len() < batch_max
            && let Some(hash) = worklist.pop_front()
        {
            let Some(pending) = self.unmerged.take_ready(&hash, &staged) else { continue };
            let parsed = ParsedChange::again(pending.change.clone());
            match check(&mut staged, &parsed, &pending.provenance) {
                Ok(node) => {
                    staged.push(node);
                    worklist.extend(self.unmerged.take_waiting(&hash));
                    batch.push(pending);
                }
                Err(fault) => self.unmerged.quarantine(pending, fault),
            }
        }
        if batch.is_empty() {
            return;
        }
        let changes = batch.iter().map(|pending| pending.change.clone()).collect();
        let heads = staged.hashes(&staged.heads());
        if let Some(merged) = applied(&self.document, changes, &heads) {
            staged.keep();
            self.document = merged;
            for pending in batch {
                self.unmerged.forget_line(&pending);
            }
            return;
        }
        drop(staged);
        self.merge_one_by_one(batch, worklist);
    }

    /// After a batch failed although each change passed its checks: finds the one to blame.
    fn merge_one_by_one(&mut self, mut batch: Vec<Pending>, worklist: &mut VecDeque<ChangeHash>) {
        if batch.len() == 1
            && let Some(pending) = batch.pop()
        {
            return self.unmerged.quarantine(pending, ChangeFault::NotApplicable);
        }
        let hashes: Vec<_> = batch.iter().map(|pending| pending.change.hash()).collect();
        batch.into_iter().for_each(|pending| self.unmerged.hold(pending));
        for hash in hashes {
            let mut alone = VecDeque::from([hash]);
            self.merge_ready(&mut alone, 1);
            worklist.append(&mut alone);
        }
    }
}

enum Registered {
    /// Known before, or quarantined at once.
    Known,
    /// To be merged as soon as its dependencies are.
    Waiting(ChangeHash),
    /// To be merged in the place of another one.
    Displaces(RecordedChange),
}

/// The document with changes applied, or none if that fails in any way. The document itself is not touched:
/// Automerge may be left in any state by a panic.
pub(super) fn applied(document: &Automerge, changes: Vec<Change>, heads: &[ChangeHash]) -> Option<Automerge> {
    let trial = catch_unwind(AssertUnwindSafe(|| {
        let mut trial = document.clone();
        trial.apply_changes(changes).ok()?;
        (trial.get_heads() == heads).then_some(trial)
    }));
    trial.ok().flatten()
}
