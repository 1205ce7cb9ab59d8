//! Thousands of seeded histories of crashes, hangs, slow starts and signals, in simulated time. Whatever happens, the
//! rules of supervision hold. A failure prints its seed; `SEED=<n>` runs that one alone.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use firemode_supervisor::machine::{Action, Event, Machine, Phase, Run};
use firemode_supervisor::spec::{ChildSpec, Kind, Probe, Program};
use firemode_supervisor::{Exit, ExitCode, Policy};
use nix::sys::signal::Signal;

const HISTORIES: u64 = 4_000;

/// Children misbehave until then, and the stop is asked for some time after.
const FAULTS_END: Duration = Duration::from_secs(120);
const RECOVERED_BY: Duration = Duration::from_secs(300);

/// How long the kernel takes to end a killed process.
const KILL_TAKES: Duration = Duration::from_millis(20);

#[test]
fn the_rules_hold_in_every_history() {
    if let Ok(seed) = std::env::var("SEED") {
        return World::new(seed.parse().expect("SEED is a number")).live();
    }
    for seed in 0..HISTORIES {
        World::new(seed).live();
    }
}

fn policy() -> Policy {
    let seconds = Duration::from_secs;
    Policy {
        shutdown_max: seconds(10),
        backoff_max: seconds(16),
        backoff_forget: seconds(20),
        crash_loop_failures: 3,
        probe_interval: seconds(2),
        probe_timeout: seconds(1),
        probe_failures_max: 3,
        start_max: seconds(15),
    }
}

fn table() -> Vec<ChildSpec> {
    let child = |name, kind, depends_on: &[&'static str]| {
        let mut spec = ChildSpec::new(name, kind, Program::OwnExecutable, Vec::new());
        spec.depends_on = depends_on.to_vec();
        let probe = Probe::Http { address: ([127, 0, 0, 1], 1).into(), path: "/" };
        spec.probe = (kind != Kind::OneShot).then_some(probe);
        spec
    };
    vec![
        child("postgres", Kind::Postgres, &[]),
        child("migrate", Kind::OneShot, &["postgres"]),
        child("ingest", Kind::Service, &["postgres", "migrate"]),
        child("api", Kind::Service, &[]),
    ]
}

/// A simulated process.
struct Process {
    run: Run,
    ready: bool,
    hangs: bool,
    ignores_signals: bool,
    stop_takes: Duration,
    probed: bool,
    /// Signals that it got, in order.
    got: Vec<Signal>,
}

/// What is going to happen.
enum Plan {
    BecomeReady(Run),
    Probe(Run),
    Hang(Run),
    End(Run, Exit),
    AskToStop,
}

struct World {
    seed: u64,
    random: u64,
    now: Duration,
    table: Vec<ChildSpec>,
    machine: Machine,
    /// Ordered by time, then by number.
    plans: BTreeMap<(Duration, Reverse<u64>), Plan>,
    planned: u64,
    processes: Vec<Option<Process>>,
    told: Vec<Phase>,
    asked_at: Option<Duration>,
    finished: Option<ExitCode>,
}

impl World {
    fn new(seed: u64) -> Self {
        let table = table();
        let mut jitter = seed;
        let jitter = Box::new(move || step(&mut jitter) as f64 / u64::MAX as f64);
        let mut world = Self {
            seed,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            now: Duration::ZERO,
            machine: Machine::new(&table, policy(), jitter).unwrap(),
            plans: BTreeMap::new(),
            planned: 0,
            processes: table.iter().map(|_| None).collect(),
            told: vec![Phase::Waiting; table.len()],
            table,
            asked_at: None,
            finished: None,
        };
        // Half of the histories are stopped in the middle of their troubles, half after everything has come up again.
        let stop = if world.chance(50) { world.milliseconds(0, 120_000) } else { RECOVERED_BY };
        world.plan(stop, Plan::AskToStop);
        if world.chance(30) {
            let second = stop + world.milliseconds(0, 9_000);
            world.plan(second, Plan::AskToStop);
        }
        world
    }

    fn live(mut self) {
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
            Plan::End(run, exit) => {
                if self.alive(run).is_some() {
                    self.processes[run.child] = None;
                    self.feed(Event::Exited { run, exit });
                }
            }
        }
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
    }

    fn feed(&mut self, event: Event) {
        for action in self.machine.handle(self.now, event) {
            match action {
                Action::Spawn { run } => self.spawn(run),
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
                    let child = self.table.iter().position(|spec| spec.name == step.child).unwrap();
                    assert_eq!(
                        step.from, self.told[child],
                        "seed {}: {} skipped a step",
                        self.seed, step.child
                    );
                    self.told[child] = step.to;
                }
                Action::AllReady => {
                    let all = (0..self.table.len()).all(|child| self.is_satisfied(child));
                    assert!(all, "seed {}: not everything is ready", self.seed);
                }
                Action::Finish(code) => self.finished = Some(code),
            }
        }
    }

    fn spawn(&mut self, run: Run) {
        let seed = self.seed;
        let spec = self.table[run.child].clone();
        assert!(self.asked_at.is_none(), "seed {seed}: {} started during a stop", spec.name);
        assert!(self.processes[run.child].is_none(), "seed {seed}: a second {}", spec.name);
        for dependency in &spec.depends_on {
            let index = self.table.iter().position(|other| other.name == *dependency).unwrap();
            assert!(self.is_satisfied(index), "seed {seed}: {} started before {dependency}", spec.name);
        }
        let faulty = self.now < FAULTS_END;
        if faulty && self.chance(5) {
            return self.feed(Event::SpawnFailed { run, reason: "out of memory".into() });
        }
        self.processes[run.child] = Some(Process {
            run,
            ready: false,
            hangs: faulty && self.chance(5),
            ignores_signals: self.chance(10),
            stop_takes: self.milliseconds(0, 4_000),
            probed: false,
            got: Vec::new(),
        });
        let starts = self.now + self.milliseconds(10, 3_000);
        if faulty && self.chance(20) {
            let crash = self.now + self.milliseconds(0, 30_000);
            self.plan(crash, Plan::End(run, Exit::Signal { signal: Signal::SIGSEGV, core_dumped: true }));
        }
        if faulty && self.chance(10) {
            let hang = self.now + self.milliseconds(0, 60_000);
            self.plan(hang, Plan::Hang(run));
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
        let (seed, now, name) = (self.seed, self.now, self.table[run.child].name);
        let stopping = self.asked_at.is_some();
        let mut later = self.processes[run.child + 1..].iter().flatten();
        let in_order = later.all(|process| process.got.contains(&Signal::SIGKILL));
        let kind = self.table[run.child].kind;
        let Some(process) = self.alive(run) else { return };
        let first = process.got.is_empty();
        process.got.push(signal);
        let (takes, deaf) = (process.stop_takes, process.ignores_signals || process.hangs);
        if signal == Signal::SIGKILL {
            let warned = kind != Kind::Postgres || process.got.contains(&Signal::SIGQUIT);
            assert!(warned, "seed {seed}: postgres killed without a warning");
            let exit = Exit::Signal { signal, core_dumped: false };
            self.plan(now + KILL_TAKES, Plan::End(run, exit));
        } else {
            let orderly = !stopping || !first || in_order || signal == Signal::SIGQUIT;
            assert!(orderly, "seed {seed}: {name} asked to stop before those that need it");
            if !deaf {
                self.plan(now + takes, Plan::End(run, Exit::Code(0)));
            }
        }
    }

    fn check_time(&self) {
        if let Some(asked) = self.asked_at {
            let took = self.now - asked;
            assert!(took <= policy().shutdown_max, "seed {}: the stop takes {took:?}", self.seed);
        }
    }

    fn check_recovered(&self) {
        if self.now >= RECOVERED_BY {
            let all = (0..self.table.len()).all(|child| self.is_satisfied(child));
            assert!(all, "seed {}: troubles are over, and it stands at {:?}", self.seed, self.told);
        }
    }

    fn check_end(&self) {
        let seed = self.seed;
        assert!(self.processes.iter().all(Option::is_none), "seed {seed}: a process is left");
        for (child, phase) in self.told.iter().enumerate() {
            let over = matches!(phase, Phase::Stopped | Phase::Done);
            assert!(over, "seed {seed}: {} ends as {phase}", self.table[child].name);
        }
    }

    fn alive(&mut self, run: Run) -> Option<&mut Process> {
        self.processes[run.child].as_mut().filter(|process| process.run == run)
    }

    fn is_satisfied(&self, child: usize) -> bool {
        match self.table[child].kind {
            Kind::OneShot => self.told[child] == Phase::Done,
            Kind::Service | Kind::Postgres => {
                self.told[child] == Phase::Ready && self.processes[child].is_some()
            }
        }
    }

    fn plan(&mut self, at: Duration, plan: Plan) {
        self.planned += 1;
        self.plans.insert((at, Reverse(u64::MAX - self.planned)), plan);
    }

    fn chance(&mut self, percent: u64) -> bool {
        step(&mut self.random) % 100 < percent
    }

    fn milliseconds(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + step(&mut self.random) % (to - from).max(1))
    }
}

/// xorshift64*: small, and the same on every machine.
fn step(state: &mut u64) -> u64 {
    *state = (*state).max(1);
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    state.wrapping_mul(0x2545_f491_4f6c_dd1d)
}
