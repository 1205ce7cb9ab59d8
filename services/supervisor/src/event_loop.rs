//! The event loop: asks the machine what to do, and does it. Runs on the main thread, which is the one that spawns.

use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use firemode_runtime::settings::LogFormat;
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::backoff::system_jitter;
use crate::effects::notify::{self, Notice};
use crate::effects::probe::Prober;
use crate::effects::{reap, signals, spawn};
use crate::error::SupervisorError;
use crate::exit::{Exit, ExitCode};
use crate::logs::Output;
use crate::machine::{Action, Event, Machine, Pace, Run};
use crate::policy::Policy;
use crate::postgres;
use crate::report;
use crate::spec::{ChildSpec, Kind};

/// Messages that wait for the event loop; whoever sends more waits.
const QUEUE_MAX: usize = 256;

/// Time between two probes of a child whose first good answer is waited for.
const STARTING_PROBE_INTERVAL: Duration = Duration::from_millis(50);

enum Message {
    Signal(Signal),
    Event(Event),
}

/// A child's present process.
struct Process {
    pid: Pid,
    prober: Option<Prober>,
}

struct EventLoop {
    table: Vec<ChildSpec>,
    policy: Policy,
    machine: Machine,
    processes: HashMap<Run, Process>,
    sender: SyncSender<Message>,
    output: Output,
    welcome: Vec<String>,
    started: Instant,
    finished: Option<ExitCode>,
}

/// Runs the children of a table until a signal asks to stop, and all of them have.
///
/// Call it on the main thread and before any other thread starts. `SIGTERM` and `SIGINT` stop everything in reverse
/// order, a second one at once; `SIGHUP` is noted, so that a closed terminal does not take the appliance down.
/// `welcome` is printed when everything is ready for the first time, where the format is for people.
///
/// # Errors
/// The table makes no sense, or the system refuses threads or signals.
pub fn supervise(
    table: Vec<ChildSpec>,
    policy: Policy,
    format: LogFormat,
    welcome: Vec<String>,
) -> Result<ExitCode, SupervisorError> {
    let system = |what| move |source: std::io::Error| SupervisorError::System { what, source };
    let machine = Machine::new(&table, policy.clone(), system_jitter())?;
    spawn::keep_inherited_descriptors().map_err(system("close inherited descriptors to children"))?;
    signals::block().map_err(|errno| system("block signals")(errno.into()))?;
    prctl::set_child_subreaper(true).map_err(|errno| system("become a subreaper")(errno.into()))?;
    let (sender, receiver) = sync_channel(QUEUE_MAX);
    let to_loop = sender.clone();
    signals::listen(move |signal| to_loop.send(Message::Signal(signal)).is_ok())
        .map_err(system("start the signal thread"))?;
    let width = table.iter().map(|spec| spec.name.len()).max().unwrap_or_default();
    let output = Output::start(format, width).map_err(system("start the output thread"))?;
    let processes = HashMap::new();
    let started = Instant::now();
    let mut this =
        EventLoop { table, policy, machine, processes, sender, output, welcome, started, finished: None };
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
                Ok(Message::Signal(signal)) => self.signalled(signal),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => self.feed(Event::Tick),
            }
        }
    }

    fn signalled(&mut self, signal: Signal) {
        match signal {
            Signal::SIGCHLD => self.reap(),
            Signal::SIGHUP => tracing::info!("SIGHUP does nothing; restart to apply changed settings"),
            signal => {
                tracing::info!(signal = signal.as_str(), "asked to stop");
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
        let told: Vec<_> = exits.iter().map(|(run, _)| *run).collect();
        let lost =
            processes.iter().filter(|(run, process)| !told.contains(run) && reap::is_gone(process.pid));
        exits.extend(lost.map(|(run, _)| (*run, Exit::Unknown)));
        for (run, exit) in exits {
            self.processes.remove(&run);
            self.feed(Event::Exited { run, exit });
        }
    }

    /// Hands an event to the machine, does what it says, and hands it what comes of that.
    fn feed(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for action in self.machine.handle(self.started.elapsed(), event) {
                events.extend(self.perform(action));
            }
        }
    }

    fn perform(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Spawn { run } => return Some(self.spawn(run)),
            Action::Signal { run, signal } => self.signal(run, signal),
            Action::StartProbing { run, pace } => self.start_probing(run, pace),
            Action::StopProbing { run } => {
                if let Some(process) = self.processes.get_mut(&run) {
                    process.prober = None;
                }
            }
            Action::Emit(transition) => report::transition(&transition),
            Action::AllReady => {
                let seconds = self.started.elapsed().as_secs_f64();
                tracing::info!(seconds, "everything is ready");
                self.output.announce(&self.welcome);
            }
            Action::Finish(code) => self.finished = Some(code),
        }
        None
    }

    fn spawn(&mut self, run: Run) -> Event {
        let spec = &self.table[run.child];
        if let Some(Err(reason)) = spec.database.as_ref().map(postgres::make_way) {
            return Event::Blocked { run, reason };
        }
        let spawned = match spawn::spawn(spec) {
            Ok(spawned) => spawned,
            Err(error) => return Event::SpawnFailed { run, reason: error.to_string() },
        };
        let pid = spawned.pid;
        self.processes.insert(run, Process { pid, prober: None });
        let mut followed = self.output.follow(spec.name, spawned.stdout);
        followed = followed.and_then(|()| self.output.follow(spec.name, spawned.stderr));
        if let Some(pipe) = spawned.notify {
            let sender = self.sender.clone();
            let deliver = move |notice| {
                let event = match notice {
                    Notice::Ready => Event::NotifiedReady { run },
                    Notice::Stopping => Event::NotifiedStopping { run },
                };
                sender.send(Message::Event(event)).is_ok()
            };
            followed = followed.and_then(|()| notify::listen(pipe, deliver));
        }
        if let Err(error) = followed {
            // Without its pipes it will end by SIGPIPE or miss its start deadline; either way it is tried again.
            tracing::error!(child = spec.name, %error, "cannot start a thread to follow a child");
        }
        Event::Started { run, pid: pid.as_raw() }
    }

    fn signal(&self, run: Run, signal: Signal) {
        let Some(process) = self.processes.get(&run) else { return };
        let spec = &self.table[run.child];
        let sent = match spec.kind {
            Kind::Postgres => kill(process.pid, signal),
            Kind::Service | Kind::OneShot => killpg(process.pid, signal),
        };
        if let Err(errno) = sent {
            tracing::warn!(child = spec.name, signal = signal.as_str(), %errno, "cannot send a signal");
        }
    }

    fn start_probing(&mut self, run: Run, pace: Pace) {
        let spec = &self.table[run.child];
        let (Some(process), Some(probe)) = (self.processes.get_mut(&run), spec.probe.clone()) else { return };
        let interval = match pace {
            Pace::Starting => STARTING_PROBE_INTERVAL,
            Pace::Liveness => self.policy.probe_interval,
        };
        let sender = self.sender.clone();
        let deliver = move |result| {
            let event = match result {
                Ok(()) => Event::ProbeOk { run },
                Err(reason) => Event::ProbeFailed { run, reason },
            };
            // The loop has ended: so will this thread, as its prober is dropped with it.
            let _ = sender.send(Message::Event(event));
        };
        process.prober = Prober::start(probe, process.pid, interval, self.policy.probe_timeout, deliver)
            .inspect_err(|error| tracing::error!(child = spec.name, %error, "cannot start a probe"))
            .ok();
    }
}
