//! A world of simulated processes around the real state machine.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use firemode_supervisor::machine::{Action, Command, Edition, Event, Machine, Phase, Run};
use firemode_supervisor::spec::{ChildSpec, Kind};
use firemode_supervisor::{Exit, ExitCode};
use nix::sys::signal::Signal;

use super::process::{Plan, Process, step};
use super::{policy, table};

/// Children misbehave until then, and the stop is asked for some time after.
const FAULTS_END: Duration = Duration::from_secs(120);
pub(crate) const RECOVERED_BY: Duration = Duration::from_secs(360);

/// How long the kernel takes to end a killed process.
const KILL_TAKES: Duration = Duration::from_millis(20);

/// Steps from one phase to another.
pub(crate) type Steps = BTreeSet<(String, String)>;

pub(crate) struct World {
    pub(crate) seed: u64,
    random: u64,
    pub(crate) now: Duration,
    frozen: Duration,
    pub(crate) table: Vec<ChildSpec>,
    pub(crate) machine: Machine,
    /// Ordered by time, then by number.
    plans: BTreeMap<(Duration, Reverse<u64>), Plan>,
    planned: u64,
    pub(crate) processes: Vec<Process>,
    pub(crate) reported: Vec<Phase>,
    /// Every step from one phase to another, by their names.
    steps: Steps,
    pub(crate) stood_in_for: Vec<bool>,
    pub(crate) reloads_begun: u32,
    pub(crate) reloads_ended: u32,
    requests: u64,
    pub(crate) unanswered: BTreeSet<u64>,
    pub(crate) asked_at: Option<Duration>,
    finished: Option<ExitCode>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let table = table();
        let mut jitter = seed;
        let jitter = Box::new(move || step(&mut jitter) as f64 / u64::MAX as f64);
        let mut world = Self {
            seed,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            now: Duration::ZERO,
            frozen: Duration::ZERO,
            machine: Machine::new(&table, policy(), jitter).unwrap(),
            plans: BTreeMap::new(),
            planned: 0,
            processes: Vec::new(),
            reported: vec![Phase::Waiting; table.len()],
            steps: Steps::new(),
            stood_in_for: vec![false; table.len()],
            reloads_begun: 0,
            reloads_ended: 0,
            requests: 0,
            unanswered: BTreeSet::new(),
            table,
            asked_at: None,
            finished: None,
        };
        world.plan_operators();
        world.plan_the_end();
        world
    }

    /// Operators who reload, restart, stop and start, at any moment; what they stop they start again.
    fn plan_operators(&mut self) {
        for _ in 0..self.below(6) {
            let at = self.milliseconds(0, 100_000);
            let child = self.below(self.table.len() as u64) as usize;
            let command = match self.below(4) {
                0 | 1 => Command::Reload,
                2 => Command::Restart(child),
                _ => {
                    let later = at + self.milliseconds(0, 20_000);
                    self.plan(later.min(FAULTS_END), Plan::Command(Command::Start(child)));
                    Command::Stop(child)
                }
            };
            self.plan(at, Plan::Command(command));
        }
        // In the end everything was started.
        for child in 0..self.table.len() {
            self.plan(FAULTS_END, Plan::Command(Command::Start(child)));
        }
        if self.chance(20) {
            let (at, length) = (self.milliseconds(0, 100_000), self.milliseconds(1_000, 3_600_000));
            self.plan(at, Plan::Freeze(length));
        }
    }

    /// Half of the histories are stopped in the middle of their troubles, half after everything has come up again.
    fn plan_the_end(&mut self) {
        let stop = if self.chance(50) { self.milliseconds(0, 120_000) } else { RECOVERED_BY };
        self.plan(stop, Plan::AskToStop);
        if self.chance(30) {
            let second = stop + self.milliseconds(0, 9_000);
            self.plan(second, Plan::AskToStop);
        }
    }

    /// Lives through the history, and returns which steps the children took.
    pub(crate) fn live(mut self) -> Steps {
        self.feed(Event::Tick);
        while self.finished.is_none() {
            let wake = self.machine.next_deadline().expect("it wants to be woken until it has finished");
            match self.plans.first_entry().filter(|plan| plan.key().0 <= wake) {
                Some(plan) => {
                    self.now = self.now.max(plan.key().0);
                    let plan = plan.remove();
                    self.happen(plan);
                }
                None => {
                    self.now = self.now.max(wake);
                    self.feed(Event::Tick);
                }
            }
            self.check_time();
        }
        self.check_end();
        self.steps
    }

    fn happen(&mut self, plan: Plan) {
        match plan {
            Plan::AskToStop => {
                if self.asked_at.is_none() {
                    self.check_recovered();
                    self.asked_at = Some(self.now);
                }
                self.feed(Event::StopRequested { signal: Signal::SIGTERM });
            }
            Plan::BecomeReady(run) => {
                if let Some(process) = self.alive(run).filter(|process| !process.hangs) {
                    process.ready = true;
                    if self.table[run.child].kind == Kind::Service {
                        self.feed(Event::NotifiedReady { run });
                    }
                }
            }
            Plan::Hang(run) => {
                if let Some(process) = self.alive(run) {
                    process.hangs = true;
                }
            }
            Plan::Probe(run) => self.probe(run),
            Plan::Measure(run, bytes) => self.measure(run, bytes),
            Plan::End(run, exit) => {
                if self.alive(run).is_some() {
                    self.processes.retain(|process| process.run != run);
                    self.feed(Event::Exited { run, exit });
                }
            }
            Plan::Command(command) => self.command(command),
            Plan::Freeze(length) if self.asked_at.is_none() => self.freeze(length),
            Plan::Freeze(_) => {}
        }
    }

    /// Nobody sees the time pass: the processes go on where they stood, and so does everything that is planned.
    fn freeze(&mut self, length: Duration) {
        self.now += length;
        self.frozen += length;
        let plans = std::mem::take(&mut self.plans);
        self.plans = plans.into_iter().map(|((at, number), plan)| ((at + length, number), plan)).collect();
    }

    fn command(&mut self, command: Command) {
        self.requests += 1;
        let id = self.requests;
        self.unanswered.insert(id);
        if command == Command::Reload && self.asked_at.is_none() {
            self.reloads_begun += 1;
        }
        self.feed(Event::Commanded { id: Some(id), command });
    }

    fn probe(&mut self, run: Run) {
        let Some(process) = self.alive(run).filter(|process| process.probed) else { return };
        let healthy = process.ready && !process.hangs;
        let again = self.now + Duration::from_secs(1);
        self.plan(again, Plan::Probe(run));
        self.feed(match healthy {
            true => Event::ProbeOk { run },
            false => Event::ProbeFailed { run, reason: "timed out".to_owned() },
        });
        let steals = healthy && self.stood_in_for[run.child] && self.machine.present(run.child) == run;
        assert!(!steals, "seed {}: a stand-in beside one that serves", self.seed);
    }

    /// A leak: more with each measurement.
    fn measure(&mut self, run: Run, bytes: u64) {
        if self.alive(run).is_some() && self.awake() < FAULTS_END {
            let more = bytes + (self.below(40) << 20);
            self.plan(self.now + Duration::from_secs(2), Plan::Measure(run, more));
            self.feed(Event::Measured { run, bytes });
        }
    }

    fn feed(&mut self, event: Event) {
        for action in self.machine.handle(self.now, event) {
            match action {
                Action::Spawn { run, edition, succeeds } => self.spawn(run, edition, succeeds),
                Action::Signal { run, signal } => self.signal(run, signal),
                Action::StartProbing { run, .. } => {
                    let first =
                        self.alive(run).is_some_and(|process| !std::mem::replace(&mut process.probed, true));
                    if first {
                        self.plan(self.now + Duration::from_millis(100), Plan::Probe(run));
                    }
                }
                Action::StopProbing { run } => {
                    if let Some(process) = self.alive(run) {
                        process.probed = false;
                    }
                }
                Action::Emit(step) => {
                    self.check_transition(&step);
                    let child = self.table.iter().position(|spec| spec.name == step.child).unwrap();
                    self.reported[child] = step.to;
                    if step.from != step.to {
                        self.steps.insert((step.from.to_string(), step.to.to_string()));
                    }
                }
                Action::Handover(_) => {}
                Action::StandIn { child, .. } => {
                    assert!(!self.serves(child), "seed {}: a stolen connection", self.seed);
                    self.stood_in_for[child] = true;
                }
                Action::StandDown { child } => self.stood_in_for[child] = false,
                Action::Adopt | Action::Discard => self.reloads_ended += 1,
                Action::Answer { id, result } => {
                    assert!(self.unanswered.remove(&id), "seed {}: a second answer", self.seed);
                    // A reload that was refused has never begun.
                    if result.is_err_and(|reason| reason.starts_with("another reload")) {
                        self.reloads_begun -= 1;
                    }
                }
                Action::AllReady => {
                    let all = (0..self.table.len()).all(|child| self.is_satisfied(child));
                    assert!(all, "seed {}: not everything is ready", self.seed);
                }
                Action::Finish(code) => self.finished = Some(code),
            }
        }
    }

    fn spawn(&mut self, run: Run, edition: Edition, succeeds: bool) {
        self.check_spawn(run, edition, succeeds);
        let spec = self.table[run.child].clone();
        let faulty = self.awake() < FAULTS_END;
        if faulty && self.chance(5) {
            return self.feed(Event::SpawnFailed { run, reason: "out of memory".into() });
        }
        let process = Process {
            run,
            ready: false,
            hangs: faulty && self.chance(5),
            ignores_signals: self.chance(10),
            stop_takes: self.milliseconds(0, 4_000),
            probed: false,
            got: Vec::new(),
        };
        self.processes.push(process);
        let slow = if faulty && self.chance(5) { 20_000 } else { 3_000 };
        let starts = self.now + self.milliseconds(10, slow);
        if faulty && self.chance(20) {
            let crash = self.now + self.milliseconds(0, 30_000);
            let misconfigured = succeeds && self.chance(30);
            let exit = Exit::Signal { signal: Signal::SIGSEGV, core_dumped: true };
            self.plan(crash, Plan::End(run, if misconfigured { Exit::Code(78) } else { exit }));
        }
        if faulty && self.chance(10) {
            let hang = self.now + self.milliseconds(0, 60_000);
            self.plan(hang, Plan::Hang(run));
        }
        if spec.memory.is_some() && self.chance(30) {
            self.plan(starts, Plan::Measure(run, 300 << 20));
        }
        match spec.kind {
            Kind::OneShot => {
                let code = i32::from(faulty && self.chance(30));
                self.plan(starts, Plan::End(run, Exit::Code(code)));
            }
            Kind::Service | Kind::Postgres => self.plan(starts, Plan::BecomeReady(run)),
        }
        self.feed(Event::Started { run, pid: 1 });
    }

    fn signal(&mut self, run: Run, signal: Signal) {
        self.check_signal(run, signal);
        let now = self.now;
        let Some(process) = self.alive(run) else { return };
        process.got.push(signal);
        let (takes, deaf) = (process.stop_takes, process.ignores_signals || process.hangs);
        if signal == Signal::SIGKILL {
            self.plan(now + KILL_TAKES, Plan::End(run, Exit::Signal { signal, core_dumped: false }));
        } else if !deaf {
            self.plan(now + takes, Plan::End(run, Exit::Code(0)));
        }
    }

    /// The time that has passed, without that in which nobody saw it pass.
    pub(crate) fn awake(&self) -> Duration {
        self.now - self.frozen
    }

    fn alive(&mut self, run: Run) -> Option<&mut Process> {
        self.processes.iter_mut().find(|process| process.run == run)
    }

    /// The living processes of a child.
    pub(crate) fn of_child(&self, child: usize) -> impl Iterator<Item = &Process> {
        self.processes.iter().filter(move |process| process.run.child == child)
    }

    fn plan(&mut self, at: Duration, plan: Plan) {
        self.planned += 1;
        self.plans.insert((at, Reverse(u64::MAX - self.planned)), plan);
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn below(&mut self, end: u64) -> u64 {
        step(&mut self.random) % end
    }

    fn milliseconds(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below((to - from).max(1)))
    }
}
