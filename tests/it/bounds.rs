//! What all callers do together is bounded: nobody is ended for it, whoever has too much under way is told when to come again, and the
//! neighbours are served.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::support::organisation::PASSWORD;
use crate::support::processes::child_named;
use crate::support::site::operation;
use crate::support::{Answer, Client, Form, Organisation, Site, Sql, Stack, eventually, new_key};

/// A neighbour is answered in two seconds; the machine that tests run on may take its time.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// A connection that says what it likes.
struct Wire(TcpStream);

impl Wire {
    fn open(stack: &Stack) -> Self {
        let address = stack.base_url().trim_start_matches("http://").to_owned();
        let stream = TcpStream::connect(address).expect("the port takes connections");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket takes a timeout");
        Self(stream)
    }

    /// Announces a body and sends a part of it.
    fn unfinished(stack: &Stack, path: &str, token: &str, announced: usize, sent: usize) -> Self {
        let mut wire = Self::open(stack);
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {announced}\r\n\
             Authorization: Bearer {token}\r\nX-Forwarded-For: 198.51.100.7\r\nIdempotency-Key: {}\r\n\r\n",
            new_key()
        );
        wire.write(head.as_bytes());
        wire.write(&vec![b' '; sent]);
        wire
    }

    /// What the server has closed takes nothing.
    fn write(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }

    /// The head of the answer, or what there is of it at the end of the connection or of the time.
    fn answer(&mut self, time: Duration) -> String {
        self.0.set_read_timeout(Some(time)).expect("a socket takes a timeout");
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        while !answer.windows(4).any(|window| window == b"\r\n\r\n") {
            match self.0.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(length) => answer.extend_from_slice(&buffer[..length]),
            }
        }
        String::from_utf8_lossy(&answer).to_lowercase()
    }
}

/// The statuses of those that were refused, each of which says when to come again.
fn refusals(wires: &mut [Wire]) -> Vec<String> {
    let answers = wires.iter_mut().map(|wire| wire.answer(Duration::from_millis(300)));
    let answers: Vec<String> = answers.filter(|answer| !answer.is_empty()).collect();
    for answer in &answers {
        assert!(answer.contains("\r\nretry-after: "), "{answer}");
    }
    answers.iter().map(|answer| answer[9..12].to_owned()).collect()
}

/// The processes that may not be ended.
fn processes(stack: &Stack) -> [Option<Pid>; 2] {
    ["api", "ingest"].map(|name| child_named(stack.pid(), name))
}

fn answered_in_time<T>(ask: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let answer = ask();
    assert!(start.elapsed() < ANSWERED_WITHIN, "{:?}", start.elapsed());
    answer
}

fn sign_in(stack: &Stack, from: &str, email: &str, password: &str) -> Answer {
    let body = json!({"email": email, "password": password});
    stack.client().request("POST", "/v1/auth/login").header("x-forwarded-for", from).json(&body).send()
}

#[test]
fn memory_for_bodies_is_taken_before_they_are_read_and_given_back() {
    let stack = Stack::start(&[
        ("FIREMODE__SERVER__TRUSTED_PROXY_HOPS", "1"),
        ("FIREMODE__SERVER__IN_FLIGHT_BYTES_MAX", "8388608"),
    ]);
    let neighbour = Site::on(&stack);
    let before = processes(&stack);
    let unfinished = || Wire::unfinished(&stack, "/v1/auth/login", "", 1 << 20, 1000);
    let mut wires: Vec<Wire> = (0..40).map(|_| unfinished()).collect();
    let refused = eventually("what does not fit is refused", || {
        let refused = refusals(&mut wires);
        (refused.len() >= 30).then_some(refused)
    });
    assert!(refused.iter().all(|status| status == "429"), "{refused:?}");
    answered_in_time(|| sign_in(&stack, "192.0.2.1", &neighbour.organisation.email, PASSWORD)).expect(200);
    answered_in_time(|| neighbour.admin.get("/v1/buildings")).expect(200);
    let set = json!({"changes": [operation("tablet", "set", &format!("{}/notes", neighbour.items[0]), json!("dry"))]});
    answered_in_time(|| neighbour.send(&set)).expect(200);
    drop(wires);
    eventually("the memory is free again", || {
        sign_in(&stack, "198.51.100.7", &neighbour.organisation.email, PASSWORD).status.eq(&200).then_some(())
    });
    assert_eq!(processes(&stack), before, "nobody was ended");
}

#[test]
fn what_a_body_becomes_when_it_is_read_counts_too() {
    let stack = Stack::start(&[("FIREMODE__SERVER__IN_FLIGHT_BYTES_MAX", "8388608")]);
    let site = Site::on(&stack);
    let building = |list: Value| {
        let metadata = json!({"list": list});
        json!({"site_name": new_key(), "site_address": "1 Quay Street", "metadata": metadata})
    };
    let empty_objects = vec![json!({}); 200_000];
    let answer = site.admin.post("/v1/buildings", &building(json!(empty_objects))).problem(413, "FIRE-413");
    assert!(answer.text("/detail").contains("in parts"), "{}", answer.json);
    site.admin.post("/v1/buildings", &building(json!([{}]))).expect(201);
}

#[test]
fn a_user_has_so_many_requests_under_way_and_the_others_are_served() {
    let stack = Stack::start(&[("FIREMODE__SERVER__USER_REQUESTS_MAX", "8")]);
    let (busy, neighbour) = (Site::on(&stack), Site::on(&stack));
    let results = busy.session("/results");
    let unfinished = || Wire::unfinished(&stack, &results, busy.admin.token(), 1000, 10);
    let mut wires: Vec<Wire> = (0..12).map(|_| unfinished()).collect();
    eventually("four are refused", || {
        let refused = refusals(&mut wires[..]);
        assert!(refused.iter().all(|status| status == "429"), "{refused:?}");
        (!refused.is_empty()).then_some(())
    });
    busy.admin.get("/v1/buildings").problem(429, "FIRE-429");
    answered_in_time(|| neighbour.admin.get("/v1/buildings")).expect(200);
    drop(wires);
    eventually("the places are free again", || busy.admin.get("/v1/buildings").status.eq(&200).then_some(()));
}

#[test]
fn silent_connections_give_way_to_new_clients() {
    let stack = Stack::start(&[
        ("FIREMODE__SERVER__CONNECTIONS_MAX", "64"),
        ("FIREMODE__SERVER__REQUEST_HEAD_SECONDS_MAX", "60"),
    ]);
    let mut silent = Vec::new();
    for _ in 0..200 {
        let mut wire = Wire::open(&stack);
        wire.write(b"G");
        silent.push(wire);
        if silent.len() % 50 == 0 {
            let health = || stack.client().request("GET", "/health").try_send().ok();
            answered_in_time(|| eventually("a new client is served", health)).expect(200);
        }
    }
    assert_eq!(silent[0].answer(ANSWERED_WITHIN), "", "the first was closed");
    eventually("a slow client that comes after them is served", || {
        let mut slow = Wire::open(&stack);
        slow.write(b"G");
        std::thread::sleep(Duration::from_millis(100));
        slow.write(b"ET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
        slow.answer(ANSWERED_WITHIN).starts_with("http/1.1 200").then_some(())
    });
}

#[test]
fn a_body_that_trickles_holds_nobody_up() {
    let stack = Stack::start(&[
        ("FIREMODE__SERVER__WORKERS", "1"),
        ("FIREMODE__INGEST__LARGE_BODIES_MAX", "4"),
        ("FIREMODE__INGEST__USER_LARGE_BODIES_MAX", "2"),
    ]);
    let (slow, neighbour) = (Site::on(&stack), Site::on(&stack));
    let results = slow.session("/results");
    let mut large: Vec<Wire> =
        (0..4).map(|_| Wire::unfinished(&stack, &results, slow.admin.token(), 1 << 20, 10)).collect();
    let _small: Vec<Wire> =
        (0..100).map(|_| Wire::unfinished(&stack, &results, slow.admin.token(), 1000, 10)).collect();
    eventually("a large body too many is refused", || {
        let refused = refusals(&mut large);
        assert!(refused.iter().all(|status| status == "429"), "{refused:?}");
        (!refused.is_empty()).then_some(())
    });
    let fault = json!({"item_code": "EXT-PRESSURE", "observed_condition": "pressure_low"});
    answered_in_time(|| neighbour.admin.post("/v1/classify", &fault)).expect(200);
    answered_in_time(|| neighbour.admin.get("/health/ready")).expect(200);
    let whole = json!({"changes": [operation("tablet", "set", &format!("{}/notes", neighbour.items[0]), json!("x".repeat(100_000)))]});
    answered_in_time(|| neighbour.send(&whole)).expect(200);
}

#[test]
fn merges_wait_for_room_and_none_is_lost() {
    let stack = Stack::start(&[("FIREMODE__INGEST__MERGE_BYTES_MAX", "1048576")]);
    let before = processes(&stack);
    let sites: Vec<Site> = (0..4).map(|_| Site::on(&stack)).collect();
    let numbers: Vec<u32> = (0..90).collect();
    let changes = |site: &Site| {
        let path = |n| format!("{}/f{n}", site.items[0]);
        let changes: Vec<Value> =
            (0..50).map(|n| operation("tablet", "set", &path(n), json!(numbers))).collect();
        json!({"changes": changes})
    };
    std::thread::scope(|scope| {
        for site in &sites {
            scope.spawn(|| {
                let answer = site.send(&changes(site)).expect(200);
                assert_eq!(answer["accepted"], 50, "{}", answer.json);
            });
        }
    });
    assert_eq!(sites[3].item(&sites[3].items[0])["f49"], json!(numbers));
    assert_eq!(processes(&stack), before, "nobody was ended");
}

#[test]
fn a_request_that_is_too_much_work_is_refused_as_a_whole() {
    let site = Site::new();
    let list = vec![1; 90_000];
    let path = |n| format!("{}/f{n}", site.items[0]);
    let changes: Vec<Value> = (0..3).map(|n| operation("tablet", "set", &path(n), json!(list))).collect();
    let answer = site.send(&json!({"changes": changes})).invalid(&["changes"]);
    assert!(answer.text("/errors/0/message").contains("several requests"), "{}", answer.json);
}

#[test]
fn failures_are_forgiven_by_the_hour() {
    let stack = Stack::start(&[("FIREMODE__SERVER__TRUSTED_PROXY_HOPS", "1")]);
    let organisation = Organisation::register(&stack);
    let (sql, email) = (stack.sql(), &organisation.email);
    let failures = |sql: &Sql| sql.count("select max(failures)::bigint from sign_in_throttle", &[]);
    let fail = |from: &str| sign_in(&stack, from, email, "not the right one");
    for _ in 0..12 {
        fail("192.0.2.9").problem(401, "FIRE-401");
        sql.rows(
            "update sign_in_throttle set failed_at = failed_at - interval '23 hours', open_at = 'epoch'",
            &[],
        );
    }
    assert_eq!(failures(&sql), 1, "one failure a day never adds up");
    for _ in 0..5 {
        fail("192.0.2.9").problem(401, "FIRE-401");
    }
    sql.rows("update sign_in_throttle set failed_at = failed_at - interval '90 minutes'", &[]);
    fail("192.0.2.9").problem(401, "FIRE-401");
    let accounts = "select count(*) from sign_in_throttle where failures = 5";
    assert_eq!(sql.count(accounts, &[]), 1, "an hour takes one away from an account");
}

#[test]
fn failures_of_neighbours_shut_out_nobody_who_is_known_there() {
    let stack = Stack::start(&[
        ("FIREMODE__SERVER__TRUSTED_PROXY_HOPS", "1"),
        ("FIREMODE__AUTH__SIGN_IN_NETWORK_FAILURES_FREE", "3"),
    ]);
    let (known, stranger) = (Organisation::register(&stack), Organisation::register(&stack));
    sign_in(&stack, "192.0.2.9", &known.email, PASSWORD).expect(200);
    let made_up = || sign_in(&stack, "192.0.2.9", &format!("{}@example.com", new_key()), PASSWORD);
    while made_up().status == 401 {}
    sign_in(&stack, "192.0.2.9", &stranger.email, PASSWORD).problem(429, "FIRE-429");
    sign_in(&stack, "192.0.2.9", &known.email, PASSWORD).expect(200);
    // Somebody who is known there has shown that it is not all of the network.
    sign_in(&stack, "192.0.2.9", &stranger.email, PASSWORD).expect(200);
}

#[test]
fn networks_of_one_site_share_a_looser_count() {
    let stack = Stack::start(&[
        ("FIREMODE__SERVER__TRUSTED_PROXY_HOPS", "1"),
        ("FIREMODE__AUTH__SIGN_IN_NETWORK_FAILURES_FREE", "2"),
    ]);
    let try_from = |network: u16| {
        sign_in(
            &stack,
            &format!("2001:db8:7:{network:x}::1"),
            &format!("{}@example.com", new_key()),
            PASSWORD,
        )
    };
    for failure in 0..9 {
        try_from(failure / 2).problem(401, "FIRE-401");
    }
    try_from(9).problem(429, "FIRE-429");
    sign_in(&stack, "2001:db8:8::1", &format!("{}@example.com", new_key()), PASSWORD)
        .problem(401, "FIRE-401");
}

/// A device that sends what it has made in a day meets no bound.
#[test]
fn a_technicians_sync_meets_no_bound() {
    let site = Site::new();
    std::thread::scope(|scope| {
        for connection in 0..8 {
            let site = &site;
            scope.spawn(move || sync(&site.admin, site, connection));
        }
    });
}

/// One of eight connections, which share two hundred photographs.
fn sync(client: &Client, site: &Site, connection: usize) {
    for photograph in 0..25 {
        let bytes = format!("photograph {connection} {photograph} {}", "x".repeat(200_000)).into_bytes();
        Form::photo(&site.session_id, &bytes).upload(client).expect(201);
    }
}
