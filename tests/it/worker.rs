//! The worker does what is due, however it and others end.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use actix_web::rt::System;
use firemode_runtime::settings::{Environ, Settings};
use firemode_storage::jobs::{self, Ending, NewJob};
use firemode_storage::{Database, Purpose};
use firemode_worker::engine::{Engine, Failure, Kind, Lane, Outcome, Task};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use uuid::Uuid;

use crate::support::processes::{child_named, kill_hard};
use crate::support::{Organisation, Sql, Stack, eventually};

/// A lost job is noticed soon, and no process is ended for standing still.
pub(crate) const SETTINGS: [(&str, &str); 4] = [
    ("FIREMODE__DATABASE__STATEMENT_SECONDS_MAX", "300"),
    ("FIREMODE__WORKER__HOLD_SECONDS", "6"),
    ("FIREMODE__SUPERVISOR__PROBE_FAILURES_MAX", "100"),
    ("FIREMODE__SUPERVISOR__BACKOFF_SECONDS_MAX", "1"),
];

const SWEEP: &str = "select state, attempts, holder_id from jobs where kind = 'sweep'";

/// Lets the next sweep come at once, unless one is on its way.
pub(crate) fn sweep_now(stack: &Stack) {
    stack.sql().rows("update jobs set due_at = now() where kind = 'sweep' and state = 'waiting'", &[]);
}

/// An expired row that the sweep has to remove, and somebody who holds it: the sweep stands still there.
fn in_the_way(stack: &Stack) -> Sql {
    let organisation = Organisation::register(stack);
    let sql = stack.sql();
    let expired = "insert into token_revocation_list (id, organisation_id, user_id, jti, expires_at)
                   values (gen_random_uuid(), $1, $2, gen_random_uuid(), now() - interval '1 day')";
    sql.rows(expired, &[&organisation.id, &organisation.user_id]);
    sql.batch("begin; select from token_revocation_list where expires_at < now() for update");
    sql
}

/// Waits until somebody else than `before` works on the sweep, and gives that holder.
fn sweeping(stack: &Stack, before: Option<Uuid>) -> Uuid {
    eventually("the sweep runs", || {
        sweep_now(stack);
        let row = &stack.sql().rows(SWEEP, &[])[0];
        row.get::<_, Option<Uuid>>(2).filter(|holder| Some(*holder) != before)
    })
}

/// Waits until the sweep is over and nothing that has expired is left.
fn swept(stack: &Stack) {
    eventually("the sweep is over", || {
        let row = &stack.sql().rows(SWEEP, &[])[0];
        let left = "select count(*) from token_revocation_list where expires_at < now() - interval '1 hour'";
        let is_over = row.get::<_, &str>(0) == "waiting" && row.get::<_, i32>(1) == 0;
        (is_over && stack.sql().count(left, &[]) == 0).then_some(())
    });
}

pub(crate) fn worker_of(stack: &Stack) -> Pid {
    eventually("the worker runs", || child_named(stack.pid(), "worker"))
}

#[test]
fn a_job_of_a_killed_worker_is_done_by_the_next() {
    let stack = Stack::start(&SETTINGS);
    let held = in_the_way(&stack);
    let first = sweeping(&stack, None);
    kill_hard(worker_of(&stack));
    let second = sweeping(&stack, Some(first));
    assert_ne!(first, second);
    let row = &stack.sql().rows("select attempts, last_error from jobs where kind = 'sweep'", &[])[0];
    assert_eq!((row.get(0), row.get(1)), (2, "its worker let it go without a word"));
    held.batch("rollback");
    swept(&stack);
}

#[test]
fn a_worker_that_was_frozen_finds_its_job_taken_and_leaves_it_alone() {
    let stack = Stack::start(&SETTINGS);
    let beside = stack.beside(&SETTINGS);
    let held = in_the_way(&stack);
    let first = sweeping(&stack, None);
    // Which of the two it is shows in which of them loses the job.
    let both = [worker_of(&stack), worker_of(&beside)];
    kill(both[0], Signal::SIGSTOP).unwrap();
    let frozen_is_first = crate::support::wait::within(Duration::from_secs(12), || {
        let row = &stack.sql().rows(SWEEP, &[])[0];
        (row.get::<_, Option<Uuid>>(2) != Some(first)).then_some(())
    });
    if frozen_is_first.is_none() {
        // The other one works and renews its hold.
        kill(both[0], Signal::SIGCONT).unwrap();
        kill(both[1], Signal::SIGSTOP).unwrap();
    }
    let second = sweeping(&stack, Some(first));
    both.into_iter().for_each(|pid| kill(pid, Signal::SIGCONT).unwrap());
    let lost = |stack: &Stack| {
        stack.logs().find(|event| {
            event["child"] == "worker"
                && event["message"].as_str().is_some_and(|text| text.contains("another worker has the job"))
        })
    };
    eventually("the thawed worker sees that it lost the job", || lost(&stack).or_else(|| lost(&beside)));
    assert_eq!(
        stack.sql().rows(SWEEP, &[])[0].get::<_, Option<Uuid>>(2),
        Some(second),
        "the second one goes on"
    );
    held.batch("rollback");
    swept(&stack);
}

#[test]
fn a_worker_that_leaves_gives_its_job_back_and_a_next_one_goes_on_at_once() {
    // Nobody waits for a hold of an hour: only giving back lets the next one go on. It has all the time that a busy machine takes.
    let stack = Stack::start(&[
        ("FIREMODE__DATABASE__STATEMENT_SECONDS_MAX", "300"),
        ("FIREMODE__WORKER__HOLD_SECONDS", "3600"),
        ("FIREMODE__SUPERVISOR__PROBE_FAILURES_MAX", "100"),
        ("FIREMODE__SUPERVISOR__SHUTDOWN_SECONDS_MAX", "100"),
    ]);
    let held = in_the_way(&stack);
    let first = sweeping(&stack, None);
    let restart =
        crate::support::stack::command(stack.folder().path()).args(["restart", "worker"]).output().unwrap();
    assert!(restart.status.success(), "{restart:?}");
    let second = sweeping(&stack, Some(first));
    let row = &stack.sql().rows(SWEEP, &[])[0];
    assert_eq!(
        (row.get::<_, i32>(1), row.get::<_, Option<Uuid>>(2)),
        (1, Some(second)),
        "the first was no attempt"
    );
    held.batch("rollback");
    swept(&stack);
}

/// What `firemode jobs` says, and its exit code.
fn jobs_command(stack: &Stack, args: &[&str]) -> (String, Option<i32>) {
    let mut command = crate::support::stack::command(stack.folder().path());
    let output =
        command.arg("jobs").args(args).env("DATABASE_URL", stack.folder().database_url()).output().unwrap();
    (String::from_utf8([output.stdout, output.stderr].concat()).unwrap(), output.status.code())
}

#[test]
fn an_operator_lists_cancels_and_retries_jobs() {
    let stack = Stack::shared();
    let organisation = Organisation::register(stack);
    let id = Uuid::now_v7();
    let add =
        "insert into jobs (id, organisation_id, kind, key, input) values ($1, $2, 'unknown', 'x', '{}')";
    stack.sql().rows(add, &[&id, &organisation.id]);
    let id = id.to_string();
    let listed = |state: &str| {
        let (said, code) = jobs_command(stack, &["list", "--state", state, "--kind", "unknown"]);
        assert_eq!(code, Some(0), "{said}");
        said.lines().any(|line| line.contains(&id) && line.contains(&organisation.id.to_string()))
    };
    assert!(listed("waiting") && !listed("cancelled"), "no worker takes what it does not know");
    assert_eq!(jobs_command(stack, &["cancel", &id]), (format!("Job {id} is cancelled.\n"), Some(0)));
    assert!(listed("cancelled") && !listed("waiting"));
    assert_eq!(jobs_command(stack, &["retry", &id]), (format!("Job {id} is waiting.\n"), Some(0)));
    stack.sql().rows("update jobs set state = 'done', finished_at = now() where id = $1::text::uuid", &[&id]);
    for act in ["cancel", "retry"] {
        assert_eq!(jobs_command(stack, &[act, &id]), (format!("Job {id} is done.\n"), Some(1)), "{act}");
        let (said, code) = jobs_command(stack, &[act, &Uuid::nil().to_string()]);
        assert!(code == Some(1) && said.contains("there is no job"), "{act}: {said}");
    }
    assert_eq!(jobs_command(stack, &["list", "--state", "lost"]).1, Some(2));
    assert!(jobs_command(stack, &["list", "--kind", "sweep"]).0.contains("the one"));
    let acts = organisation.admin.get("/v1/audit?resource_type=job").expect(200);
    let acts: Vec<(String, String)> = acts
        .data()
        .iter()
        .map(|act| (act["action"].to_string(), act["after"]["state"].to_string()))
        .collect();
    let act = |action: &str, state: &str| (format!("{action:?}"), format!("{state:?}"));
    assert_eq!(
        acts,
        [act("job.retry", "waiting"), act("job.cancel", "cancelled")],
        "once each, newest first"
    );
}

#[test]
fn what_comes_again_is_not_cancelled_and_one_that_has_ended_comes_back() {
    let stack = Stack::start(&SETTINGS);
    let sql = stack.sql();
    let id = || sql.rows("select id::text from jobs where kind = 'sweep'", &[])[0].get::<_, String>(0);
    eventually("the sweep has been", || {
        let been = "select count(*) from jobs where kind = 'sweep' and state = 'waiting' and finished_at is not null";
        (sql.count(been, &[]) == 1).then_some(())
    });
    let (said, code) = jobs_command(&stack, &["cancel", &id()]);
    assert!(code == Some(1) && said.contains("it cannot be cancelled"), "{said}");
    assert_eq!(sql.rows(SWEEP, &[])[0].get::<_, &str>(0), "waiting");
    // As an earlier release let it be.
    sql.rows("update jobs set state = 'cancelled' where kind = 'sweep'", &[]);
    kill_hard(worker_of(&stack));
    eventually("the sweep is there again", || {
        (sql.rows(SWEEP, &[])[0].get::<_, &str>(0) != "cancelled").then_some(())
    });
}

/// Jobs whose effect is to be there once: another job, named by the attempt.
const COUNTED: &[Lane<Database>] = &[Lane {
    name: "counted",
    running_max: 8,
    kinds: &[Kind {
        name: "counted",
        attempts_max: None,
        comes_again: false,
        is_possible: |_| true,
        run: |database, task| Box::pin(leave_a_trace(database, task)),
    }],
}];

async fn leave_a_trace(database: Rc<Database>, task: Rc<Task>) -> Result<Outcome, Failure> {
    actix_web::rt::time::sleep(Duration::from_millis(3)).await;
    let tx = database.across_tenants(Purpose::Work).transaction().await?;
    let (key, input) = (format!("{} {}", task.job.key, task.hold().holder_id), json!({}));
    let trace = NewJob {
        organisation_id: None,
        created_by: None,
        kind: "trace",
        key: &key,
        input: &input,
        time_max: None,
    };
    jobs::enqueue(&tx, &trace).await?;
    jobs::end(&tx, task.hold(), Ending::Done(&json!(null))).await?.ok_or(Failure::Lost)?;
    tx.commit().await?;
    Ok(Outcome::Ended)
}

/// A worker that works for a while and then ends without a word, as if it were killed; again and again, until it is over.
fn work_and_die(settings: &Settings, lives: Duration, is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        System::new().block_on(async {
            let database = Database::new(settings, 4).unwrap();
            let engine = Engine::new(Rc::new(database.clone()), database, COUNTED, &settings.worker);
            let working = actix_web::rt::spawn(engine.run());
            actix_web::rt::time::sleep(lives).await;
            working.abort();
        });
    }
}

#[test]
fn three_workers_that_die_all_the_time_do_each_job_once() {
    const JOBS: usize = 600;
    let stack = Stack::start(&[]);
    let env: Environ = [
        ("DATABASE_URL".to_owned(), stack.folder().database_url()),
        ("FIREMODE__WORKER__HOLD_SECONDS".to_owned(), "6".to_owned()),
        ("FIREMODE__WORKER__POLL_MILLISECONDS".to_owned(), "100".to_owned()),
    ]
    .into_iter()
    .collect();
    let settings = Settings::load(&env).unwrap();
    let sql = stack.sql();
    sql.rows(
        "insert into jobs (id, kind, key, input) select gen_random_uuid(), 'counted', n::text, '{}' from generate_series(1, $1::int8) n",
        &[&i64::try_from(JOBS).unwrap()],
    );
    let is_over = Arc::new(AtomicBool::new(false));
    let workers: Vec<_> = [301, 407, 523]
        .map(|lives| {
            let (settings, is_over) = (settings.clone(), Arc::clone(&is_over));
            thread::spawn(move || work_and_die(&settings, Duration::from_millis(lives), &is_over))
        })
        .into_iter()
        .collect();
    eventually("every job is done", || {
        let left = "select count(*) from jobs where kind = 'counted' and state <> 'done'";
        (sql.count(left, &[]) == 0).then_some(())
    });
    is_over.store(true, Ordering::Relaxed);
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    let mut traces = HashMap::<String, usize>::new();
    for row in sql.rows("select split_part(key, ' ', 1) from jobs where kind = 'trace'", &[]) {
        *traces.entry(row.get(0)).or_default() += 1;
    }
    assert!(traces.len() == JOBS && traces.values().all(|count| *count == 1), "{traces:?}");
}
