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
        /// Which generation.
        run: Run,
        /// Its process id.
        pid: i32,
    },
    /// The process could not be made.
    SpawnFailed {
        /// Which generation.
        run: Run,
        /// What the system said.
        reason: String,
    },
    /// It must not start yet; this is no failure of the child.
    Blocked {
        /// Which generation.
        run: Run,
        /// What is in the way.
        reason: String,
    },
    /// The child says that it serves.
    NotifiedReady {
        /// Which generation.
        run: Run,
    },
    /// The child says that it has begun to stop.
    NotifiedStopping {
        /// Which generation.
        run: Run,
    },
    /// A probe was answered as it should be.
    ProbeOk {
        /// Which generation.
        run: Run,
    },
    /// A probe was not answered, or wrongly.
    ProbeFailed {
        /// Which generation.
        run: Run,
        /// What went wrong.
        reason: String,
    },
    /// The process has ended.
    Exited {
        /// Which generation.
        run: Run,
        /// How.
        exit: Exit,
    },
    /// Time has passed.
    Tick,
    /// Somebody asks the supervisor to stop; the second time: at once.
    StopRequested {
        /// Which signal brought the request.
        signal: Signal,
    },
}

/// Something to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Start this generation.
    Spawn {
        /// Which generation.
        run: Run,
    },
    /// Send a signal to this generation: to its process group, or to the postmaster alone.
    Signal {
        /// Which generation.
        run: Run,
        /// What to send.
        signal: Signal,
    },
    /// Begin probing at this pace, in place of an earlier one.
    StartProbing {
        /// Which generation.
        run: Run,
        /// How often.
        pace: Pace,
    },
    /// Stop probing.
    StopProbing {
        /// Which generation.
        run: Run,
    },
    /// Tell the world.
    Emit(Transition),
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
    /// The child's name.
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
