//! From one generation to the next.

use std::time::Duration;

use firemode_supervisor::Exit;
use firemode_supervisor::machine::{Action, Command, Edition, Event, HandoverStep, Phase, Run};
use nix::sys::signal::Signal;

use super::bench::*;

const RELOAD: Event = Event::Commanded { id: Some(1), command: Command::Reload };

fn steps(actions: &[Action]) -> Vec<HandoverStep> {
    let step = |action: &Action| match action {
        Action::Handover(handover) => Some(handover.step),
        _ => None,
    };
    actions.iter().filter_map(step).collect()
}

#[test]
fn a_reload_replaces_migrations_ingest_and_api_one_after_the_other() {
    let mut bench = Bench::up();
    let old_ingest = bench.run(INGEST);
    assert_eq!(editions(&bench.feed(RELOAD)), [(MIGRATE, Edition::Candidate)]);
    assert_eq!(editions(&bench.exit(MIGRATE, Exit::Code(0))), [(INGEST, Edition::Candidate)]);
    assert_eq!(bench.phase(INGEST), Phase::Ready);
    let taken = bench.ready(INGEST);
    assert_eq!(editions(&taken), [(API, Edition::Candidate)]);
    let retire = Action::Signal { run: old_ingest, signal: Signal::SIGUSR1 };
    assert!(taken.contains(&retire), "the earlier one finishes its requests: {taken:?}");
    let last = bench.ready(API);
    assert!(last.contains(&Action::Adopt));
    assert_eq!(answer(&last), Some(Ok("every process has been replaced")));
}

#[test]
fn a_new_version_that_does_not_become_ready_leaves_the_old_one_serving() {
    let mut bench = Bench::up();
    bench.feed(RELOAD);
    bench.exit(MIGRATE, Exit::Code(0));
    let old_api = bench.run(API);
    let taken = bench.ready(INGEST);
    assert_eq!(signals(&taken), [(INGEST, Signal::SIGUSR1)]);
    let old_ingest = Run { child: INGEST, number: 1 };
    bench.feed(Event::Exited { run: old_ingest, exit: Exit::Code(0) });
    let failed = bench.exit(API, Exit::Code(78));
    assert_eq!(steps(&failed), [HandoverStep::Failed, HandoverStep::Begun]);
    assert_eq!(editions(&failed), [(INGEST, Edition::Adopted)], "ingest goes back");
    let back = bench.ready(INGEST);
    let reason =
        "the new api exited with code 78 (its configuration is wrong); the old version goes on serving";
    assert_eq!(answer(&back), Some(Err(reason)));
    assert!(back.contains(&Action::Discard));
    bench.runs[API] = old_api.number;
    assert_eq!(signals(&bench.pass(120 * SECOND)), [(INGEST, Signal::SIGKILL)], "the retired one overstayed");
    assert_eq!(bench.phase(API), Phase::Ready);
}

#[test]
fn a_new_generation_that_hangs_is_ended_and_the_old_one_stays() {
    let mut bench = Bench::up();
    bench.feed(Event::Commanded { id: Some(1), command: Command::Restart(API) });
    let late = bench.pass(30 * SECOND);
    assert_eq!(signals(&late), [(API, Signal::SIGTERM)]);
    let reason = "the new api was not ready within 30s; what served before goes on serving";
    assert_eq!(answer(&late), Some(Err(reason)));
    assert_eq!(bench.phase(API), Phase::Ready);
}

#[test]
fn a_crash_of_the_old_generation_during_a_handover_is_no_gap() {
    let mut bench = Bench::up();
    let old = bench.run(API);
    bench.feed(RELOAD);
    bench.exit(MIGRATE, Exit::Code(0));
    bench.ready(INGEST);
    bench.feed(Event::Exited { run: old, exit: Exit::Code(1) });
    assert_eq!(bench.phase(API), Phase::Backoff);
    assert_eq!(answer(&bench.ready(API)), Some(Ok("every process has been replaced")));
    assert_eq!(bench.phase(API), Phase::Ready);
    assert!(spawns(&bench.pass(60 * SECOND)).is_empty(), "the backoff is over with the handover");
}

#[test]
fn a_second_reload_is_refused_while_the_first_one_runs() {
    let mut bench = Bench::up();
    bench.feed(RELOAD);
    let second = bench.feed(Event::Commanded { id: Some(2), command: Command::Reload });
    assert_eq!(answer(&second), Some(Err("another reload is still running")));
}

#[test]
fn a_leak_hands_over_and_a_burst_over_the_ceiling_ends_at_once() {
    let mut bench = Bench::up();
    let measure = |bench: &mut Bench, bytes| bench.feed(Event::Measured { run: bench.run(INGEST), bytes });
    bench.pass(60 * SECOND);
    for bytes in [450, 450, 300, 450, 450] {
        assert!(spawns(&measure(&mut bench, bytes)).is_empty());
    }
    assert_eq!(spawns(&measure(&mut bench, 450)), [INGEST]);
    assert_eq!(signals(&bench.ready(INGEST)), [(INGEST, Signal::SIGUSR1)]);
    for _ in 0..5 {
        assert!(spawns(&measure(&mut bench, 450)).is_empty(), "a new one is given its time");
    }
    assert_eq!(signals(&measure(&mut bench, 501)), [(INGEST, Signal::SIGTERM)]);
}

#[test]
fn a_stop_takes_both_generations_along() {
    let mut bench = Bench::up();
    let old = bench.run(API);
    bench.feed(Event::Commanded { id: None, command: Command::Restart(API) });
    bench.ready(API);
    let stop = bench.feed(Event::StopRequested { signal: Signal::SIGTERM });
    assert_eq!(signals(&stop), [(API, Signal::SIGTERM), (API, Signal::SIGTERM)]);
    assert_eq!(signals(&bench.exit(API, Exit::Code(0))), [], "the earlier one still needs ingest");
    let next = bench.feed(Event::Exited { run: old, exit: Exit::Code(0) });
    assert_eq!(signals(&next), [(INGEST, Signal::SIGTERM)]);
}

#[test]
fn the_supervisor_answers_for_an_api_that_is_down_for_long_until_it_serves() {
    let mut bench = Bench::up();
    let stands_in = |actions: &[Action]| {
        actions.iter().any(|action| matches!(action, Action::StandIn { child: API, .. }))
    };
    assert!(!stands_in(&bench.exit(API, Exit::Code(1))), "connections wait for a second");
    bench.pass(SECOND);
    assert!(!stands_in(&bench.exit(API, Exit::Code(1))));
    bench.pass(2 * SECOND);
    let down = bench.exit(API, Exit::Code(1));
    assert!(down.contains(&Action::StandIn { child: API, retry_in: Some(4 * SECOND) }));
    assert_eq!(spawns(&bench.pass(4 * SECOND)), [API]);
    assert!(bench.ready(API).contains(&Action::StandDown { child: API }));
    assert_eq!(bench.now, Duration::from_secs(7));
}
