//! What operators ask for.

use firemode_supervisor::Exit;
use firemode_supervisor::machine::{Action, Command, Event, Phase};
use nix::sys::signal::Signal;

use super::bench::*;

fn command(command: Command) -> Event {
    Event::Commanded { id: Some(1), command }
}

#[test]
fn a_commanded_stop_is_no_crash_and_lasts_until_the_start() {
    let mut bench = Bench::up();
    assert_eq!(signals(&bench.feed(command(Command::Stop(API)))), [(API, Signal::SIGTERM)]);
    let stopped = bench.exit(API, Exit::Code(0));
    assert_eq!(answer(&stopped), Some(Ok("api has stopped")));
    assert!(stopped.contains(&Action::StandIn { child: API, retry_in: None }));
    assert!(spawns(&bench.pass(300 * SECOND)).is_empty());
    assert_eq!(spawns(&bench.feed(command(Command::Start(API)))), [API]);
    assert_eq!(answer(&bench.ready(API)), Some(Ok("api is ready")));
}

#[test]
fn a_start_does_not_wait_for_the_backoff_and_tells_of_the_next_failure() {
    let mut bench = Bench::up();
    bench.exit(API, Exit::Code(1));
    assert_eq!(spawns(&bench.feed(command(Command::Start(API)))), [API]);
    let failed = bench.exit(API, Exit::Code(3));
    assert_eq!(answer(&failed), Some(Err("api exited with code 3")));
}

#[test]
fn a_database_is_restarted_by_its_own_ladder_and_at_once() {
    let mut bench = Bench::up();
    assert_eq!(signals(&bench.feed(command(Command::Restart(POSTGRES)))), [(POSTGRES, Signal::SIGINT)]);
    assert_eq!(spawns(&bench.exit(POSTGRES, Exit::Code(0))), [POSTGRES]);
    let ready = bench.feed(Event::ProbeOk { run: bench.run(POSTGRES) });
    assert_eq!(answer(&ready), Some(Ok("postgres is ready")));
    assert_eq!(bench.phase(API), Phase::Ready);
}

#[test]
fn migrations_can_be_run_again() {
    let mut bench = Bench::up();
    assert_eq!(spawns(&bench.feed(command(Command::Restart(MIGRATE)))), [MIGRATE]);
    assert_eq!(answer(&bench.exit(MIGRATE, Exit::Code(0))), Some(Ok("migrate is done")));
}

#[test]
fn a_stop_that_somebody_else_overtakes_is_answered() {
    for again in [Command::Start(INGEST), Command::Restart(INGEST)] {
        let mut bench = Bench::up();
        bench.feed(command(Command::Stop(INGEST)));
        let overtaken = bench.feed(Event::Commanded { id: Some(2), command: again });
        let reason = "ingest was to start again before it had stopped: somebody else has asked for that";
        assert!(
            overtaken.contains(&Action::Answer { id: 1, result: Err(reason.to_owned()) }),
            "{overtaken:?}"
        );
        assert_eq!(spawns(&bench.exit(INGEST, Exit::Code(0))), [INGEST]);
        let ready = Action::Answer { id: 2, result: Ok("ingest is ready".to_owned()) };
        assert!(bench.ready(INGEST).contains(&ready));
    }
}

#[test]
fn nobody_waits_for_an_answer_when_everything_stops() {
    let mut bench = Bench::up();
    bench.feed(command(Command::Restart(POSTGRES)));
    let stop = bench.feed(Event::StopRequested { signal: Signal::SIGTERM });
    assert_eq!(answer(&stop), Some(Err("FireMode is stopping")));
    let late = bench.feed(command(Command::Start(API)));
    assert_eq!(answer(&late), Some(Err("FireMode is stopping")));
}
