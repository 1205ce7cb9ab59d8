//! What operators see and do over the control socket.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use firemode_runtime::control::{ChildStatus, Connection, ControlError, Request};
use nix::sys::signal::{Signal, kill};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::supervised::{PATIENCE, Supervised};

/// Says that it is ready and waits for its end.
const SERVE: &str = "echo READY=1 >/proc/self/fd/$FIREMODE_NOTIFY_FD; exec sleep 1000";

/// A table with a control socket in the folder.
fn table(folder: &Path, children: Value, more: Value) -> impl FnOnce(&mut Command) {
    let mut table = json!({ "children": children, "shutdown_milliseconds": 5_000, "control": folder });
    table.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    move |command| {
        command.arg(table.to_string());
    }
}

fn ask(folder: &Path, request: &Request) -> Result<String, ControlError> {
    let (words, mut rest) = Connection::open(folder, Some(PATIENCE))?.ask(request)?;
    let mut text = String::new();
    rest.read_to_string(&mut text)?;
    Ok(words + &text)
}

fn child(folder: &Path, name: &str) -> ChildStatus {
    let status = Connection::open(folder, Some(PATIENCE)).unwrap().status().unwrap();
    status.children.into_iter().find(|child| child.name == name).unwrap()
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn status_shows_what_runs_and_how_it_ended_before() {
    let folder = folder();
    let mut supervised =
        Supervised::start(table(folder.path(), json!([{ "name": "a", "script": SERVE }]), json!({})));
    let first = supervised.wait_for_start("a");
    supervised.wait_for_step("a", "ready");
    kill(first, Signal::SIGKILL).unwrap();
    supervised.wait_for_step("a", "backoff");
    let second = supervised.wait_for_start("a");
    supervised.wait_for_step("a", "ready");
    let a = child(folder.path(), "a");
    assert_eq!((a.state.as_str(), a.pid, a.restarts, a.failures), ("ready", Some(second.as_raw()), 1, 1));
    assert_eq!(a.last_exit.as_deref(), Some("ended by SIGKILL"));
    assert!(a.memory_bytes.unwrap() > 0);
    let metrics = Connection::open(folder.path(), Some(PATIENCE)).unwrap().metrics().unwrap();
    for line in ["firemode_child_restarts_total{child=\"a\"} 1", "firemode_child_up{child=\"a\"} 1"] {
        assert!(metrics.lines().any(|other| other == line), "{metrics}");
    }
}

#[test]
fn a_child_is_stopped_started_and_restarted_on_request() {
    let folder = folder();
    let children = json!([{ "name": "a", "script": SERVE }]);
    let mut supervised = Supervised::start(table(folder.path(), children, json!({})));
    supervised.wait_for_step("a", "ready");
    let name = || "a".to_owned();
    assert_eq!(ask(folder.path(), &Request::Stop { name: name() }).unwrap(), "a has stopped");
    let a = child(folder.path(), "a");
    assert_eq!((a.state.as_str(), a.pid), ("stopped", None));
    assert_eq!(ask(folder.path(), &Request::Start { name: name() }).unwrap(), "a is ready");
    let before = child(folder.path(), "a").pid;
    assert_eq!(ask(folder.path(), &Request::Restart { name: name() }).unwrap(), "a is ready");
    let a = child(folder.path(), "a");
    assert_ne!(a.pid, before);
    assert_eq!(a.failures, 0, "none of that is a failure");
    let unknown = ask(folder.path(), &Request::Stop { name: "b".to_owned() }).unwrap_err();
    assert_eq!(unknown.to_string(), "there is no child b; there are a");
}

#[test]
fn the_socket_is_for_its_user_alone_and_goes_with_the_supervisor() {
    let folder = folder();
    // Longer than a socket's address may be.
    let deep = folder.path().join("a".repeat(100));
    fs::create_dir(&deep).unwrap();
    let nobody = Connection::open(&deep, Some(PATIENCE)).unwrap_err();
    assert!(nobody.to_string().starts_with("no FireMode runs in"), "{nobody}");
    let mut supervised =
        Supervised::start(table(&deep, json!([{ "name": "a", "script": SERVE }]), json!({})));
    supervised.wait_for_step("a", "ready");
    let mode = fs::metadata(deep.join("control.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(child(&deep, "a").state, "ready");
    assert_eq!(supervised.end_with(Signal::SIGTERM).code(), Some(0));
    assert!(!deep.join("control.sock").exists());
}

#[test]
fn a_stopped_process_counts_as_hung_and_is_replaced() {
    let folder = folder();
    let server = "import os, socket
os.write(int(os.environ['FIREMODE_NOTIFY_FD']), b'READY=1\\n')
pulse = socket.socket(fileno=int(os.environ['FIREMODE_PULSE_FD']))
while pulse.recv(1): pulse.sendall(b'alive\\n')";
    let script = format!("exec python3 -c \"{server}\"");
    let children = json!([{ "name": "a", "script": script, "probed": true }]);
    let mut supervised = Supervised::start(table(folder.path(), children, json!({})));
    let first = supervised.wait_for_start("a");
    supervised.wait_for_step("a", "ready");
    let deadline = Instant::now() + PATIENCE;
    while child(folder.path(), "a").probe_milliseconds.is_none() {
        assert!(Instant::now() < deadline, "it is never probed");
    }
    kill(first, Signal::SIGSTOP).unwrap();
    let cause = supervised.wait_for_step("a", "stopping");
    assert!(cause.starts_with("hangs: 3 probes in a row failed"), "{cause}");
    assert_ne!(supervised.wait_for_start("a"), first);
}

#[test]
fn the_supervisor_answers_in_the_place_of_a_child_that_is_down_for_long() {
    let folder = folder();
    // It writes its port, and fails.
    let script = "python3 -c \"import socket, os
print('port', socket.socket(fileno=int(os.environ['FIREMODE_LISTEN_FD'])).getsockname()[1])\"; exit 3";
    let children = json!([{ "name": "a", "script": script, "socket": true, "stands_in": true }]);
    let times = json!({ "backoff_milliseconds": 60_000, "stand_in_milliseconds": 100 });
    let mut supervised = Supervised::start(table(folder.path(), children, times));
    let line = supervised.wait_for_output("port ");
    let port: u16 = line.split(' ').next_back().unwrap().parse().unwrap();
    supervised.wait_for_event("answering 503 in its place");
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let body = "x".repeat(100_000);
    write!(stream, "POST /v1/x?y=z HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    assert!(head.contains("Content-Type: application/problem+json"), "{head}");
    let retry = head.lines().find_map(|line| line.strip_prefix("Retry-After: ")).unwrap();
    assert!((1..=3).contains(&retry.parse::<u32>().unwrap()), "{retry}");
    let problem: Value = serde_json::from_str(body).unwrap();
    assert_eq!((&problem["instance"], &problem["retryable"]), (&json!("/v1/x"), &json!(true)));
}

#[test]
fn secrets_that_a_child_prints_are_masked_in_the_log_and_for_operators() {
    let folder = folder();
    let script = format!("echo the key is correct-horse; {SERVE}");
    let children = json!([{ "name": "a", "script": script }, { "name": "b", "script": SERVE }]);
    let secrets = json!({ "secrets": ["correct-horse"] });
    let mut supervised = Supervised::start(table(folder.path(), children, secrets));
    assert_eq!(supervised.wait_for_output("the key is"), "the key is ********");
    let logs = |name: &str| {
        ask(folder.path(), &Request::Logs { name: Some(name.to_owned()), follow: false }).unwrap()
    };
    assert_eq!((logs("a").as_str(), logs("b").as_str()), ("a | the key is ********\n", ""));
}

#[test]
fn followed_lines_arrive_as_they_are_printed() {
    let folder = folder();
    let script = format!("i=0; while :; do i=$((i+1)); echo line $i; sleep 0.05; done & {SERVE}");
    let children = json!([{ "name": "a", "script": script }]);
    let mut supervised = Supervised::start(table(folder.path(), children, json!({})));
    supervised.wait_for_step("a", "ready");
    let connection = Connection::open(folder.path(), Some(PATIENCE)).unwrap();
    let (_, mut lines) = connection.ask(&Request::Logs { name: None, follow: true }).unwrap();
    let mut text = String::new();
    while !text.contains("line 10\n") {
        let mut buffer = [0; 256];
        let read = lines.read(&mut buffer).unwrap();
        assert!(read > 0, "it ended after {text}");
        text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
    assert!(text.contains("line 9\n"));
}

#[test]
fn memory_over_the_ceiling_is_named_as_the_cause() {
    let folder = folder();
    let script = "echo READY=1 >/proc/self/fd/$FIREMODE_NOTIFY_FD
exec python3 -c \"import time; kept = b'x' * (100 << 20); time.sleep(1000)\"";
    let limits = [50_u64 << 20, 60_u64 << 20];
    let children = json!([{ "name": "a", "script": script, "memory": limits }]);
    let mut supervised = Supervised::start(table(folder.path(), children, json!({})));
    let first = supervised.wait_for_start("a");
    let cause = supervised.wait_for_step("a", "stopping");
    assert!(cause.ends_with("over its ceiling of 60 MiB"), "{cause}");
    assert_ne!(supervised.wait_for_start("a"), first);
}

#[test]
fn systemd_hears_when_it_is_ready_and_when_it_stops() {
    let folder = folder();
    let path = folder.path().join("notify");
    let systemd = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    systemd.set_read_timeout(Some(PATIENCE)).unwrap();
    let script = format!("echo address \"${{NOTIFY_SOCKET-none}}\"; {SERVE}");
    let prepare = table(folder.path(), json!([{ "name": "a", "script": script }]), json!({}));
    let mut supervised = Supervised::start(|command| {
        prepare(command);
        command.env("NOTIFY_SOCKET", &path);
    });
    let hear = || {
        let mut buffer = [0; 256];
        let length = systemd.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    assert_eq!(hear(), "READY=1");
    assert_eq!(supervised.wait_for_output("address"), "address none", "a child is not the main process");
    kill(supervised.pid(), Signal::SIGTERM).unwrap();
    while hear() != "STOPPING=1" {}
    assert_eq!(supervised.wait().code(), Some(0));
}

#[test]
fn a_missing_program_is_named_and_tried_again_without_haste() {
    let folder = folder();
    let children = json!([{ "name": "a", "program": "/no/such/program", "script": "" }]);
    let times = json!({ "backoff_milliseconds": 60_000 });
    let begun = Instant::now();
    let mut supervised = Supervised::start(table(folder.path(), children, times));
    for _ in 0..2 {
        let cause = supervised.wait_for_step("a", "backoff");
        assert_eq!(cause, "cannot be started: there is no /no/such/program; install it again");
    }
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(supervised.end_with(Signal::SIGTERM).code(), Some(0));
}
