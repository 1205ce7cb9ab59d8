//! One child's state.

use std::collections::VecDeque;
use std::time::Duration;

use firemode_runtime::backoff::Backoff;
use nix::sys::signal::Signal;

use super::handover::SecondProcess;
use super::stand_in::StoodIn;
use super::types::{Edition, Phase, Run, TableError};
use crate::spec::{ChildSpec, Kind, MemoryLimits, Program};

/// Everything that the machine knows about one child.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) depends_on: Vec<usize>,
    pub(super) has_probe: bool,
    /// Is it made from the supervisor's own executable?
    pub(super) is_own: bool,
    pub(super) hands_over: bool,
    pub(super) stands_in: bool,
    pub(super) memory: Option<MemoryLimits>,
    /// Where its present generation stands.
    pub(super) state: ChildState,
    /// A second process of it: one that is to take over, or one that was taken over from.
    pub(super) second_process: Option<SecondProcess>,
    /// What the next start is made from.
    pub(super) edition: Edition,
    /// The phase that was last reported.
    pub(super) reported: Phase,
    /// The cause that was last reported.
    pub(super) cause: String,
    /// Number of the present or last generation.
    pub(super) generation: u64,
    /// The highest number that was given to a generation.
    pub(super) numbered: u64,
    pub(super) backoff: Backoff,
    pub(super) was_ready: bool,
    /// Since when something has been in the way of its start.
    pub(super) blocked_since: Option<Duration>,
    /// The supervisor answers in its place.
    pub(super) stood_in: Option<StoodIn>,
    /// Too much memory is no reason for a handover before this.
    pub(super) recycle_from: Duration,
}

/// Where a child stands, with what that state needs.
#[derive(Debug)]
pub(super) enum ChildState {
    /// Starts as soon as everything it depends on is ready.
    Waiting,
    /// Something outside is in the way of its start.
    Blocked { retry_at: Duration },
    /// Failed.
    Backoff { until: Duration },
    /// Spawned, not ready.
    Starting { until: Duration },
    /// Serving.
    Ready { since: Duration, failed_probes: u32, over_soft: u32 },
    /// Stopping by itself.
    Leaving { until: Duration },
    /// Being stopped by us: the signals still to send.
    Ending { schedule: Schedule, cause: String, then: Then },
    /// A one-shot that did its work.
    Done,
    /// Ended for good.
    Stopped,
}

/// Signals that are still to be sent, and when.
pub(super) type Schedule = VecDeque<(Duration, Signal)>;

/// What follows when a child that we end has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// It has failed.
    Fail,
    /// It stays stopped.
    Rest,
    /// It starts again at once.
    Start,
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
            is_own: spec.program == Program::OwnExecutable,
            hands_over: spec.hands_over,
            stands_in: spec.stands_in,
            memory: spec.memory,
            state: ChildState::Waiting,
            second_process: None,
            edition: Edition::Adopted,
            reported: Phase::Waiting,
            cause: String::new(),
            generation: 0,
            numbered: 0,
            backoff: Backoff::default(),
            was_ready: false,
            blocked_since: None,
            stood_in: None,
            recycle_from: Duration::ZERO,
        })
    }

    pub(super) fn run(&self, child: usize) -> Run {
        Run { child, number: self.generation }
    }

    /// The next number for a generation.
    pub(super) fn next_number(&mut self) -> u64 {
        self.numbered += 1;
        self.numbered
    }

    /// Does any process of it exist?
    pub(super) fn has_process(&self) -> bool {
        self.is_alive() || self.second_process.is_some()
    }

    /// Does a process of its present generation exist?
    pub(super) fn is_alive(&self) -> bool {
        use ChildState::*;
        matches!(self.state, Starting { .. } | Ready { .. } | Leaving { .. } | Ending { .. })
    }

    /// May what depends on it start?
    pub(super) fn is_satisfied(&self) -> bool {
        match self.kind {
            Kind::OneShot => matches!(self.state, ChildState::Done),
            Kind::Service | Kind::Postgres => matches!(self.state, ChildState::Ready { .. }),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        match self.state {
            ChildState::Waiting | ChildState::Blocked { .. } => Phase::Waiting,
            ChildState::Backoff { .. } => Phase::Backoff,
            ChildState::Starting { .. } => Phase::Starting,
            ChildState::Ready { .. } => Phase::Ready,
            ChildState::Leaving { .. } | ChildState::Ending { .. } => Phase::Stopping,
            ChildState::Done => Phase::Done,
            ChildState::Stopped => Phase::Stopped,
        }
    }

    /// When something is due for the present generation without any event; `forget` is how long ready makes earlier
    /// failures forgotten.
    pub(super) fn own_deadline(&self, forget: Duration) -> Option<Duration> {
        match &self.state {
            ChildState::Blocked { retry_at } => Some(*retry_at),
            ChildState::Backoff { until }
            | ChildState::Starting { until }
            | ChildState::Leaving { until } => Some(*until),
            ChildState::Ready { since, .. } => (self.backoff.failures() > 0).then(|| *since + forget),
            ChildState::Ending { schedule, .. } => schedule.front().map(|(at, _)| *at),
            ChildState::Waiting | ChildState::Done | ChildState::Stopped => None,
        }
    }
}

/// The signals that end a process of this kind within `budget`: its ladder, then SIGKILL.
pub(super) fn schedule(kind: Kind, now: Duration, budget: Duration) -> Schedule {
    let rungs = kind.stop_ladder().iter().map(|rung| (now + budget * rung.after_percent / 100, rung.signal));
    rungs.chain([(now + budget, Signal::SIGKILL)]).collect()
}
