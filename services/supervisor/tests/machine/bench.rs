//! A machine with a clock that a test moves by hand.

use std::time::Duration;

use firemode_supervisor::machine::{Action, Edition, Event, Machine, Phase, Run, Transition};
use firemode_supervisor::spec::{ChildSpec, Kind, MemoryLimits, Probe, Program};
use firemode_supervisor::{Exit, ExitCode, Policy};
use nix::sys::signal::Signal;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn policy() -> Policy {
    Policy {
        shutdown_max: 10 * SECOND,
        backoff_max: 60 * SECOND,
        backoff_forget: 60 * SECOND,
        crash_loop_failures: 3,
        probe_interval: 2 * SECOND,
        probe_timeout: 2 * SECOND,
        probe_failures_max: 3,
        start_max: 30 * SECOND,
        handover_max: 30 * SECOND,
        stand_in_after: 2 * SECOND,
    }
}

pub(crate) fn child(name: &'static str, kind: Kind, depends_on: &[&'static str]) -> ChildSpec {
    let mut spec = ChildSpec::new(name, kind, Program::OwnExecutable, vec![name.into()]);
    spec.depends_on = depends_on.to_vec();
    spec.hands_over = kind == Kind::Service;
    spec.stands_in = name == "api";
    spec.memory = (name == "ingest").then_some(MemoryLimits { soft_bytes: 400, bytes_max: 500 });
    spec.probe = (kind != Kind::OneShot).then_some(Probe::Pulse);
    spec
}

/// The shape of the real table.
pub(crate) fn table() -> Vec<ChildSpec> {
    vec![
        child("postgres", Kind::Postgres, &[]),
        child("migrate", Kind::OneShot, &["postgres"]),
        child("ingest", Kind::Service, &["postgres", "migrate"]),
        child("api", Kind::Service, &[]),
    ]
}

pub(crate) const POSTGRES: usize = 0;
pub(crate) const MIGRATE: usize = 1;
pub(crate) const INGEST: usize = 2;
pub(crate) const API: usize = 3;

/// A machine with a clock that a test moves by hand; each spawn succeeds at once.
pub(crate) struct Bench {
    pub(crate) machine: Machine,
    pub(crate) now: Duration,
    pub(crate) runs: Vec<u64>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let machine = Machine::new(&table(), policy(), Box::new(|| 0.0)).unwrap();
        let mut bench = Self { machine, now: Duration::ZERO, runs: vec![0; 4] };
        bench.feed(Event::Tick);
        bench
    }

    /// Everything ready.
    pub(crate) fn up() -> Self {
        let mut bench = Self::new();
        bench.feed(Event::ProbeOk { run: bench.run(POSTGRES) });
        bench.exit(MIGRATE, Exit::Code(0));
        bench.ready(INGEST);
        assert!(bench.ready(API).contains(&Action::AllReady));
        bench
    }

    pub(crate) fn run(&self, child: usize) -> Run {
        Run { child, number: self.runs[child] }
    }

    pub(crate) fn feed(&mut self, event: Event) -> Vec<Action> {
        let mut actions = self.machine.handle(self.now, event);
        let spawned: Vec<_> = actions.iter().filter_map(spawned).collect();
        for run in spawned {
            self.runs[run.child] = run.number;
            actions.extend(self.feed(Event::Started { run, pid: 100 + run.child as i32 }));
        }
        actions
    }

    pub(crate) fn ready(&mut self, child: usize) -> Vec<Action> {
        self.feed(Event::NotifiedReady { run: self.run(child) })
    }

    pub(crate) fn exit(&mut self, child: usize, exit: Exit) -> Vec<Action> {
        self.feed(Event::Exited { run: self.run(child), exit })
    }

    /// Lets time pass as the event loop does: never over a deadline.
    pub(crate) fn pass(&mut self, time: Duration) -> Vec<Action> {
        let end = self.now + time;
        let mut actions = Vec::new();
        while self.now < end {
            self.now = self.machine.next_deadline().unwrap_or(end).clamp(self.now, end);
            actions.extend(self.feed(Event::Tick));
        }
        actions
    }

    pub(crate) fn phase(&self, child: usize) -> Phase {
        self.machine.phases().nth(child).unwrap().1
    }
}

pub(crate) fn spawned(action: &Action) -> Option<Run> {
    match action {
        Action::Spawn { run, .. } => Some(*run),
        _ => None,
    }
}

/// Everything that is started, and from which executable.
pub(crate) fn editions(actions: &[Action]) -> Vec<(usize, Edition)> {
    let edition = |action: &Action| match action {
        Action::Spawn { run, edition, .. } => Some((run.child, *edition)),
        _ => None,
    };
    actions.iter().filter_map(edition).collect()
}

/// What an operator was answered.
pub(crate) fn answer(actions: &[Action]) -> Option<Result<&str, &str>> {
    actions.iter().find_map(|action| match action {
        Action::Answer { result, .. } => Some(result.as_deref().map_err(String::as_str)),
        _ => None,
    })
}

pub(crate) fn spawns(actions: &[Action]) -> Vec<usize> {
    actions.iter().filter_map(spawned).map(|run| run.child).collect()
}

pub(crate) fn signals(actions: &[Action]) -> Vec<(usize, Signal)> {
    let signal = |action: &Action| match action {
        Action::Signal { run, signal } => Some((run.child, *signal)),
        _ => None,
    };
    actions.iter().filter_map(signal).collect()
}

pub(crate) fn last_step(actions: &[Action]) -> &Transition {
    pub(crate) fn step(action: &Action) -> Option<&Transition> {
        match action {
            Action::Emit(step) => Some(step),
            _ => None,
        }
    }
    actions.iter().rev().find_map(step).expect("a transition")
}

pub(crate) fn finish(actions: &[Action]) -> Option<ExitCode> {
    actions.iter().find_map(|action| match action {
        Action::Finish(code) => Some(*code),
        _ => None,
    })
}
