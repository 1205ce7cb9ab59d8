//! Children that do not answer.

use firemode_supervisor::Exit;
use firemode_supervisor::machine::{Action, Event, Phase};
use nix::sys::signal::Signal;

use super::bench::*;

const KILLED: Exit = Exit::Signal { signal: Signal::SIGKILL, core_dumped: false };

fn miss_probe(bench: &mut Bench, child: usize) -> Vec<Action> {
    bench.now += SECOND;
    bench.feed(Event::ProbeFailed { run: bench.run(child), reason: "timed out".into() })
}

fn answer_probe(bench: &mut Bench, child: usize) -> Vec<Action> {
    bench.now += SECOND;
    bench.feed(Event::ProbeOk { run: bench.run(child) })
}

#[test]
fn a_hung_service_is_killed_when_its_successor_has_started() {
    let mut bench = Bench::up();
    bench.pass(5 * SECOND);
    for _ in 0..2 {
        assert_eq!(signals(&miss_probe(&mut bench, INGEST)), []);
    }
    answer_probe(&mut bench, INGEST);
    for _ in 0..2 {
        assert_eq!(signals(&miss_probe(&mut bench, INGEST)), []);
    }
    let hung = bench.run(INGEST);
    let last = miss_probe(&mut bench, INGEST);
    let spawn = last.iter().position(|action| spawned(action).is_some()).expect("a successor");
    let kill =
        last.iter().position(|action| *action == Action::Signal { run: hung, signal: Signal::SIGKILL });
    assert!(spawn < kill.expect("a kill"), "{last:?}");
    let steps = last.iter().filter_map(|action| match action {
        Action::Emit(step) => Some((step.to, step.cause.clone())),
        _ => None,
    });
    let hangs = "hangs: 3 probes in a row failed, the last with: timed out";
    assert_eq!(steps.collect::<Vec<_>>()[0], (Phase::Backoff, hangs.to_owned()));
    bench.ready(INGEST);
    assert!(spawns(&bench.feed(Event::Exited { run: hung, exit: KILLED })).is_empty());
    assert_eq!(bench.phase(INGEST), Phase::Ready);
}

#[test]
fn a_service_that_hangs_after_each_start_is_started_with_pauses() {
    let mut bench = Bench::up();
    bench.pass(5 * SECOND);
    let hang = |bench: &mut Bench| {
        let hung = bench.run(API);
        let actions: Vec<_> = (0..3).flat_map(|_| miss_probe(bench, API)).collect();
        bench.feed(Event::Exited { run: hung, exit: KILLED });
        spawns(&actions)
    };
    assert_eq!(hang(&mut bench), [API], "it had served for a while");
    bench.ready(API);
    assert_eq!(hang(&mut bench), [API], "the pause of 2 s has passed since it was ready");
    bench.ready(API);
    assert!(hang(&mut bench).is_empty(), "that of 4 s has not");
    assert_eq!(spawns(&bench.pass(SECOND)), [API]);
}

#[test]
fn the_supervisor_answers_for_an_api_that_misses_probes_until_it_is_well() {
    let mut bench = Bench::up();
    bench.pass(5 * SECOND);
    let stand_in = Action::StandIn { child: API, retry_in: Some(SECOND) };
    let stand_down = Action::StandDown { child: API };
    assert!(!miss_probe(&mut bench, API).contains(&stand_in), "one may be lost");
    assert!(miss_probe(&mut bench, API).contains(&stand_in));
    assert!(answer_probe(&mut bench, API).contains(&stand_down));
    let actions: Vec<_> = (0..3).flat_map(|_| miss_probe(&mut bench, API)).collect();
    assert_eq!(spawns(&actions), [API]);
    assert!(actions.contains(&stand_in) && !actions.contains(&stand_down), "{actions:?}");
    assert!(bench.ready(API).contains(&stand_down));
}

#[test]
fn a_hung_service_whose_successor_starts_already_waits_for_that_one() {
    let mut bench = Bench::up();
    bench.pass(5 * SECOND);
    let hung = bench.run(INGEST);
    bench
        .feed(Event::Commanded { id: None, command: firemode_supervisor::machine::Command::Restart(INGEST) });
    let failed = Event::ProbeFailed { run: hung, reason: "timed out".into() };
    let actions: Vec<_> = (0..3).flat_map(|_| bench.feed(failed.clone())).collect();
    assert_eq!((signals(&actions), spawns(&actions)), (vec![(INGEST, Signal::SIGKILL)], vec![]));
    assert_eq!(bench.phase(INGEST), Phase::Stopping);
    bench.ready(INGEST);
    assert_eq!(bench.phase(INGEST), Phase::Ready);
    assert!(spawns(&bench.feed(Event::Exited { run: hung, exit: KILLED })).is_empty());
}

#[test]
fn a_hung_database_keeps_its_ladder() {
    let mut bench = Bench::up();
    let actions: Vec<_> = (0..3).flat_map(|_| miss_probe(&mut bench, POSTGRES)).collect();
    assert_eq!(signals(&actions), [(POSTGRES, Signal::SIGINT)]);
    assert_eq!(signals(&bench.pass(6 * SECOND)), [(POSTGRES, Signal::SIGQUIT)]);
    assert_eq!(signals(&bench.pass(4 * SECOND)), [(POSTGRES, Signal::SIGKILL)]);
    assert_eq!(bench.phase(API), Phase::Ready);
}

#[test]
fn time_in_which_the_instance_was_frozen_is_no_evidence_against_a_child() {
    let mut bench = Bench::new();
    bench.now += 3_600 * SECOND;
    assert_eq!(signals(&bench.feed(Event::Tick)), []);
    assert_eq!(signals(&bench.pass(28 * SECOND)), []);
    assert_eq!(signals(&bench.pass(SECOND)).len(), 2, "the deadline is still there, an hour later");
}

#[test]
fn after_a_freeze_missed_probes_are_counted_from_the_beginning() {
    let mut bench = Bench::up();
    for _ in 0..2 {
        miss_probe(&mut bench, API);
    }
    bench.now += 3 * SECOND;
    assert_eq!(signals(&miss_probe(&mut bench, API)), [], "the supervisor did not see what it did meanwhile");
    assert_eq!(signals(&miss_probe(&mut bench, API)), []);
    assert_eq!(signals(&miss_probe(&mut bench, API)), [(API, Signal::SIGKILL)]);
}
