//! Starts, failures, hangs and stops.

use std::time::Duration;

use firemode_supervisor::machine::{Event, Machine, Phase, TableError};
use firemode_supervisor::spec::Kind;
use firemode_supervisor::{Exit, ExitCode};
use nix::sys::signal::Signal;

use super::bench::*;

#[test]
fn children_start_when_what_they_need_is_ready_and_not_before() {
    let machine = Machine::new(&table(), policy(), Box::new(|| 0.0)).unwrap();
    let mut bench = Bench { machine, now: Duration::ZERO, runs: vec![0; 4] };
    assert_eq!(spawns(&bench.feed(Event::Tick)), [POSTGRES, API]);
    assert!(spawns(&bench.ready(API)).is_empty());
    assert_eq!(spawns(&bench.feed(Event::ProbeOk { run: bench.run(POSTGRES) })), [MIGRATE]);
    assert_eq!(spawns(&bench.exit(MIGRATE, Exit::Code(0))), [INGEST]);
}

#[test]
fn a_failed_one_shot_is_tried_again_and_holds_back_what_needs_it() {
    let mut bench = Bench::new();
    bench.feed(Event::ProbeOk { run: bench.run(POSTGRES) });
    assert_eq!(last_step(&bench.exit(MIGRATE, Exit::Code(1))).retry_in, Some(SECOND));
    assert_eq!(spawns(&bench.pass(SECOND)), [MIGRATE]);
    assert_eq!(spawns(&bench.exit(MIGRATE, Exit::Code(0))), [INGEST]);
}

#[test]
fn delays_double_a_crash_loop_is_flagged_and_still_retried() {
    let mut bench = Bench::up();
    for (seconds, crash_loop) in [(1, false), (2, false), (4, true), (8, true)] {
        let actions = bench.exit(API, Exit::Signal { signal: Signal::SIGSEGV, core_dumped: true });
        let step = last_step(&actions);
        assert_eq!((step.retry_in, step.crash_loop), (Some(seconds * SECOND), crash_loop));
        assert_eq!(step.cause, "ended by SIGSEGV, core dumped");
        assert_eq!(spawns(&bench.pass(seconds * SECOND)), [API]);
    }
}

#[test]
fn failures_are_forgotten_only_after_being_ready_for_long_enough() {
    let mut bench = Bench::up();
    bench.exit(API, Exit::Code(1));
    bench.pass(SECOND);
    bench.pass(29 * SECOND);
    bench.ready(API);
    bench.pass(59 * SECOND);
    assert_eq!(last_step(&bench.exit(API, Exit::Code(1))).failures, 2);
    bench.pass(2 * SECOND);
    bench.ready(API);
    bench.pass(60 * SECOND);
    assert_eq!(last_step(&bench.exit(API, Exit::Code(1))).failures, 1);
}

#[test]
fn a_child_that_does_not_become_ready_is_replaced() {
    let mut bench = Bench::new();
    assert_eq!(signals(&bench.pass(29 * SECOND)), []);
    let late = bench.pass(SECOND);
    assert_eq!(signals(&late), [(POSTGRES, Signal::SIGINT), (API, Signal::SIGTERM)]);
}

#[test]
fn a_crashed_database_leaves_the_others_running_and_is_not_migrated_again() {
    let mut bench = Bench::up();
    let crash = bench.exit(POSTGRES, Exit::Signal { signal: Signal::SIGKILL, core_dumped: false });
    assert_eq!(signals(&crash), []);
    bench.exit(INGEST, Exit::Code(1));
    assert_eq!(spawns(&bench.pass(SECOND)), [POSTGRES], "ingest waits for the database");
    assert_eq!(spawns(&bench.feed(Event::ProbeOk { run: bench.run(POSTGRES) })), [INGEST]);
    assert_eq!(bench.phase(MIGRATE), Phase::Done);
}

#[test]
fn news_of_an_earlier_generation_changes_nothing() {
    let mut bench = Bench::up();
    let old = bench.run(API);
    bench.exit(API, Exit::Code(1));
    bench.pass(SECOND);
    bench.feed(Event::NotifiedReady { run: old });
    bench.feed(Event::Exited { run: old, exit: Exit::Code(1) });
    assert_eq!(bench.phase(API), Phase::Starting);
}

#[test]
fn a_start_that_something_is_in_the_way_of_waits_without_counting_as_a_failure() {
    let machine = Machine::new(&table()[..1], policy(), Box::new(|| 0.0)).unwrap();
    let mut bench = Bench { machine, now: Duration::ZERO, runs: vec![0] };
    let mut attempts = bench.machine.handle(bench.now, Event::Tick);
    for _ in 0..10 {
        let [run] = attempts.iter().filter_map(spawned).collect::<Vec<_>>()[..] else {
            panic!("no attempt in {attempts:?}")
        };
        bench.machine.handle(bench.now, Event::Blocked { run, reason: "process 7 is there".into() });
        bench.now = bench.machine.next_deadline().unwrap();
        attempts = bench.machine.handle(bench.now, Event::Tick);
    }
    let run = attempts.iter().find_map(spawned).unwrap();
    let actions = bench.machine.handle(bench.now, Event::Started { run, pid: 9 });
    assert_eq!((last_step(&actions).failures, last_step(&actions).pid), (0, Some(9)));
}

#[test]
fn a_stop_goes_in_reverse_and_each_waits_for_the_one_before() {
    let mut bench = Bench::up();
    let stop = Event::StopRequested { signal: Signal::SIGTERM };
    assert_eq!(signals(&bench.feed(stop)), [(API, Signal::SIGTERM)]);
    assert_eq!(signals(&bench.pass(SECOND)), []);
    assert_eq!(signals(&bench.exit(API, Exit::Code(0))), [(INGEST, Signal::SIGTERM)]);
    assert_eq!(signals(&bench.exit(INGEST, Exit::Code(0))), [(POSTGRES, Signal::SIGINT)]);
    let last = bench.exit(POSTGRES, Exit::Code(0));
    assert_eq!((finish(&last), spawns(&last)), (Some(ExitCode::Stopped), Vec::new()));
    assert_eq!(bench.machine.next_deadline(), None);
}

#[test]
fn a_stop_of_children_that_ignore_everything_ends_in_time_with_postgres_killed_last() {
    let mut bench = Bench::up();
    let mut actions = bench.feed(Event::StopRequested { signal: Signal::SIGTERM });
    actions.extend(bench.pass(10 * SECOND));
    assert_eq!(finish(&actions), Some(ExitCode::Failure), "not even SIGKILL ended them");
    let sent = signals(&actions);
    let first_kill = |child| sent.iter().position(|&sent| sent == (child, Signal::SIGKILL)).unwrap();
    let quit = sent.iter().position(|&sent| sent == (POSTGRES, Signal::SIGQUIT)).unwrap();
    assert!(first_kill(API) < first_kill(INGEST) && quit < first_kill(POSTGRES), "{sent:?}");
}

#[test]
fn a_second_signal_kills_at_once_and_gives_postgres_a_moment() {
    let mut bench = Bench::up();
    let stop = Event::StopRequested { signal: Signal::SIGINT };
    bench.feed(stop.clone());
    bench.pass(SECOND / 10);
    assert_eq!(signals(&bench.feed(stop)), [], "the same request, sent to the process and to its group");
    bench.pass(SECOND);
    let second = bench.feed(Event::StopRequested { signal: Signal::SIGINT });
    let expected = [(POSTGRES, Signal::SIGQUIT), (INGEST, Signal::SIGKILL), (API, Signal::SIGKILL)];
    assert_eq!(signals(&second), expected);
    bench.exit(API, Exit::Unknown);
    bench.exit(INGEST, Exit::Unknown);
    assert_eq!(signals(&bench.pass(SECOND)).first(), Some(&(POSTGRES, Signal::SIGKILL)));
    assert_eq!(finish(&bench.exit(POSTGRES, Exit::Unknown)), Some(ExitCode::Failure));
}

#[test]
fn a_wrong_configuration_stops_the_start_and_a_later_one_is_a_crash() {
    let mut bench = Bench::new();
    let wrong = bench.exit(API, Exit::Code(78));
    assert_eq!(signals(&wrong), [(POSTGRES, Signal::SIGINT)]);
    assert_eq!(finish(&bench.exit(POSTGRES, Exit::Code(0))), Some(ExitCode::Configuration));

    let mut bench = Bench::up();
    assert_eq!(last_step(&bench.exit(API, Exit::Code(78))).retry_in, Some(SECOND));
}

#[test]
fn a_table_without_a_start_order_is_refused() {
    let table = [child("a", Kind::Service, &["b"]), child("b", Kind::Service, &[])];
    let error = Machine::new(&table, policy(), Box::new(|| 0.0)).err();
    assert_eq!(error, Some(TableError::Order { child: "a", dependency: "b" }));
    let table = [child("a", Kind::Service, &[]), child("a", Kind::Service, &[])];
    let error = Machine::new(&table, policy(), Box::new(|| 0.0)).err();
    assert_eq!(error, Some(TableError::Duplicate("a")));
}
