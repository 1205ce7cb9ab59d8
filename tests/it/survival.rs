//! Nothing that was acknowledged is lost, whichever process is killed.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::support::processes::{child_named, kill_hard, of_folder};
use crate::support::site::operation;
use crate::support::stack::{NOWHERE, command};
use crate::support::wait::within;
use crate::support::{Client, Folder, Form, Site, Stack, eventually, new_key};

const WRITERS: usize = 4;

/// Acknowledged results that are waited for between two kills.
const RESULTS_BETWEEN_KILLS: usize = 20;

/// What a stop may take: what the appliance gives itself, and as much again for a busy machine.
const STOP_MAX: Duration = Duration::from_secs(20);

/// What may pass until no process is left after the supervisor was killed.
const ORPHANS_MAX: Duration = Duration::from_secs(60);

/// A restart is tried again soon, so that the test is short.
const SETTINGS: [(&str, &str); 1] = [("FIREMODE__SUPERVISOR__BACKOFF_SECONDS_MAX", "1")];

#[test]
fn nothing_acknowledged_is_lost_by_kills_of_any_process() {
    let folder = Folder::new();
    let stack = Stack::start_in(&folder, &SETTINGS);
    let site = Site::on(&stack);
    let (is_over, acknowledged) = (AtomicBool::new(false), AtomicUsize::new(0));
    let written: Vec<usize> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (site, is_over, acknowledged) = (&site, &is_over, &acknowledged);
                scope.spawn(move || write(site, writer, is_over, acknowledged))
            })
            .collect();
        let killed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for victim in ["ingest", "api", "postgres", "worker", "ingest"] {
                wait_for_results(&acknowledged, victim);
                kill_hard(child_of(&stack, victim));
            }
            wait_for_results(&acknowledged, "the end");
        }));
        is_over.store(true, Ordering::Relaxed);
        let written = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
        killed.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        written
    });
    stack.wait_until_ready();
    assert_all_there(&site, &written);

    let evidence = Form::photo(&site.session_id, b"\xff\xd8\xff kept").upload(&site.admin).expect(201);
    // Supervisor, API, worker, ingest, PostgreSQL and processes of its own.
    assert!(stack.processes().len() > 5, "{:?}", stack.processes());
    let mut stack = stack;
    stack.end_with(Signal::SIGKILL);
    wait_until_nothing_is_left(&stack);
    drop(stack);

    let mut stack = Stack::start_in(&folder, &SETTINGS);
    let site = Site { admin: stack.client().with_token(site.admin.token()), ..site };
    assert_all_there(&site, &written);
    let content = format!("/v1/evidence/{}/content", evidence.text("/evidence_id"));
    assert_eq!(site.admin.get(&content).expect(200).body, b"\xff\xd8\xff kept");

    let asked = Instant::now();
    assert_eq!(stack.end_with(Signal::SIGTERM).code(), Some(0));
    assert!(asked.elapsed() < STOP_MAX, "the stop took {:?}", asked.elapsed());
    assert_eq!(stack.processes(), [], "processes are left after a stop");
}

/// Appends numbers to a list of its own until it is over; each until it is acknowledged, under one key. Returns how many.
fn write(site: &Site, writer: usize, is_over: &AtomicBool, acknowledged: &AtomicUsize) -> usize {
    let mut written = 0;
    while !is_over.load(Ordering::Relaxed) {
        let path = format!("{}/of_writer_{writer}", site.items[writer % site.items.len()]);
        let device = format!("device-{writer}");
        let body = json!({"changes": [operation(&device, "append", &path, json!(written))]});
        let key = new_key();
        eventually("a result is acknowledged", || acknowledge(&site.admin, site, &key, &body));
        written += 1;
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
    written
}

/// Sends results once. A broken connection says nothing; an error must be one that is worth a retry.
fn acknowledge(client: &Client, site: &Site, key: &str, body: &Value) -> Option<()> {
    let answer = client.request("POST", &site.session("/results")).key(key).json(body).try_send().ok()?;
    match answer.status {
        200 => Some(()),
        status => {
            assert_eq!(answer["retryable"], true, "{status}: {}", answer.json);
            None
        }
    }
}

/// The items' lists hold every number once, in the order in which they were sent.
fn assert_all_there(site: &Site, written: &[usize]) {
    let items = &site.read()["document"]["items"];
    for (writer, count) in written.iter().enumerate() {
        let list = &items[&site.items[writer % site.items.len()]][format!("of_writer_{writer}")];
        let wanted: Vec<usize> = (0..*count).collect();
        assert!(
            *count > 0 && *list == json!(wanted),
            "writer {writer} had {count} acknowledged, stored is {list}"
        );
    }
}

fn wait_for_results(acknowledged: &AtomicUsize, before: &str) {
    let goal = acknowledged.load(Ordering::Relaxed) + RESULTS_BETWEEN_KILLS;
    eventually(&format!("results are acknowledged before {before}"), || {
        (acknowledged.load(Ordering::Relaxed) >= goal).then_some(())
    });
}

/// The kernel ends what the supervisor leaves behind; PostgreSQL gets the time to shut down.
fn wait_until_nothing_is_left(stack: &Stack) {
    let is_gone = within(ORPHANS_MAX, || stack.processes().is_empty().then_some(()));
    assert!(is_gone.is_some(), "processes are left: {:?}", stack.processes());
}

fn child_of(stack: &Stack, name: &str) -> Pid {
    eventually(&format!("{name} runs"), || child_named(stack.pid(), name))
}

#[test]
fn a_second_stack_cannot_use_the_folder_of_a_running_one() {
    let folder = Stack::shared().folder();
    let output = command(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("already runs"));
}

#[test]
fn output_that_nobody_reads_any_more_ends_nothing() {
    let folder = Folder::new();
    let mut command = command(folder.path());
    command.env("DATABASE_URL", NOWHERE).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut supervisor = command.spawn().unwrap();
    let events = BufReader::new(supervisor.stderr.take().unwrap()).lines();
    let is_ready = |line: &String| line.contains("api is ready");
    assert!(events.map_while(Result::ok).any(|line| is_ready(&line)));
    drop(supervisor.stdout.take());
    kill(Pid::from_raw(supervisor.id().cast_signed()), Signal::SIGTERM).unwrap();
    let status = eventually("the supervisor ends", || supervisor.try_wait().unwrap());
    assert_eq!(status.code(), Some(0), "{status}");
    assert_eq!(of_folder(folder.path()), []);
}

#[test]
fn an_interrupt_stops_everything_too() {
    let mut stack = Stack::launch(&Folder::new(), &[("DATABASE_URL", NOWHERE)]);
    eventually("the API answers", || stack.client().request("GET", "/health").try_send().ok());
    assert!(stack.processes().len() > 1);
    assert_eq!(stack.end_with(Signal::SIGINT).code(), Some(0));
    assert_eq!(stack.processes(), []);
}
