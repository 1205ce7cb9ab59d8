//! Processes that hang, alone or together, and a supervisor that does.

use std::io::Write as _;
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::support::processes::child_named;
use crate::support::site::operation;
use crate::support::{Site, Stack, eventually, new_key};

/// Two seconds are promised; a busy machine gets as much again.
const REFUSED_WITHIN: Duration = Duration::from_secs(4);

/// Five seconds are promised.
const BACK_WITHIN: Duration = Duration::from_secs(10);

fn child_of(stack: &Stack, name: &str) -> Pid {
    eventually(&format!("{name} runs"), || child_named(stack.pid(), name))
}

/// Asks on a connection of its own; gives status and head.
fn ask(stack: &Stack, site: &Site) -> (u16, String) {
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
        site.session(""),
        site.admin.token()
    );
    let answer = stack.raw(request.as_bytes());
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    (status, answer.split("\r\n\r\n").next().unwrap_or_default().to_lowercase())
}

/// Sends results; gives the status.
fn send(site: &Site, number: usize) -> u16 {
    let path = format!("{}/remarks", site.items[0]);
    let body = json!({"changes": [operation("tablet", "append", &path, json!(number))]});
    let answer = site.admin.request("POST", &site.session("/results")).key(&new_key()).json(&body).send();
    if answer.status == 503 {
        assert!(!answer.header("retry-after").is_empty());
    }
    answer.status
}

/// Asks again and again after a process was stopped: refused soon, and served soon after.
fn assert_refused_then_served(hung_at: Instant, mut ask: impl FnMut() -> u16) {
    let (mut refused, mut statuses) = (0, Vec::new());
    loop {
        let asked = Instant::now();
        let status = ask();
        statuses.push(status);
        assert!(asked.elapsed() < REFUSED_WITHIN, "{status} came after {:?}: {statuses:?}", asked.elapsed());
        match status {
            503 => refused += 1,
            // What the hung process had accepted ends with it.
            200 | 0 => {}
            other => panic!("answered with {other}"),
        }
        if status == 200 {
            break;
        }
        assert!(hung_at.elapsed() < BACK_WITHIN, "not served again: {statuses:?}");
        sleep(Duration::from_millis(50));
    }
    assert!(refused > 0, "nobody was refused: {statuses:?}");
}

#[test]
fn clients_of_a_hung_api_are_refused_soon_and_served_by_its_successor() {
    let stack = Stack::start(&[]);
    let site = Site::on(&stack);
    let hung = child_of(&stack, "api");
    kill(hung, Signal::SIGSTOP).unwrap();
    let hung_at = Instant::now();
    assert_refused_then_served(hung_at, || {
        let (status, head) = ask(&stack, &site);
        assert!(status != 503 || head.contains("retry-after: "), "{head}");
        status
    });
    assert_ne!(child_of(&stack, "api"), hung);
}

#[test]
fn clients_of_a_hung_ingest_process_are_refused_soon_and_served_by_its_successor() {
    let stack = Stack::start(&[]);
    let site = Site::on(&stack);
    assert_eq!(send(&site, 0), 200);
    let hung = child_of(&stack, "ingest");
    kill(hung, Signal::SIGSTOP).unwrap();
    let mut number = 0;
    assert_refused_then_served(Instant::now(), || {
        number += 1;
        send(&site, number)
    });
    assert_ne!(child_of(&stack, "ingest"), hung);
    let told = |message: &str| {
        stack.logs().count(|event| {
            event["child"] == "api" && event["message"].as_str().unwrap_or("").contains(message)
        })
    };
    assert_eq!(told("the ingest process does not answer: what is for it is refused"), 1);
    eventually("its return is logged", || (told("the ingest process answers") > 0).then_some(()));
}

#[test]
fn an_instance_that_was_frozen_as_a_whole_ends_nobody() {
    let stack = Stack::start(&[]);
    let site = Site::on(&stack);
    let names = ["api", "ingest", "worker", "postgres"];
    let before = names.map(|name| child_of(&stack, name));
    let all = stack.processes();
    all.iter().for_each(|&pid| kill(pid, Signal::SIGSTOP).unwrap());
    sleep(Duration::from_secs(8));
    // The supervisor first, so that it sees the others late.
    kill(stack.pid(), Signal::SIGCONT).unwrap();
    sleep(Duration::from_millis(300));
    all.iter().for_each(|&pid| kill(pid, Signal::SIGCONT).unwrap());
    sleep(Duration::from_secs(4));
    assert_eq!(names.map(|name| child_of(&stack, name)), before, "{}", stack.logs().about("hangs"));
    assert_eq!(ask(&stack, &site).0, 200);
}

#[test]
fn processes_go_on_while_nobody_takes_their_log() {
    let stack = Stack::start(&[]);
    let site = Site::on(&stack);
    kill(stack.pid(), Signal::SIGSTOP).unwrap();
    // Each is a line of some kilobytes: together far more than a pipe holds.
    let long = format!("/v1/{}", "x".repeat(6_000));
    let begun = Instant::now();
    for number in 0..600 {
        let asked = Instant::now();
        assert_eq!(site.admin.get(&long).status, 404);
        assert!(asked.elapsed() < REFUSED_WITHIN, "request {number} took {:?}", asked.elapsed());
    }
    assert_eq!(send(&site, 1), 200);
    assert_eq!(ask(&stack, &site).0, 200);
    // Nor does a page wait for what the supervisor would say.
    for page in ["/metrics", "/health/ready"] {
        let asked = Instant::now();
        site.admin.get(page);
        assert!(asked.elapsed() < REFUSED_WITHIN, "{page} took {:?}", asked.elapsed());
    }
    let pause = Duration::from_secs(5).saturating_sub(begun.elapsed());
    sleep(pause);
    let api = child_of(&stack, "api");
    kill(stack.pid(), Signal::SIGCONT).unwrap();
    let dropped = eventually("it is said how many lines are missing", || {
        assert_eq!(ask(&stack, &site).0, 200);
        stack.logs().find(|event| event["child"] == "api" && event["lines_dropped"].is_u64())
    });
    assert!(dropped["lines_dropped"].as_u64().unwrap() > 10, "{dropped}");
    sleep(Duration::from_secs(3));
    assert_eq!(child_of(&stack, "api"), api, "the supervisor was the one that stood still");
}

#[test]
fn clients_that_fill_every_connection_do_not_make_a_process_look_hung() {
    let stack = Stack::start(&[("FIREMODE__SERVER__CONNECTIONS_MAX", "64")]);
    let api = child_of(&stack, "api");
    let port = stack.base_url().rsplit(':').next().unwrap().parse::<u16>().unwrap();
    let held: Vec<TcpStream> = (0..300)
        .map(|_| {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            stream.write_all(b"G").unwrap();
            stream
        })
        .collect();
    sleep(Duration::from_secs(14));
    assert_eq!(child_of(&stack, "api"), api, "{}", stack.logs().about("hangs"));
    assert!(stack.logs().find(|event| event["cause"].as_str().unwrap_or("").contains("hangs")).is_none());
    drop(held);
}
