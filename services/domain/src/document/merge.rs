//! Merging stored changes into the index of the document.

use automerge::{ActorId, ChangeHash};
use time::OffsetDateTime;

use super::change::{ParsedChange, Provenance, RecordedChange};
use super::check::check;
use super::history::NodeId;
use super::limits::Limits;
use super::prepare::Prepared;
use super::refusal::ChangeFault;
use super::session::SessionDocument;
use super::unmerged::Pending;

impl SessionDocument {
    /// Takes in stored changes, in any order and any number of times. Never fails: see the module.
    pub fn integrate(&mut self, records: impl IntoIterator<Item = RecordedChange>) {
        let limits = Limits::of_stored_changes();
        self.take_in_each(records, |document, record| document.take_in(record, &limits));
    }

    /// As [`Self::adopt`], but only those of the changes that are wanted.
    pub fn adopt_where(
        &mut self,
        prepared: &Prepared,
        received_at: OffsetDateTime,
        is_wanted: impl Fn(&ChangeHash) -> bool,
    ) {
        let wanted = prepared.changes.iter().filter(|change| is_wanted(&change.hash));
        self.take_in_each(wanted, |document, change| {
            if document.contains(&change.hash) {
                return None;
            }
            document.take_in_parsed(change.recorded(prepared.user_id, received_at), &change.parsed)
        });
    }

    /// Takes in changes one by one, and then those that displace a merged one.
    fn take_in_each<T>(
        &mut self,
        changes: impl IntoIterator<Item = T>,
        mut take_in: impl FnMut(&mut Self, T) -> Option<RecordedChange>,
    ) {
        self.set_rejected_aside();
        let mut displacing = Vec::new();
        for change in changes {
            displacing.extend(take_in(self, change));
        }
        if !displacing.is_empty() {
            self.rebuild_with(displacing);
        }
    }

    /// Takes in one change, or gives it back where it displaces a merged one.
    fn take_in(&mut self, record: RecordedChange, limits: &Limits) -> Option<RecordedChange> {
        if self.contains(&record.hash) {
            return None;
        }
        let parsed = match ParsedChange::parse(&record.bytes, limits) {
            Ok(parsed) if parsed.hash() == record.hash => parsed,
            Ok(parsed) => {
                return self.set_aside(record, ChangeFault::HashMismatch { found: parsed.hash() });
            }
            Err(fault) => return self.set_aside(record, fault),
        };
        self.take_in_parsed(record, &parsed)
    }

    /// The same for a change that was read before and is new.
    fn take_in_parsed(&mut self, record: RecordedChange, parsed: &ParsedChange) -> Option<RecordedChange> {
        let (actor, seq) = parsed.line();
        match self.on_line(&actor, seq) {
            Some(other) if other < record.hash => {
                return self.set_aside(record, ChangeFault::Equivocation { actor, seq });
            }
            Some(other) if self.history.find(&other).is_some() => return Some(record),
            Some(other) => self.unmerged.displace(&other, &actor, seq),
            None => {}
        }
        self.change_bytes += record.bytes.len();
        self.note_operations(parsed, &record.provenance);
        if parsed.change.deps().iter().all(|dep| self.history.find(dep).is_some()) {
            self.merge(parsed, record.provenance);
            self.merge_released(record.hash);
        } else {
            let pending = Pending { change: parsed.change.clone(), provenance: record.provenance };
            self.unmerged.hold(pending);
            self.unmerged.wait(&record.hash, &self.history);
        }
        None
    }

    fn set_aside(&mut self, record: RecordedChange, fault: ChangeFault) -> Option<RecordedChange> {
        self.change_bytes += record.bytes.len();
        self.unmerged.set_aside(record, fault);
        None
    }

    fn note_operations(&mut self, parsed: &ParsedChange, provenance: &Provenance) {
        let Some(device) = &provenance.device else { return };
        for op_id in parsed.change.message().into_iter().flat_map(str::lines) {
            self.operation_ids.insert((provenance.user_id, device.clone(), op_id.to_owned()));
        }
    }

    /// The change that counts for an actor and sequence number.
    fn on_line(&self, actor: &ActorId, seq: u64) -> Option<ChangeHash> {
        let merged = self.history.actor_number(actor).and_then(|actor| self.history.change_of(actor, seq));
        match merged {
            Some(node) => Some(self.history.node(node).hash),
            None => self.unmerged.on_line(actor, seq),
        }
    }

    /// Merges a change whose dependencies are merged, if it passes its checks.
    fn merge(&mut self, parsed: &ParsedChange, provenance: Provenance) {
        let base = self.history.extent();
        match check(&mut self.history, parsed, &provenance) {
            Ok(node) => {
                self.history.push(node);
                self.unmerged.forget_line(&parsed.change);
            }
            Err(fault) => {
                self.history.truncate(base);
                self.unmerged.quarantine(Pending { change: parsed.change.clone(), provenance }, fault);
            }
        }
    }

    /// Merges what waited for a change, what waited for that, and so on.
    fn merge_released(&mut self, hash: ChangeHash) {
        let mut open = self.unmerged.take_waiting(&hash);
        while let Some(hash) = open.pop() {
            let Some(pending) = self.unmerged.take_ready(&hash, &self.history) else { continue };
            self.merge(&ParsedChange::again(pending.change), pending.provenance);
            open.extend(self.unmerged.take_waiting(&hash));
        }
    }

    /// Two changes claim one sequence number and the one that is merged is not the one that counts (the
    /// smaller hash, so that every instance agrees). The store forbids that; if it happens all the same, the
    /// document is built again from all changes.
    fn rebuild_with(&mut self, more: Vec<RecordedChange>) {
        let revision = self.unmerged.revision();
        let mut records = more;
        records.extend(std::mem::take(self).into_records());
        // The one that counts comes first, so nothing is displaced again.
        records.sort_unstable_by_key(|record| record.hash);
        self.unmerged.succeed(revision);
        self.integrate(records);
    }

    /// Quarantines merged changes that the document turned out not to take, and holds what builds on them.
    pub(super) fn set_rejected_aside(&mut self) {
        let rejected = self.merged_mut().take_rejected();
        if rejected.is_empty() {
            return;
        }
        let revision = self.unmerged.revision();
        let lines = rejected.iter().filter_map(|hash| self.history.find(hash)).map(|id| {
            let node = self.history.node(id);
            (self.history.actor(node.actor).id.clone(), u64::from(node.seq), node.hash)
        });
        let lines: Vec<_> = lines.collect();
        let (aside, rest): (Vec<_>, Vec<_>) = std::mem::take(self)
            .into_records()
            .into_iter()
            .partition(|record| rejected.contains(&record.hash));
        self.unmerged.succeed(revision);
        for record in aside {
            // It goes on to count for its actor and sequence number.
            let line = lines.iter().find(|(_, _, hash)| *hash == record.hash);
            if let Some((actor, seq, hash)) = line {
                self.unmerged.claim_line(actor.clone(), *seq, *hash, record.provenance.user_id);
            }
            self.set_aside(record, ChangeFault::NotApplicable);
        }
        self.integrate(rest);
    }

    /// All changes, in no order.
    fn into_records(self) -> Vec<RecordedChange> {
        let mut records = self.merged_records();
        records.extend(self.unmerged.records());
        records
    }

    /// The merged changes, in the order of the index.
    fn merged_records(&self) -> Vec<RecordedChange> {
        let record = |id: NodeId| {
            let node = self.history.node(id);
            let actor = self.history.actor(node.actor);
            let (user_id, device) = (actor.user_id, actor.device.clone());
            let provenance = Provenance { user_id, device, received_at: node.received_at };
            RecordedChange { hash: node.hash, bytes: node.bytes.to_vec(), provenance }
        };
        (0..self.history.len() as NodeId).map(record).collect()
    }
}
