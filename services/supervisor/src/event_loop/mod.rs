//! The event loop: asks the machine what to do, and does it. Runs on the main thread, which is the one that spawns.

mod actions;
mod operators;

use std::collections::{HashMap, VecDeque};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use firemode_runtime::backoff::system_jitter;
use firemode_runtime::control::Request;
use firemode_runtime::settings::LogFormat;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::effects::control::{ControlSocket, ReplyTo};
use crate::effects::executable::Executable;
use crate::effects::oom::OomCounter;
use crate::effects::probe::Prober;
use crate::effects::stand_in::StandIn;
use crate::effects::systemd::Systemd;
use crate::effects::{measure, reap, signals, spawn};
use crate::error::SupervisorError;
use crate::exit::{Exit, ExitCode};
use crate::logs::{Mask, Output, Recent};
use crate::machine::{Event, Machine, Run};
use crate::policy::Policy;
use crate::spec::{ChildSpec, Kind};
use crate::status_board::StatusBoard;

/// Messages that wait for the event loop; a sender of more waits.
const QUEUE_MAX: usize = 256;

/// Time between two probes of a child whose first good answer is waited for.
const STARTING_PROBE_INTERVAL: Duration = Duration::from_millis(50);

/// PostgreSQL is asked this many times less often, and has as many times longer for its answer: each takes it a new process, and a
/// restart takes everything down.
const POSTGRES_PATIENCE: u32 = 4;

/// Time between two measurements of what the children take.
const MEASURE_INTERVAL: Duration = Duration::from_secs(2);

/// How the supervisor presents itself.
#[derive(Debug, Clone)]
pub struct Presentation {
    /// The form of log lines.
    pub format: LogFormat,
    /// Printed when everything is ready for the first time, where the format is for people.
    pub welcome: Vec<String>,
    /// The public address, for the status.
    pub listening: Option<String>,
    /// The folder for the control socket, locked by this process; none: there is no control socket.
    pub control: Option<PathBuf>,
    /// Texts that are masked wherever a child prints them.
    pub secrets: Vec<String>,
}

enum Message {
    Signal(Signal),
    Event(Event),
    Probed { run: Run, took: Duration, failure: Option<String> },
    Request(Request, ReplyTo),
}

/// A process of a child.
struct Process {
    pid: Pid,
    prober: Option<Prober>,
    /// Where it says whether it is alive.
    pulse: Option<UnixStream>,
}

struct EventLoop {
    table: Vec<ChildSpec>,
    policy: Policy,
    machine: Machine,
    processes: HashMap<Run, Process>,
    sender: SyncSender<Message>,
    output: Output,
    status_board: StatusBoard,
    welcome: Vec<String>,
    started: Instant,
    measured: Instant,
    finished: Option<ExitCode>,
    executable: Executable,
    executable_path: PathBuf,
    candidate: Option<Executable>,
    stand_ins: HashMap<usize, StandIn>,
    /// Operators who wait for an answer.
    waiting: HashMap<u64, ReplyTo>,
    requests: u64,
    oom: OomCounter,
    systemd: Systemd,
}

/// Runs the children of a table until a signal asks to stop, and all of them have.
///
/// Call it on the main thread and before any other thread starts. `SIGTERM` and `SIGINT` stop everything in reverse
/// order, a second one at once; `SIGHUP` replaces every process of our own without losing a request.
///
/// # Errors
/// The table makes no sense, or the system refuses threads, signals or the control socket.
pub fn supervise(
    table: Vec<ChildSpec>,
    policy: Policy,
    presentation: Presentation,
) -> Result<ExitCode, SupervisorError> {
    let system = |what| move |source: std::io::Error| SupervisorError::System { what, source };
    let machine = Machine::new(&table, policy.clone(), system_jitter())?;
    spawn::keep_inherited_descriptors().map_err(system("close inherited descriptors to children"))?;
    signals::block().map_err(|errno| system("block signals")(errno.into()))?;
    prctl::set_child_subreaper(true).map_err(|errno| system("become a subreaper")(errno.into()))?;
    let (executable, executable_path) = Executable::own().map_err(system("open the own executable"))?;
    let (sender, receiver) = sync_channel(QUEUE_MAX);
    let to_loop = sender.clone();
    signals::listen(move |signal| to_loop.send(Message::Signal(signal)).is_ok())
        .map_err(system("start the signal thread"))?;
    let names: Vec<_> = table.iter().map(|spec| spec.name).collect();
    let width = names.iter().map(|name| name.len()).max().unwrap_or_default();
    let recent = Arc::new(Recent::new(names));
    let mask = Mask::new(&presentation.secrets);
    let output = Output::start(presentation.format, width, mask, recent.clone())
        .map_err(system("start the output thread"))?;
    let to_loop = sender.clone();
    let deliver = move |request, reply| to_loop.send(Message::Request(request, reply)).is_ok();
    let folder = presentation.control.clone();
    let control = presentation.control.map(|folder| ControlSocket::bind(&folder)?.serve(recent, deliver));
    let _control = control.transpose().map_err(system("open the control socket"))?;
    let mut this = EventLoop {
        status_board: StatusBoard::new(&table, presentation.listening, folder),
        table,
        policy,
        machine,
        processes: HashMap::new(),
        sender,
        output,
        welcome: presentation.welcome,
        started: Instant::now(),
        measured: Instant::now(),
        finished: None,
        executable,
        executable_path,
        candidate: None,
        stand_ins: HashMap::new(),
        waiting: HashMap::new(),
        requests: 0,
        oom: OomCounter::find(),
        systemd: Systemd::from_env(),
    };
    let code = this.run(&receiver);
    reap::end_orphans();
    this.output.finish();
    Ok(code)
}

impl EventLoop {
    fn run(&mut self, messages: &Receiver<Message>) -> ExitCode {
        self.feed(Event::Tick);
        loop {
            if let Some(code) = self.finished {
                return code;
            }
            let deadline = self.machine.next_deadline().unwrap_or_default();
            match messages.recv_timeout(deadline.saturating_sub(self.started.elapsed())) {
                Ok(Message::Event(event)) => self.feed(event),
                Ok(Message::Probed { run, took, failure }) => self.probed(run, took, failure),
                Ok(Message::Request(request, reply)) => self.requested(request, reply),
                Ok(Message::Signal(signal)) => self.signalled(signal),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => self.feed(Event::Tick),
            }
            if self.measured.elapsed() >= MEASURE_INTERVAL {
                self.measure();
                self.systemd.say("WATCHDOG=1");
            }
        }
    }

    fn signalled(&mut self, signal: Signal) {
        match signal {
            Signal::SIGCHLD => self.reap(),
            Signal::SIGHUP => {
                tracing::info!(signal = signal.as_str(), "asked to reload");
                if let Err(error) = self.reload(None) {
                    tracing::error!(%error, "the reload was not begun");
                }
            }
            signal => {
                tracing::info!(signal = signal.as_str(), "asked to stop");
                self.systemd.say("STOPPING=1");
                self.status_board.stopping();
                self.feed(Event::StopRequested { signal });
            }
        }
    }

    fn reap(&mut self) {
        let processes = &self.processes;
        let run_of = |pid: Pid| processes.iter().find(|(_, process)| process.pid == pid).map(|(run, _)| *run);
        let leads_group = |pid| run_of(pid).is_some_and(|run| self.table[run.child].kind != Kind::Postgres);
        let ended = reap::collect(leads_group);
        let mut exits: Vec<_> = ended.iter().filter_map(|&(pid, exit)| Some((run_of(pid)?, exit))).collect();
        let reported: Vec<_> = exits.iter().map(|(run, _)| *run).collect();
        let lost =
            processes.iter().filter(|(run, process)| !reported.contains(run) && reap::is_gone(process.pid));
        exits.extend(lost.map(|(run, _)| (*run, Exit::Unknown)));
        for (run, exit) in exits {
            self.processes.remove(&run);
            let killed = matches!(exit, Exit::Signal { signal: Signal::SIGKILL, .. });
            let exit = if killed && self.oom.has_grown() { Exit::OutOfMemory } else { exit };
            self.status_board.exited(run.child, exit.to_string());
            self.feed(Event::Exited { run, exit });
        }
    }

    /// Hands an event to the machine, does what it says, and hands it what follows from that.
    fn feed(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for action in self.machine.handle(self.started.elapsed(), event) {
                events.extend(self.perform(action));
            }
        }
    }

    fn probed(&mut self, run: Run, took: Duration, failure: Option<String>) {
        if self.machine.present(run.child) == run {
            self.status_board.probed(run.child, took, failure.as_deref());
        }
        self.feed(match failure {
            None => Event::ProbeOk { run },
            Some(reason) => Event::ProbeFailed { run, reason },
        });
    }

    /// Looks at what the children take, and lets the machine judge it.
    fn measure(&mut self) {
        self.measured = Instant::now();
        for (run, bytes) in self.measure_usage() {
            self.feed(Event::Measured { run, bytes });
        }
    }

    /// Notes what the children take; gives the memory of each.
    fn measure_usage(&mut self) -> Vec<(Run, u64)> {
        let mut memory = Vec::new();
        let runs: Vec<_> = self.processes.iter().map(|(run, process)| (*run, process.pid)).collect();
        for (run, pid) in runs {
            let usage = match self.table[run.child].kind {
                Kind::Postgres => measure::family(pid),
                Kind::Service | Kind::OneShot => measure::process(pid),
            };
            let Some(usage) = usage.filter(|_| self.machine.present(run.child) == run) else { continue };
            self.status_board.measured(run.child, usage);
            memory.push((run, usage.memory_bytes));
        }
        memory
    }
}
