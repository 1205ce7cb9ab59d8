//! When changes became known, and how much of a session was known at a moment.

use std::cmp::Ordering;

use time::{Duration, OffsetDateTime};

use super::Timeliness;
use crate::document::history::{Clock, History, NodeId, OpRef};
use crate::document::ids::ChangeHash;
use crate::document::stated::StatedTime;
use crate::session::LateState;

/// Work may have been done so long before its session was made.
const BEFORE_SESSION: Duration = Duration::hours(24);

/// A device's clock may be so far ahead.
const AHEAD: Duration = Duration::minutes(5);

/// When something was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// When it was done: as was stated, or where that cannot be right, when it was received.
    pub observed_at: OffsetDateTime,
    /// When it was received.
    pub received_at: OffsetDateTime,
    /// Was a time stated that cannot be right?
    pub clock_suspect: bool,
}

/// How much of a session is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// What is on record.
    Record,
    /// With what came late, whatever became of it.
    WithLate,
}

/// When the changes of a session became known. What builds on a change is known no earlier than that.
pub(super) struct Timeline<'a> {
    history: &'a History,
    created_at: OffsetDateTime,
    /// By change: when it came on record; none: it has not.
    recorded: Vec<Option<OffsetDateTime>>,
    /// By change: when it, and all that it builds on, had been received.
    received: Vec<OffsetDateTime>,
    /// By change: when it, or something that it builds on, was rejected.
    rejected: Vec<Option<OffsetDateTime>>,
    /// By change: did it come late?
    is_late: Vec<bool>,
    /// The same by actor, in the order of the changes: times never fall there.
    recorded_lines: Vec<Vec<OffsetDateTime>>,
    received_lines: Vec<Vec<OffsetDateTime>>,
}

impl<'a> Timeline<'a> {
    pub(super) fn of(history: &'a History, timeliness: &Timeliness) -> Self {
        let actors = history.actors().len();
        let mut timeline = Self {
            history,
            created_at: timeliness.created_at,
            recorded: Vec::with_capacity(history.len()),
            received: Vec::with_capacity(history.len()),
            rejected: Vec::with_capacity(history.len()),
            is_late: Vec::with_capacity(history.len()),
            recorded_lines: vec![Vec::new(); actors],
            received_lines: vec![Vec::new(); actors],
        };
        for node in 0..history.len() as NodeId {
            timeline.push(node, timeliness);
        }
        timeline
    }

    fn push(&mut self, node: NodeId, timeliness: &Timeliness) {
        let change = self.history.node(node);
        let before = self.history.change_of(change.actor, u64::from(change.seq) - 1);
        let builds_on = || change.deps.iter().copied().chain(before).map(|dep| dep as usize);
        let late = timeliness.late.get(&change.hash);
        let (own_record, own_rejection) = match late.map(|late| (late.state, late.decided_at)) {
            None => (Some(change.received_at), None),
            Some((LateState::Accepted, decided_at)) => {
                (Some(decided_at.unwrap_or(change.received_at).max(change.received_at)), None)
            }
            Some((LateState::Rejected, decided_at)) => (None, decided_at),
            Some((LateState::Late, _)) => (None, None),
        };
        let recorded = builds_on().try_fold(own_record, |latest, dep| {
            let latest = latest?;
            Some(Some(latest.max(self.recorded[dep]?)))
        });
        let recorded = recorded.flatten();
        let received =
            builds_on().map(|dep| self.received[dep]).fold(change.received_at, OffsetDateTime::max);
        let rejected = builds_on().filter_map(|dep| self.rejected[dep]).chain(own_rejection).min();
        let line = change.actor as usize;
        // What builds on a change that is not on record is not either.
        if let Some(recorded) = recorded
            && self.recorded_lines[line].len() + 1 == change.seq as usize
        {
            self.recorded_lines[line].push(recorded);
        }
        self.received_lines[line].push(received);
        self.recorded.push(recorded);
        self.received.push(received);
        self.rejected.push(rejected);
        self.is_late.push(late.is_some());
    }

    /// What was known at a moment.
    pub(super) fn clock_at(&self, extent: Extent, at: OffsetDateTime) -> Clock {
        let lines = match extent {
            Extent::Record => &self.recorded_lines,
            Extent::WithLate => &self.received_lines,
        };
        lines.iter().map(|line| line.partition_point(|known| *known <= at) as u32).collect()
    }

    /// What a change builds on, with itself.
    pub(super) fn clock_of(&self, node: NodeId) -> Clock {
        self.history.clock_of(&[node])
    }

    pub(super) fn is_known(&self, node: NodeId, extent: Extent, at: OffsetDateTime) -> bool {
        match extent {
            Extent::Record => self.recorded[node as usize].is_some_and(|known| known <= at),
            Extent::WithLate => self.received[node as usize] <= at,
        }
    }

    /// When a change came on record.
    pub(super) fn recorded_at(&self, node: NodeId) -> Option<OffsetDateTime> {
        self.recorded[node as usize]
    }

    /// All moments at which something became known of a change.
    pub(super) fn moments_of(&self, node: NodeId) -> impl Iterator<Item = OffsetDateTime> {
        let node = node as usize;
        let apart = (self.recorded[node] != Some(self.received[node])).then_some(self.received[node]);
        self.recorded[node].into_iter().chain(apart).chain(self.rejected[node])
    }

    /// What became of writes of which all came late.
    pub(super) fn lateness(
        &self,
        mut writes: impl Iterator<Item = NodeId>,
        extent: Extent,
        at: OffsetDateTime,
    ) -> Option<LateState> {
        let is_rejected = |node: NodeId| self.rejected[node as usize].is_some_and(|rejected| rejected <= at);
        match extent {
            Extent::Record => writes.all(|node| self.is_late[node as usize]).then_some(LateState::Accepted),
            Extent::WithLate if writes.all(is_rejected) => Some(LateState::Rejected),
            Extent::WithLate => Some(LateState::Late),
        }
    }

    /// When a change was made.
    pub(super) fn moment_of(&self, node: NodeId) -> Moment {
        let change = self.history.node(node);
        let received_at = change.received_at;
        let stated = match self.history.actor(change.actor).device {
            Some(_) => StatedTime::of_seconds(change.stated_at_seconds),
            None => StatedTime::of_change(change.stated_at_seconds),
        };
        let may_be_right = |at: &OffsetDateTime| {
            self.created_at.saturating_sub(BEFORE_SESSION) <= *at && *at <= received_at.saturating_add(AHEAD)
        };
        match stated.at.filter(may_be_right) {
            Some(observed_at) => Moment { observed_at, received_at, clock_suspect: false },
            None => {
                let clock_suspect = stated.is_suspect || stated.at.is_some();
                Moment { observed_at: received_at, received_at, clock_suspect }
            }
        }
    }

    pub(super) fn hash_of(&self, node: NodeId) -> ChangeHash {
        self.history.node(node).hash
    }

    /// Automerge's order of operations.
    pub(super) fn compare(&self, one: OpRef, other: OpRef) -> Ordering {
        self.history.compare(one, other)
    }
}
