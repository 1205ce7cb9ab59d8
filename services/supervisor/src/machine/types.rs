//! What goes into the state machine and what comes out of it.

use std::fmt;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::exit::{Exit, ExitCode};

/// One generation of a child: its place in the table, and a number that counts its starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Run {
    /// Index in the child table.
    pub child: usize,
    /// 1 for the first start, 2 for the second...
    pub number: u64,
}

/// Something that happened. Events of a generation that has gone are ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The process exists. An [`Action::Spawn`] is answered with this, `SpawnFailed` or `Blocked` before anything else.
    Started {
        run: Run,
        /// Its process id.
        pid: i32,
    },
    /// The process could not be made.
    SpawnFailed {
        run: Run,
        /// What the system said.
        reason: String,
    },
    /// It must not start yet; this is no failure of the child.
    Blocked {
        run: Run,
        /// What is in the way.
        reason: String,
    },
    /// The child says that it serves.
    NotifiedReady { run: Run },
    /// The child says that it has begun to stop.
    NotifiedStopping { run: Run },
    /// A probe was answered as it should be.
    ProbeOk { run: Run },
    /// A probe was not answered, or wrongly.
    ProbeFailed {
        run: Run,
        /// What went wrong.
        reason: String,
    },
    /// The process has ended.
    Exited { run: Run, exit: Exit },
    /// The process takes this much memory.
    Measured {
        run: Run,
        /// Resident memory.
        bytes: u64,
    },
    /// An operator asks for something; [`Action::Answer`] with the same number says how it went.
    Commanded {
        /// Names the request; none where nobody waits for the answer.
        id: Option<u64>,
        command: Command,
    },
    /// Time has passed.
    Tick,
    /// Somebody asks the supervisor to stop; the second time: at once.
    StopRequested {
        /// Which signal brought the request.
        signal: Signal,
    },
}

impl Event {
    /// The generation that it is about; none where it is about none.
    pub fn run(&self) -> Option<Run> {
        match self {
            Self::Started { run, .. }
            | Self::SpawnFailed { run, .. }
            | Self::Blocked { run, .. }
            | Self::NotifiedReady { run }
            | Self::NotifiedStopping { run }
            | Self::ProbeOk { run }
            | Self::ProbeFailed { run, .. }
            | Self::Exited { run, .. }
            | Self::Measured { run, .. } => Some(*run),
            Self::Commanded { .. } | Self::Tick | Self::StopRequested { .. } => None,
        }
    }
}

/// What an operator may ask for. Children are named by their index in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Start a stopped child, or one that waits for its next start, now.
    Start(usize),
    /// Stop a child and leave it so.
    Stop(usize),
    /// Replace a child by a new generation: by handover where it can, else by a stop and a start.
    Restart(usize),
    /// Replace every process of our own by one of the executable that lies at its path by now.
    Reload,
}

/// Which executable a process of our own is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edition {
    /// The one that the supervisor has adopted.
    Adopted,
    /// The one that a reload tries.
    Candidate,
}

/// Something to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Start this generation.
    Spawn {
        run: Run,
        edition: Edition,
        /// Does an earlier generation still serve? Then it must not accept anything before it can serve.
        succeeds: bool,
    },
    /// Send a signal to this generation: to its process group, or to the postmaster alone.
    Signal { run: Run, signal: Signal },
    /// Begin probing at this pace, in place of an earlier one.
    StartProbing { run: Run, pace: Pace },
    /// Stop probing.
    StopProbing { run: Run },
    /// Tell the world.
    Emit(Transition),
    /// Tell the world of a step from one generation to the next.
    Handover(Handover),
    /// Answer requests in a child's place, from now on with this delay: it is down for long, or hangs.
    StandIn {
        child: usize,
        /// Its next start, where one is planned.
        retry_in: Option<Duration>,
    },
    /// Leave the child's socket alone again.
    StandDown { child: usize },
    /// The candidate is the adopted executable from now on.
    Adopt,
    /// The candidate is of no use.
    Discard,
    /// An operator's request is done, or has failed for this reason.
    Answer { id: u64, result: Result<String, String> },
    /// Every child is ready, for the first time.
    AllReady,
    /// Everything is over: leave with this code.
    Finish(ExitCode),
}

/// How often a child is probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Often: somebody waits for the first good answer.
    Starting,
    /// At the configured interval.
    Liveness,
}

/// Where a child stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// For what it depends on.
    Waiting,
    /// Its process exists and is not ready.
    Starting,
    /// It serves.
    Ready,
    /// It is on its way out.
    Stopping,
    /// It failed and waits for its next start.
    Backoff,
    /// A one-shot that did its work.
    Done,
    /// It has ended and stays so.
    Stopped,
}

impl Phase {
    /// Every phase.
    pub const ALL: [Self; 7] = [
        Self::Waiting,
        Self::Starting,
        Self::Ready,
        Self::Stopping,
        Self::Backoff,
        Self::Done,
        Self::Stopped,
    ];
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiting => "waiting",
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Stopping => "stopping",
            Self::Backoff => "backoff",
            Self::Done => "done",
            Self::Stopped => "stopped",
        })
    }
}

/// A child's step from one phase to another, with its cause in plain words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    pub child: &'static str,
    /// Where it was.
    pub from: Phase,
    /// Where it is.
    pub to: Phase,
    /// Why.
    pub cause: String,
    /// Its process id, where the step is a start.
    pub pid: Option<i32>,
    /// Failures in a row.
    pub failures: u32,
    /// Are these so many that it counts as a crash loop?
    pub crash_loop: bool,
    /// The next start, where one is planned.
    pub retry_in: Option<Duration>,
}

/// A step from one generation of a child to the next, while the earlier one serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handover {
    pub child: &'static str,
    pub step: HandoverStep,
    /// Why, or with which result.
    pub cause: String,
    /// The process in question, where it is new.
    pub pid: Option<i32>,
}

/// The steps of a handover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandoverStep {
    /// The next generation is starting.
    Begun,
    /// It serves, and the earlier one finishes its requests.
    Done,
    /// It does not serve, and the earlier one goes on.
    Failed,
    /// The one that was not needed any more has ended.
    Ended,
}

impl fmt::Display for HandoverStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Begun => "begun",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Ended => "ended",
        })
    }
}

/// A child table that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// Two children share a name.
    #[error("two children are named {0}")]
    Duplicate(&'static str),
    /// A dependency does not stand before its dependent, so that no start order exists.
    #[error("{child} depends on {dependency}, which does not stand before it")]
    Order {
        /// The dependent.
        child: &'static str,
        /// What it names.
        dependency: &'static str,
    },
}
