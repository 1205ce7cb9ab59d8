//! Ten thousand seeded histories of crashes, hangs, slow starts, flapping, operators and signals, in simulated time.
//! The rules of supervision hold in every history. A failure prints its seed; `SEED=<n>` runs that one alone.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

mod process;
mod rules;
mod world;

use std::time::Duration;

use firemode_supervisor::Policy;
use firemode_supervisor::spec::{ChildSpec, Kind, MemoryLimits, Probe, Program};
use world::{Steps, World};

const HISTORIES: u64 = 10_000;

#[test]
fn the_rules_hold_in_every_history_and_all_of_them_take_the_steps_of_the_diagram() {
    if let Ok(seed) = std::env::var("SEED") {
        World::new(seed.parse().expect("SEED is a number")).live();
        return;
    }
    let mut steps = Steps::new();
    for seed in 0..HISTORIES {
        // An assertion inside the machine names no seed.
        let taken = std::panic::catch_unwind(|| World::new(seed).live()).unwrap_or_else(|panic| {
            eprintln!("SEED={seed} runs this history again");
            std::panic::resume_unwind(panic);
        });
        steps.extend(taken);
    }
    assert_eq!(diagram(), steps, "left: the diagram in docs/operations.md, right: what the machine does");
}

/// The steps that the diagram in docs/operations.md shows: `starting --> ready: says it is ready`.
fn diagram() -> Steps {
    let text = include_str!("../../../../docs/operations.md");
    let (_, after) = text.split_once("stateDiagram-v2").expect("there is a state diagram");
    let (diagram, _) = after.split_once("```").expect("the diagram ends");
    let step = |line: &str| {
        let (from, rest) = line.trim().split_once(" --> ")?;
        let to = rest.split_once(':').map_or(rest, |(to, _)| to);
        Some((from.to_owned(), to.to_owned()))
    };
    // The first and the last arrow of a diagram lead from and to nothing.
    diagram.lines().filter_map(step).filter(|(from, to)| from != "[*]" && to != "[*]").collect()
}

pub(crate) fn policy() -> Policy {
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
        handover_max: seconds(20),
        stand_in_after: seconds(2),
    }
}

/// The shape of the real table.
pub(crate) fn table() -> Vec<ChildSpec> {
    let child = |name, kind, depends_on: &[&'static str]| {
        let program =
            if kind == Kind::Postgres { Program::At("/postgres".into()) } else { Program::OwnExecutable };
        let mut spec = ChildSpec::new(name, kind, program, Vec::new());
        spec.depends_on = depends_on.to_vec();
        spec.probe = (kind != Kind::OneShot).then_some(Probe::Pulse);
        spec.hands_over = kind == Kind::Service;
        spec.stands_in = name == "api";
        spec.memory =
            (name == "ingest").then_some(MemoryLimits { soft_bytes: 400 << 20, bytes_max: 512 << 20 });
        spec
    };
    vec![
        child("postgres", Kind::Postgres, &[]),
        child("migrate", Kind::OneShot, &["postgres"]),
        child("ingest", Kind::Service, &["postgres", "migrate"]),
        child("api", Kind::Service, &[]),
    ]
}
