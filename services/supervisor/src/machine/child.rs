//! One child's state.

use std::collections::VecDeque;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::types::{Phase, Run, TableError};
use crate::backoff::Backoff;
use crate::spec::{ChildSpec, Kind};

/// Everything that the machine knows about one child.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) depends_on: Vec<usize>,
    pub(super) has_probe: bool,
    pub(super) state: State,
    /// The phase that was last told.
    pub(super) told: Phase,
    /// Number of the present or last generation.
    pub(super) generation: u64,
    pub(super) backoff: Backoff,
    pub(super) was_ready: bool,
    /// Since when something has been in the way of its start.
    pub(super) blocked_since: Option<Duration>,
}

/// Where a child stands, with what that state needs.
#[derive(Debug)]
pub(super) enum State {
    /// Starts as soon as everything it depends on is ready.
    Waiting,
    /// Something outside is in the way of its start.
    Blocked { retry_at: Duration },
    /// Failed.
    Backoff { until: Duration },
    /// Spawned, not ready.
    Starting { until: Duration },
    /// Serving.
    Ready { since: Duration, failed_probes: u32 },
    /// Stopping by itself.
    Leaving { until: Duration },
    /// Being stopped by us: the signals still to send.
    Ending { schedule: VecDeque<(Duration, Signal)>, cause: String },
    /// A one-shot that did its work.
    Done,
    /// Ended for good.
    Stopped,
}

impl Child {
    /// The child at `index`, with nothing started.
    pub(super) fn of(table: &[ChildSpec], index: usize) -> Result<Self, TableError> {
        let spec = &table[index];
        let earlier = &table[..index];
        if earlier.iter().any(|other| other.name == spec.name) {
            return Err(TableError::Duplicate(spec.name));
        }
        let position = |&dependency: &&'static str| {
            let missing = TableError::Order { child: spec.name, dependency };
            earlier.iter().position(|other| other.name == dependency).ok_or(missing)
        };
        Ok(Self {
            name: spec.name,
            kind: spec.kind,
            depends_on: spec.depends_on.iter().map(position).collect::<Result<_, _>>()?,
            has_probe: spec.probe.is_some(),
            state: State::Waiting,
            told: Phase::Waiting,
            generation: 0,
            backoff: Backoff::default(),
            was_ready: false,
            blocked_since: None,
        })
    }

    pub(super) fn run(&self, child: usize) -> Run {
        Run { child, number: self.generation }
    }

    /// Does a process of it exist?
    pub(super) fn is_alive(&self) -> bool {
        use State::*;
        matches!(self.state, Starting { .. } | Ready { .. } | Leaving { .. } | Ending { .. })
    }

    /// May what depends on it start?
    pub(super) fn is_satisfied(&self) -> bool {
        match self.kind {
            Kind::OneShot => matches!(self.state, State::Done),
            Kind::Service | Kind::Postgres => matches!(self.state, State::Ready { .. }),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        match self.state {
            State::Waiting | State::Blocked { .. } => Phase::Waiting,
            State::Backoff { .. } => Phase::Backoff,
            State::Starting { .. } => Phase::Starting,
            State::Ready { .. } => Phase::Ready,
            State::Leaving { .. } | State::Ending { .. } => Phase::Stopping,
            State::Done => Phase::Done,
            State::Stopped => Phase::Stopped,
        }
    }

    /// When something is due without any event; `forget` is how long ready makes earlier failures forgotten.
    pub(super) fn deadline(&self, forget: Duration) -> Option<Duration> {
        match &self.state {
            State::Blocked { retry_at } => Some(*retry_at),
            State::Backoff { until } | State::Starting { until } | State::Leaving { until } => Some(*until),
            State::Ready { since, .. } => (self.backoff.failures() > 0).then(|| *since + forget),
            State::Ending { schedule, .. } => schedule.front().map(|(at, _)| *at),
            State::Waiting | State::Done | State::Stopped => None,
        }
    }
}

/// The signals that end a process of this kind within `budget`: its ladder, then SIGKILL.
pub(super) fn schedule(kind: Kind, now: Duration, budget: Duration) -> VecDeque<(Duration, Signal)> {
    let rungs = kind.stop_ladder().iter().map(|rung| (now + budget * rung.after_percent / 100, rung.signal));
    rungs.chain([(now + budget, Signal::SIGKILL)]).collect()
}
