//! The clock in a session's row: what is merged, soon after it was, and in nobody's way; and which sessions an actor wrote to.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use serde_json::{Value, json};

use crate::support::processes::{child_named, kill_hard};
use crate::support::site::{open_session, operation};
use crate::support::wait::within;
use crate::support::{Device, Organisation, Site, Stack, eventually};
use crate::worker::{SETTINGS, worker_of};

/// A session rests for 5 seconds at most until its row says so. The machine of the tests does other things besides.
const SOON: Duration = Duration::from_secs(15);

/// What the row of a site's session says.
fn clock_of_row(stack: &Stack, site: &Site) -> Value {
    let sql = "select vector_clock::text from test_sessions where id = $1::text::uuid";
    let text: String = stack.sql().rows(sql, &[&site.session_id])[0].get(0);
    serde_json::from_str(&text).unwrap()
}

/// Waits until the row says what the document does.
fn agrees(stack: &Stack, site: &Site, what: &str) {
    let wanted = site.read()["vector_clock"].clone();
    let agrees = || (clock_of_row(stack, site) == wanted).then_some(());
    assert!(within(SOON, agrees).is_some(), "{what}: {} is not {wanted}", clock_of_row(stack, site));
}

fn note(site: &Site, device: &str, text: &str) -> Value {
    json!({"changes": [operation(device, "set", &format!("{}/notes", site.items[0]), json!(text))]})
}

#[test]
fn a_session_that_rests_has_its_clock_in_its_row() {
    let site = Site::new();
    let stack = Stack::shared();
    agrees(stack, &site, "a new session");
    let mut device = Device::of(&site);
    for text in ["one", "two"] {
        site.send(&note(&site, "tablet", text)).expect(200);
        let change = device.set(&site.items[1], "notes", text);
        site.send(&device.body(&[&change])).expect(200);
    }
    agrees(stack, &site, "two devices");
    assert_eq!(clock_of_row(stack, &site)[device.actor()], 2);
}

#[test]
fn a_change_that_waits_is_no_part_of_the_clock_until_it_is_merged() {
    let site = Site::new();
    let stack = Stack::shared();
    let mut device = Device::of(&site);
    let missing = device.set(&site.items[1], "outcome", "pass");
    let held = device.set(&site.items[1], "notes", "builds on what is missing");
    site.send(&device.body(&[&held])).expect(200);
    site.send(&note(&site, "tablet", "beside it")).expect(200);
    agrees(stack, &site, "one is held");
    assert!(clock_of_row(stack, &site).get(device.actor()).is_none());
    site.send(&device.body(&[&missing])).expect(200);
    agrees(stack, &site, "it is released");
    assert_eq!(clock_of_row(stack, &site)[device.actor()], 2);
}

#[test]
fn a_session_whose_row_is_held_waits_for_its_clock_and_keeps_nobody_waiting() {
    let site = Site::new();
    let stack = Stack::shared();
    agrees(stack, &site, "a new session");
    site.set_status("active").expect(200);
    let batch = stack.sql();
    batch.batch(&format!("begin; select from test_sessions where id = '{}' for share", site.session_id));
    let other = Site::of(site.organisation.clone());
    for site in [&site, &other] {
        site.send(&note(site, "tablet", "dry")).expect(200);
    }
    agrees(stack, &other, "its neighbour");
    let began = Instant::now();
    site.send(&note(&site, "tablet", "again")).expect(200);
    assert!(began.elapsed() < Duration::from_secs(4), "nobody who waits for the row stands before the batch");
    assert_ne!(clock_of_row(stack, &site), site.read()["vector_clock"]);
    batch.batch("rollback");
    agrees(stack, &site, "it is free");
}

#[test]
fn a_session_that_never_rests_has_its_clock_too() {
    let site = Site::new();
    let stack = Stack::shared();
    agrees(stack, &site, "a new session");
    let before = clock_of_row(stack, &site);
    let moved = within(Duration::from_secs(60), || {
        site.send(&note(&site, "tablet", "again")).expect(200);
        (clock_of_row(stack, &site) != before).then_some(())
    });
    assert!(moved.is_some(), "its clock stood still for a minute");
}

#[test]
fn a_record_that_is_settled_has_its_clock_at_once() {
    let site = Site::new();
    let stack = Stack::shared();
    let mut device = Device::of(&site);
    let missing = device.set(&site.items[1], "outcome", "pass");
    let held = device.set(&site.items[1], "notes", "builds on what is missing");
    site.set_status("active").expect(200);
    site.send(&device.body(&[&held])).expect(200);
    site.send(&note(&site, "tablet", "dry")).expect(200);
    site.set_status("completed").expect(200);
    assert_eq!(clock_of_row(stack, &site), site.read()["vector_clock"], "completed");
    let merged = || -> i64 {
        clock_of_row(stack, &site).as_object().unwrap().values().filter_map(Value::as_i64).sum()
    };
    for (act, is_record) in [("accept", true), ("reject", false), ("accept", true)] {
        let before = merged();
        site.send(&note(&site, act, "late")).expect(200);
        site.admin.request("POST", &site.session(&format!("/late/{act}"))).send().expect(200);
        assert_eq!(clock_of_row(stack, &site), site.read()["vector_clock"], "{act}");
        assert_eq!(merged() - before, i64::from(is_record), "{act}: only what is accepted is merged");
    }
    site.send(&device.body(&[&missing])).expect(200);
    site.admin.request("POST", &site.session("/late/accept")).send().expect(200);
    assert_eq!(
        clock_of_row(stack, &site)[device.actor()],
        2,
        "what waited is merged with what it waited for"
    );
}

#[test]
fn clocks_of_before_are_filled_in() {
    let stack = Stack::start(&[("FIREMODE__SUPERVISOR__BACKOFF_SECONDS_MAX", "1")]);
    let organisation = Organisation::register(&stack);
    let sites: Vec<Site> = (0..3).map(|_| Site::of(organisation.clone())).collect();
    sites.iter().for_each(|site| drop(site.send(&note(site, "tablet", "dry")).expect(200)));
    sites.iter().for_each(|site| agrees(&stack, site, "in time"));
    // As an earlier release left them. A worker that knew of them is gone.
    let worker = || eventually("the worker runs", || child_named(stack.pid(), "worker"));
    kill_hard(worker());
    let sql = stack.sql();
    sql.batch("delete from session_clocks; delete from session_clocks_place; update test_sessions set vector_clock = '{}'");
    sql.rows("update jobs set due_at = now() where kind = 'clocks'", &[]);
    worker();
    eventually("all are filled in", || {
        let empty = "select count(*) from test_sessions where vector_clock = '{}'";
        (sql.count(empty, &[]) == 0).then_some(())
    });
    sites.iter().for_each(|site| agrees(&stack, site, "filled in"));
}

#[test]
fn workers_that_are_frozen_and_thawed_keep_clocks_right() {
    let stack = Stack::start(&SETTINGS);
    let beside = stack.beside(&SETTINGS);
    let site = Site::on(&stack);
    agrees(&stack, &site, "a new session");
    // Whichever of them kept the clocks was frozen for longer than it holds a job, knowing what is old by now.
    for frozen in [worker_of(&stack), worker_of(&beside)] {
        kill(frozen, Signal::SIGSTOP).unwrap();
        site.send(&note(&site, "tablet", "while one is frozen")).expect(200);
        eventually("the other one keeps the clocks", || {
            (clock_of_row(&stack, &site) == site.read()["vector_clock"]).then_some(())
        });
        kill(frozen, Signal::SIGCONT).unwrap();
        site.send(&note(&site, "tablet", "once it is thawed")).expect(200);
        agrees(&stack, &site, "both work");
    }
    // A worker that had lost the job and did not know would have looked by now.
    let is_wrong = || (clock_of_row(&stack, &site) != site.read()["vector_clock"]).then_some(());
    assert!(within(Duration::from_secs(6), is_wrong).is_none(), "somebody wrote an old clock");
}

#[test]
fn sessions_are_found_by_who_wrote_to_them() {
    let site = Site::new();
    let second = Site { session_id: open_session(&site.admin, &site.building_id), ..site.clone() };
    let untouched = open_session(&site.admin, &site.building_id);
    let mut device = Device::of(&site);
    let actor = device.actor();
    let found = |query: &str| -> Vec<String> {
        let list = site.admin.get(&format!("/v1/tests/sessions?{query}")).expect(200);
        list.data().iter().map(|session| session["id"].as_str().unwrap().to_owned()).collect()
    };
    assert!(found(&format!("actor={actor}")).is_empty());
    let change = device.set(&site.items[0], "outcome", "pass");
    site.send(&device.body(&[&change])).expect(200);
    assert_eq!(found(&format!("actor={actor}")), [site.session_id.as_str()], "at once");
    let mut there = Device::of(&second).with_actor(&actor);
    let change = there.set(&site.items[0], "outcome", "pass");
    second.send(&there.body(&[&change])).expect(200);
    let both = [second.session_id.as_str(), site.session_id.as_str()];
    assert_eq!(found(&format!("actor={}", actor.to_uppercase())), both, "newest first, in any spelling");
    assert_eq!(found(&format!("actor={actor}&status=active")), both);
    assert!(found(&format!("actor={actor}&status=completed")).is_empty());
    let first = site.admin.get(&format!("/v1/tests/sessions?actor={actor}&limit=1")).expect(200);
    let next = first.text("/next_cursor");
    assert_eq!(found(&format!("actor={actor}&limit=1&cursor={next}")), both[1..]);
    site.admin.get(&format!("/v1/tests/sessions?limit=1&cursor={next}")).expect(400);
    assert!(!found("limit=100").is_empty() && found("limit=100").contains(&untouched));
    let stranger = Organisation::register(Stack::shared()).admin;
    let theirs = stranger.get(&format!("/v1/tests/sessions?actor={actor}")).expect(200);
    assert!(theirs.data().is_empty());
    let too_long = "ab".repeat(65);
    for wrong in ["", "abc", "xy", "%00", too_long.as_str()] {
        site.admin.get(&format!("/v1/tests/sessions?actor={wrong}")).invalid(&["actor"]);
    }
}
