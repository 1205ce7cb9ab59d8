//! What of the record is not merged now, and how much evidence is stored, on the page of metrics.

use std::collections::BTreeMap;

use serde_json::json;

use crate::support::site::operation;
use crate::support::{Device, Form, Site, Sql, Stack, eventually};
use crate::worker::sweep_now;

/// Held, quarantined and late changes, files and bytes of evidence.
const NAMES: [&str; 5] = [
    "firemode_changes_unmerged{standing=\"held\"}",
    "firemode_changes_unmerged{standing=\"quarantined\"}",
    "firemode_changes_unmerged{standing=\"late\"}",
    "firemode_evidence_stored_files",
    "firemode_evidence_stored_bytes",
];

/// The page has them within the pause after which the database is asked again.
fn eventually_shows(site: &Site, what: &str, wanted: [u64; 5]) {
    let wanted = wanted.map(Some);
    let mut found = wanted;
    let shows = || {
        let page = String::from_utf8(site.admin.get("/metrics").expect(200).body).unwrap();
        let samples: BTreeMap<_, _> = page.lines().filter_map(|line| line.rsplit_once(' ')).collect();
        found = NAMES.map(|name| samples.get(name).and_then(|value| value.parse().ok()));
        std::thread::sleep(std::time::Duration::from_millis(500));
        (found == wanted).then_some(())
    };
    if crate::support::wait::within(crate::support::wait::PATIENCE, shows).is_none() {
        panic!("{what}: {found:?}");
    }
}

fn not_added_up(sql: &Sql) -> i64 {
    sql.count("select count(*) from evidence_growth", &[])
}

#[test]
fn what_is_not_merged_and_what_is_stored_can_be_seen() {
    let stack = Stack::start(&[]);
    let site = Site::on(&stack);
    eventually_shows(&site, "nothing yet", [0; 5]);

    let mut device = Device::of(&site);
    let missing = device.set(&site.items[1], "outcome", "pass");
    let held = device.set(&site.items[1], "notes", "builds on what is missing");
    let more = device.set(&site.items[1], "notes", "builds on that");
    site.send(&device.body(&[&held, &more])).expect(200);
    for bytes in [&b"one"[..], b"another", b"one"] {
        Form::photo(&site.session_id, bytes).upload(&site.admin).expect(201);
    }
    let other = Site::of(site.organisation.clone());
    other.complete();
    let late =
        json!({"changes": [operation("tablet", "set", &format!("{}/notes", other.items[0]), json!("late"))]});
    other.send(&late).expect(200);
    eventually_shows(&site, "two wait, one is late, two files", [2, 0, 1, 2, 10]);

    // A total that is added up is the same.
    let sql = stack.sql();
    assert!(not_added_up(&sql) > 0);
    sweep_now(&stack);
    eventually("the sweep adds up", || (not_added_up(&sql) == 0).then_some(()));
    assert_eq!(sql.count("select bytes from evidence_totals", &[]), 10);

    // As a release before this one leaves it.
    sql.rows("update session_clocks set held = null, quarantined = null where has_unmerged", &[]);
    eventually_shows(&site, "one at least, where nobody has counted", [1, 0, 1, 2, 10]);
    site.send(&device.body(&[&missing])).expect(200);
    other.admin.request("POST", &other.session("/late/reject")).send().expect(200);
    eventually_shows(&site, "all is merged or decided", [0, 0, 0, 2, 10]);
}

/// A change that would damage its document is not merged, also where nobody looked while it was held.
#[test]
fn what_is_quarantined_can_be_seen_and_counts_for_no_clock() {
    let stack = Stack::start(&[]);
    let site = Site::on(&stack);
    let mut device = Device::of(&site);
    let (damaging, missing) = device.damaging(&site.items[1]);
    for change in [&damaging, &missing] {
        site.send(&device.body(&[change])).expect(200);
    }
    let sync = site.admin.get(&site.session("/sync")).expect(200);
    assert_eq!((&sync["held_total"], &sync["quarantined_total"]), (&json!(0), &json!(1)));
    eventually_shows(&site, "one is quarantined", [0, 1, 0, 0, 0]);
    let clock = "select (vector_clock ->> $2)::int8 from test_sessions where id = $1::text::uuid";
    assert_eq!(stack.sql().count(clock, &[&site.session_id, &device.actor()]), 1);
}
