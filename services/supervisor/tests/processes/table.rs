//! Shell scripts under supervision.

use std::process::Command;
use std::time::{Duration, Instant};

use nix::libc::SCHED_BATCH;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::supervised::{Supervised, wait_until_gone};

/// Says that it is ready and waits for its end.
const SERVE: &str = "echo READY=1 >/proc/self/fd/$FIREMODE_NOTIFY_FD; exec sleep 1000";

fn table(children: Value) -> impl FnOnce(&mut Command) {
    table_with(children, 10_000)
}

fn table_with(children: Value, shutdown_milliseconds: u64) -> impl FnOnce(&mut Command) {
    let table = json!({ "children": children, "shutdown_milliseconds": shutdown_milliseconds });
    move |command| {
        command.arg(table.to_string());
    }
}

#[test]
fn a_killed_child_is_started_again() {
    let mut supervised = Supervised::start(table(json!([{ "name": "a", "script": SERVE }])));
    let first = supervised.wait_for_start("a");
    supervised.wait_for_step("a", "ready");
    kill(first, Signal::SIGKILL).unwrap();
    assert_eq!(supervised.wait_for_step("a", "backoff"), "ended by SIGKILL");
    assert_ne!(supervised.wait_for_start("a"), first);
    supervised.wait_for_step("a", "ready");
}

#[test]
fn a_server_is_not_interrupted_by_the_threads_that_it_wakes() {
    let mut supervised = Supervised::start(table(json!([{ "name": "a", "script": SERVE }])));
    let child = supervised.wait_for_start("a");
    supervised.wait_for_step("a", "ready");
    assert_eq!(scheduling_policy(child), Some(SCHED_BATCH));
}

/// The 41st field of `/proc/PID/stat`, see proc(5).
fn scheduling_policy(pid: Pid) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // pid (name) state ...; a name may hold anything.
    stat.rsplit_once(") ")?.1.split(' ').nth(41 - 3)?.parse().ok()
}

#[test]
fn children_start_in_order_and_a_one_shot_is_waited_for() {
    let children = json!([
        { "name": "first", "script": SERVE },
        { "name": "once", "script": "exit 0", "one_shot": true, "depends_on": ["first"] },
        { "name": "last", "script": SERVE, "depends_on": ["once"] },
    ]);
    let mut supervised = Supervised::start(table(children));
    supervised.wait_for_output("all are ready");
    supervised.end_with(Signal::SIGTERM);
    let steps = supervised.steps();
    let expected = [
        "first: starting",
        "first: ready",
        "once: starting",
        "once: done",
        "last: starting",
        "last: ready",
        "last: stopping",
        "last: stopped",
        "first: stopping",
        "first: stopped",
    ];
    assert_eq!(steps, expected);
}

#[test]
fn a_child_that_gives_no_sign_of_life_is_killed_and_replaced() {
    let child = json!([{ "name": "a", "script": format!("trap '' TERM; {SERVE}"), "probed": true }]);
    let mut supervised = Supervised::start(table(child));
    let first = supervised.wait_for_start("a");
    let cause = supervised.wait_for_step("a", "stopping");
    assert_eq!(cause, "hangs: 3 probes in a row failed, the last with: no sign of life within 200ms");
    assert_ne!(supervised.wait_for_start("a"), first);
    wait_until_gone(first);
}

#[test]
fn a_graceful_stop_lets_children_finish_their_work() {
    let script = format!(
        "trap 'echo work is done; exit 0' TERM; {}",
        SERVE.replace("exec sleep 1000", "sleep 1000 & wait")
    );
    let mut supervised = Supervised::start(table(json!([{ "name": "a", "script": script }])));
    supervised.wait_for_step("a", "ready");
    kill(supervised.pid(), Signal::SIGTERM).unwrap();
    supervised.wait_for_output("work is done");
    assert_eq!(supervised.wait().code(), Some(0));
}

#[test]
fn a_child_that_ignores_sigterm_is_killed_in_time() {
    let script = format!("trap '' TERM; {SERVE}");
    let mut supervised = Supervised::start(table_with(json!([{ "name": "a", "script": script }]), 1_000));
    let child = supervised.wait_for_start("a");
    supervised.wait_for_step("a", "ready");
    let asked = Instant::now();
    assert_eq!(supervised.end_with(Signal::SIGTERM).code(), Some(0));
    let took = asked.elapsed();
    assert!(took > Duration::from_millis(800) && took < Duration::from_secs(10), "{took:?}");
    wait_until_gone(child);
}

#[test]
fn a_second_signal_ends_everything_at_once() {
    let script = format!("trap '' TERM; {SERVE}");
    let mut supervised = Supervised::start(table_with(json!([{ "name": "a", "script": script }]), 50_000));
    supervised.wait_for_step("a", "ready");
    kill(supervised.pid(), Signal::SIGTERM).unwrap();
    supervised.wait_for_step("a", "stopping");
    // Sooner it would count as the first one, delivered twice.
    std::thread::sleep(Duration::from_millis(500));
    let asked = Instant::now();
    assert_eq!(supervised.end_with(Signal::SIGTERM).code(), Some(1));
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
}

#[test]
fn a_flood_of_output_blocks_neither_other_children_nor_the_stop() {
    let children = json!([
        { "name": "flood", "script": format!("yes flooding & {SERVE}") },
        { "name": "calm", "script": format!("while :; do echo calm words; sleep 0.1; done & {SERVE}") },
    ]);
    let mut supervised = Supervised::start(table(children));
    supervised.wait_for_output("lines dropped]");
    supervised.wait_for_output("calm words");
    assert_eq!(supervised.end_with(Signal::SIGTERM).code(), Some(0));
}

#[test]
fn output_that_nobody_reads_blocks_neither_children_nor_the_supervisor() {
    let children = json!([{ "name": "flood", "script": format!("yes flooding & {SERVE}") }]);
    let mut supervised = Supervised::start_with_unread_output(table(children));
    let first = supervised.wait_for_start("flood");
    supervised.wait_for_step("flood", "ready");
    std::thread::sleep(Duration::from_millis(500));
    kill(first, Signal::SIGKILL).unwrap();
    supervised.wait_for_step("flood", "ready");
    assert_eq!(supervised.end_with(Signal::SIGTERM).code(), Some(0));
}

#[test]
fn nothing_survives_the_kill_of_the_supervisor() {
    let children = json!([{ "name": "a", "script": SERVE }, { "name": "b", "script": SERVE }]);
    let mut supervised = Supervised::start(table(children));
    let pids = [supervised.wait_for_start("a"), supervised.wait_for_start("b")];
    supervised.wait_for_event("everything is ready");
    supervised.end_with(Signal::SIGKILL);
    pids.into_iter().for_each(wait_until_gone);
}

#[test]
fn what_a_child_leaves_behind_ends_with_it_or_with_the_supervisor() {
    let script = format!("sleep 1000 & echo in group $!; setsid sleep 1000 & echo escaped $!; {SERVE}");
    let mut supervised = Supervised::start(table(json!([{ "name": "a", "script": script }])));
    let child = supervised.wait_for_start("a");
    let pid_in = |line: String| Pid::from_raw(line.rsplit(' ').next().unwrap().parse().unwrap());
    let in_group = pid_in(supervised.wait_for_output("in group"));
    let escaped = pid_in(supervised.wait_for_output("escaped"));
    kill(child, Signal::SIGKILL).unwrap();
    wait_until_gone(in_group);
    supervised.wait_for_step("a", "ready");
    supervised.end_with(Signal::SIGTERM);
    wait_until_gone(escaped);
}

#[test]
fn a_wrong_configuration_stops_the_start_with_its_own_exit_code() {
    let children = json!([{ "name": "a", "script": SERVE }, { "name": "b", "script": "exit 78" }]);
    let mut supervised = Supervised::start(table(children));
    let child = supervised.wait_for_start("a");
    let cause = supervised.wait_for_step("b", "stopped");
    assert_eq!(cause, "exited with code 78 (its configuration is wrong)");
    assert_eq!(supervised.wait().code(), Some(78));
    wait_until_gone(child);
}

#[test]
fn a_child_inherits_its_own_socket_and_no_other_descriptor() {
    let script = format!("ls -l /proc/$$/fd; echo end of list; {SERVE}");
    let children = json!([{ "name": "with", "script": script, "socket": true }]);
    let without = json!([
        { "name": "owner", "script": SERVE, "socket": true },
        { "name": "without", "script": script, "depends_on": ["owner"] },
    ]);
    for (children, sockets) in [(children, 1), (without, 0)] {
        let mut supervised = Supervised::start(table(children));
        let mut found = Vec::new();
        loop {
            let line = supervised.wait_for_output("");
            if line == "end of list" {
                break;
            }
            found.extend(line.split_once(" -> ").map(|(_, target)| target.to_owned()));
        }
        let count = |prefix: &str| found.iter().filter(|target| target.starts_with(prefix)).count();
        // Standard output, standard error and the notification pipe.
        assert_eq!((count("socket:"), count("pipe:")), (sockets, 3), "{found:?}");
        assert_eq!(count("/dev/null"), 1, "{found:?}");
    }
}
