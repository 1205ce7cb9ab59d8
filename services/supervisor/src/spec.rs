//! The child table: what runs, what it needs, and how it is asked to stop.

use std::ffi::OsString;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;

use firemode_runtime::data_dir::EmbeddedDatabase;
use firemode_runtime::settings::CorsSettings;
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid};

/// Tells a process that a next generation has taken over: it accepts no more connections and finishes what it has begun.
pub const RETIRE: Signal = Signal::SIGUSR1;

/// One child of the supervisor. Its place in the table is its place in the start order; the stop goes in reverse.
#[derive(Debug, Clone)]
pub struct ChildSpec {
    /// Unique name, for people and for [`ChildSpec::depends_on`].
    pub name: &'static str,
    /// What kind of process it is: when it counts as ready, and how it is stopped.
    pub kind: Kind,
    /// What is executed.
    pub program: Program,
    /// Arguments, without the program's own name.
    pub args: Vec<OsString>,
    /// Variables on top of what the program's kind gives it.
    pub env: Vec<(&'static str, OsString)>,
    /// Names of earlier children in the table that must be ready (a one-shot: done) before each start of this one.
    pub depends_on: Vec<&'static str>,
    /// How its health is asked for.
    pub probe: Option<Probe>,
    /// The listening socket that each generation of it inherits.
    pub socket: Option<Arc<TcpListener>>,
    /// Is its work done once and for all, so that no operator may ask for it again?
    pub once: bool,
    /// The unprivileged user that it drops to.
    pub run_as: Option<Identity>,
    /// Its working directory, where it must not be the supervisor's.
    pub directory: Option<PathBuf>,
    /// The embedded database's folders: no start before every earlier server has left them.
    pub database: Option<EmbeddedDatabase>,
    /// Can a next generation take over while this one serves? It then shares the socket and the work with it for a while.
    pub hands_over: bool,
    /// Does the supervisor answer on its socket while it is down for long?
    pub stands_in: bool,
    /// Which web pages may read what it answers there.
    pub cors: Option<CorsSettings>,
    /// How much memory it may take.
    pub memory: Option<MemoryLimits>,
}

/// Bounds of a child's resident memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryLimits {
    /// Over this for some time, a next generation takes over.
    pub soft_bytes: u64,
    /// Over this it is ended.
    pub bytes_max: u64,
}

impl ChildSpec {
    /// A child that depends on nothing, with no probe and no socket.
    pub fn new(name: &'static str, kind: Kind, program: Program, args: Vec<OsString>) -> Self {
        Self {
            name,
            kind,
            program,
            args,
            env: Vec::new(),
            depends_on: Vec::new(),
            probe: None,
            socket: None,
            once: false,
            run_as: None,
            directory: None,
            database: None,
            hands_over: false,
            stands_in: false,
            cors: None,
            memory: None,
        }
    }
}

/// What kind of process a child is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Runs until it is stopped; ready when it says so (`READY=1`).
    Service,
    /// Runs to its end; what depends on it waits for exit code 0.
    OneShot,
    /// A PostgreSQL server: ready when its probe succeeds, stopped on its own ladder.
    Postgres,
}

/// One step of asking a process to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rung {
    /// What is sent.
    pub signal: Signal,
    /// When, as a share of the time that the stop may take. At 100 % comes SIGKILL.
    pub after_percent: u32,
}

impl Kind {
    /// The signals before SIGKILL.
    pub fn stop_ladder(self) -> &'static [Rung] {
        match self {
            Self::Service | Self::OneShot => &[Rung { signal: Signal::SIGTERM, after_percent: 0 }],
            // Fast shutdown, then immediate shutdown; a killed postmaster leaves backends and shared memory behind.
            Self::Postgres => &[
                Rung { signal: Signal::SIGINT, after_percent: 0 },
                Rung { signal: Signal::SIGQUIT, after_percent: 60 },
            ],
        }
    }

    /// What the kernel sends it when the supervisor dies.
    pub fn parent_death_signal(self) -> Signal {
        match self {
            Self::Service | Self::OneShot => Signal::SIGKILL,
            Self::Postgres => Signal::SIGINT,
        }
    }

    /// Its share of the time for a whole stop, as a weight among the children that still run.
    pub fn stop_weight(self) -> u32 {
        match self {
            Self::Service | Self::Postgres => 4,
            Self::OneShot => 1,
        }
    }
}

/// What is executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// The very executable that the supervisor runs, also where another one lies at its path now. It inherits the environment.
    OwnExecutable,
    /// Another program. Of the environment it gets `PATH` only: secrets and `PG*` variables are none of its business.
    At(PathBuf),
}

/// An unprivileged user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user's name.
    pub name: String,
    /// User number.
    pub uid: Uid,
    /// Group number.
    pub gid: Gid,
}

/// How a child's health is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// A process of our own answers over a socket that it was born with ([`firemode_runtime::pulse`]).
    Pulse,
    /// PostgreSQL says `ready` in `postmaster.pid` and answers on its socket.
    Postgres {
        /// Its data folder.
        data: PathBuf,
        /// The socket file.
        socket: PathBuf,
    },
}
