//! Operations on the document's JSON.

use std::sync::Arc;

use automerge::ActorId;
use time::OffsetDateTime;

use super::{OperationId, Preparation};
use crate::document::clock::VectorClock;
use crate::document::edit::Draft;
use crate::document::history::{Clock, NodeId};
use crate::document::limits::Limits;
use crate::document::operation::{FieldError, Operation};
use crate::document::point::Point;
use crate::document::pointer::Pointer;
use crate::document::refusal::Refusal;
use crate::document::value::operation_count;
use crate::document::writer::WriterContext;

/// Operations that share a change: consecutive ones of one device at one time, none of which needs to see
/// what another of them does.
pub(super) struct Group {
    index: usize,
    device: String,
    timestamp: OffsetDateTime,
    /// What the device has seen; none is everything.
    seen: Option<Clock>,
    paths: Vec<Pointer>,
    op_ids: Vec<String>,
    draft: Draft,
}

impl Preparation<'_> {
    /// What a vector clock and everything below it amount to, or none for the present state.
    pub(super) fn closed_clock(&self, seen: Option<&VectorClock>) -> Result<Option<Clock>, Refusal> {
        let Some(seen) = seen.filter(|seen| !seen.is_empty()) else { return Ok(None) };
        let find = |(hex, seq): (&str, u64)| {
            let is_held =
                || ActorId::try_from(hex).is_ok_and(|actor| self.unmerged.on_line(&actor, seq).is_some());
            self.history.change_named((hex, seq)).ok_or_else(|| {
                let actor = hex.to_owned();
                if is_held() {
                    Refusal::HeldClock { actor, seq }
                } else {
                    Refusal::UnknownClock { actor, seq }
                }
            })
        };
        let nodes: Vec<NodeId> = seen.iter().map(find).collect::<Result<_, _>>()?;
        Ok(Some(self.history.clock_of(&nodes)))
    }

    pub(super) fn take_operation(
        &mut self,
        index: usize,
        operation: &Operation,
        seen: Option<&Clock>,
        writer: &mut WriterContext<'_>,
    ) -> Result<(), Refusal> {
        operation.validate(index)?;
        let path = operation.pointer(index)?.with_usual_ids();
        if path.is_items() {
            return Err(Refusal::Structure { index, field: Some("path") });
        }
        if self.is_known_operation(operation) {
            self.note_duplicate();
            return Ok(());
        }
        if operation.value.as_ref().map_or(0, operation_count) > self.limits.change_operations_max {
            return Err(FieldError::new(index, "value", "the value has too many parts").into());
        }
        if !self.group.as_ref().is_some_and(|group| group.fits(operation, &path, self.limits)) {
            self.close_group()?;
            self.group = Some(self.open_group(index, operation, seen, writer)?);
        }
        let Some(group) = &mut self.group else { return Ok(()) };
        let point = Point { history: &self.history, clock: group.seen.as_ref() };
        let written = group
            .draft
            .write(point, operation, &path)
            .map_err(|message| FieldError::new(index, "path", message))?;
        let Some(written) = written else {
            self.note_duplicate();
            return Ok(());
        };
        self.prepared.accepted += 1;
        if let Some(op_id) = &operation.op_id {
            let (device, op_id) = (operation.actor_id.clone(), op_id.clone());
            group.op_ids.push(op_id.clone());
            self.prepared.operation_ids.push(OperationId { device, op_id });
        }
        self.touched.insert(path);
        group.paths.push(written);
        Ok(())
    }

    fn note_duplicate(&mut self) {
        self.prepared.duplicates += 1;
        self.has_repeated_operations = true;
    }

    fn is_known_operation(&self, operation: &Operation) -> bool {
        let Some(op_id) = &operation.op_id else { return false };
        let id = OperationId { device: operation.actor_id.clone(), op_id: op_id.clone() };
        self.prepared.operation_ids.contains(&id)
            || self.operation_ids.contains(&(self.user_id, id.device, id.op_id))
    }

    /// Begins a change of a device at the point of history that it has seen.
    fn open_group(
        &mut self,
        index: usize,
        operation: &Operation,
        seen: Option<&Clock>,
        writer: &mut WriterContext<'_>,
    ) -> Result<Group, Refusal> {
        let device = operation.actor_id.clone();
        let actor = writer.actor_of(&device, &self.history, self.unmerged, self.limits);
        let number = self.history.actor_number(&actor);
        let is_usable = match number.map(|number| self.history.actor(number)) {
            Some(known) => known.user_id == self.user_id && known.device.as_ref() == Some(&device),
            None => self.unmerged.owner(&actor).is_none(),
        };
        if !is_usable {
            return Err(Refusal::UnusableDeviceActor { device });
        }
        let seen = seen.map(|seen| {
            let own = self.history.last_of_device(self.user_id, &device);
            merged(self.history.clock_of(&own), seen)
        });
        let seen = seen.filter(|seen| *seen != self.history.clock());
        let heads = seen.as_ref().map_or_else(|| self.history.heads(), |seen| self.history.heads_of(seen));
        let draft = Draft {
            seq: number.map_or(0, |number| u64::from(self.history.actor(number).last_seq)) + 1,
            start_op: self.history.highest_counter(&heads) + 1,
            actor,
            deps: self.history.hashes(&heads),
            stated_at_seconds: operation.timestamp.unix_timestamp(),
            operations: Vec::new(),
        };
        Ok(Group {
            index,
            device,
            timestamp: operation.timestamp,
            seen,
            paths: Vec::new(),
            op_ids: Vec::new(),
            draft,
        })
    }

    /// Turns the operations of the group into a change.
    pub(super) fn close_group(&mut self) -> Result<(), Refusal> {
        let Some(group) = self.group.take() else { return Ok(()) };
        if group.draft.operations.is_empty() {
            return Ok(());
        }
        let index = group.index;
        let message = (!group.op_ids.is_empty()).then(|| group.op_ids.join("\n"));
        let wrong = |fault| Refusal::Change { index, fault };
        let parsed = group.draft.finish(message);
        if parsed.change.raw_bytes().len() > self.limits.change_bytes_max {
            return Err(FieldError::new(index, "value", "the value is too large").into());
        }
        self.stage(&Arc::new(parsed), Some(group.device)).map_err(wrong)
    }
}

impl Group {
    /// True when an operation can be part of this change: it must not need to see what the change does.
    fn fits(&self, operation: &Operation, path: &Pointer, limits: &Limits) -> bool {
        let parts = operation.value.as_ref().map_or(1, operation_count) + self.draft.operations.len();
        self.device == operation.actor_id
            && self.timestamp == operation.timestamp
            && parts <= limits.change_operations_max
            && !self.paths.iter().any(|other| are_related(other, path))
    }
}

/// What either of two clocks has seen. The first is of now and covers all actors.
fn merged(mut clock: Clock, other: &Clock) -> Clock {
    for (seq, other) in clock.iter_mut().zip(other) {
        *seq = (*seq).max(*other);
    }
    clock
}

/// True when what is done at one path may matter at the other: one lies at or below the other, or both may be
/// places of the same list, whose indices move.
fn are_related(one: &Pointer, other: &Pointer) -> bool {
    let names_element = |segment: &str| segment == "-" || segment.bytes().all(|byte| byte.is_ascii_digit());
    let shared = one.segments().iter().zip(other.segments()).take_while(|(one, other)| one == other).count();
    let diverge = |path: &Pointer| path.segments().get(shared).is_some_and(|segment| names_element(segment));
    one.overlaps(other) || diverge(one) || diverge(other)
}
