//! What lists and the feed show of sessions is what was acknowledged, and nobody works out a document for it.

use std::thread::sleep;

use serde_json::{Value, json};

use crate::support::database::TOLD_AFTER;
use crate::support::site::operation;
use crate::support::{Device, Site, Sql, Stack, new_key};

const SHOWN: [&str; 5] = ["vector_clock", "actor_count", "heads", "item_count", "status"];

fn shown(session: &Value) -> Vec<Value> {
    SHOWN.iter().map(|field| session[field].clone()).collect()
}

/// The list, the feed and the session itself say the same.
fn assert_same_everywhere(site: &Site, when: &str) {
    let of_list = |path: &str| {
        let page = site.admin.get(path).expect(200);
        let row = page.data().iter().find(|row| row["id"] == site.session_id.as_str()).cloned();
        shown(&row.unwrap_or_else(|| panic!("{path} lacks the session {when}")))
    };
    let listed = [of_list("/v1/tests/sessions"), of_list("/v1/tests/sessions/changes")];
    let itself = shown(&site.read().json);
    assert_eq!(listed, [itself.clone(), itself], "{when}");
}

fn note(site: &Site, device: &str) {
    let path = format!("{}/notes", site.items[0]);
    site.send(&json!({"changes": [operation(device, "set", &path, json!(new_key()))]})).expect(200);
}

/// So many changes, a hundred in a request.
fn write(site: &Site, changes: usize) {
    let path = format!("{}/notes", site.items[1]);
    for part in 0..changes / 100 {
        let set = |index: usize| {
            operation(&format!("tablet-{}", index % 2), "set", &path, json!(part * 100 + index))
        };
        site.send(&json!({"changes": (0..100).map(set).collect::<Vec<_>>()})).expect(200);
    }
}

/// How many rows of changes the appliance reads for what is done.
fn changes_read(sql: &Sql, work: impl FnOnce()) -> i64 {
    let tables = ["session_changes", "session_copies"];
    sql.end_connections();
    sleep(TOLD_AFTER);
    let before = sql.rows_read(&tables);
    work();
    sql.end_connections();
    sql.rows_read(&tables).iter().map(|(table, rows)| rows - before[table]).sum()
}

#[test]
fn a_list_shows_what_was_acknowledged_whatever_happened_last() {
    let stack = Stack::start(&[]);
    let site = Site::on(&stack);
    let sql = stack.sql();
    assert_same_everywhere(&site, "when it was made");
    note(&site, "tablet");
    assert_same_everywhere(&site, "after results");
    site.admin.post(&site.session("/items"), &json!({"id": "spare"})).expect(201);
    assert_same_everywhere(&site, "after an item was added");

    let mut device = Device::of(&site);
    let missing = device.set(&site.items[1], "outcome", "pass");
    let held = device.set(&site.items[1], "notes", "waits");
    site.send(&device.body(&[&held])).expect(200);
    assert_same_everywhere(&site, "with a change that waits");
    assert_eq!(site.admin.get(&site.session("/sync")).expect(200)["held_total"], 1);
    site.send(&device.body(&[&missing])).expect(200);
    assert_same_everywhere(&site, "when it waits no more");
    assert_eq!(site.admin.get(&site.session("/sync")).expect(200)["held_total"], 0);

    // Somebody else adds, and knows nothing of what is written here.
    let other = stack.beside(&[]);
    let elsewhere = Site { admin: other.client().with_token(site.admin.token()), ..site.clone() };
    std::thread::scope(|scope| {
        for (site, device) in [(&site, "here"), (&elsewhere, "there")] {
            scope.spawn(move || (0..8).for_each(|_| note(site, device)));
        }
    });
    assert_same_everywhere(&site, "after two have written at once");

    site.complete();
    note(&site, "late");
    assert_same_everywhere(&site, "with late work");
    site.admin.request("POST", &site.session("/late/accept")).send().expect(200);
    assert_same_everywhere(&site, "when that was accepted");

    // As of an earlier release, of another history of the database, and damaged.
    for spoiled in ["lineage = '\\x00'", "format = 99", "summary = 'x'", "read_up_to = 'x'"] {
        sql.rows(
            &format!("update session_summaries set {spoiled} where session_id = $1::text::uuid"),
            &[&site.session_id],
        );
        assert_same_everywhere(&site, spoiled);
    }
    sql.rows("delete from session_summaries where session_id = $1::text::uuid", &[&site.session_id]);
    assert_same_everywhere(&site, "without a summary");
}

#[test]
fn a_clock_in_a_list_names_those_who_wrote_last() {
    let site = Site::new();
    let set = |device: usize| {
        let path = format!("{}/notes", site.items[device % 3]);
        operation(&format!("tablet-{device}"), "set", &path, json!(device))
    };
    site.send(&json!({"changes": (0..300).map(set).collect::<Vec<_>>()})).expect(200);
    note(&site, "the-last-one");
    let page = site.admin.get("/v1/tests/sessions").expect(200);
    let row = &page.data()[0];
    let told = row["vector_clock"].as_object().unwrap();
    assert_eq!((told.len(), &row["actor_count"]), (256, &json!(302)));
    let session = site.read();
    let whole = session["vector_clock"].as_object().unwrap();
    assert_eq!((whole.len(), &session["actor_count"]), (302, &json!(302)));
    assert!(told.iter().all(|(actor, seq)| whole[actor] == *seq));
    let changed = site.set_status("completed").expect(200);
    assert_eq!(changed["vector_clock"].as_object().unwrap().len(), 256);
}

#[test]
fn lists_the_feed_and_bundles_read_no_changes() {
    const REQUESTS: i64 = 10;
    const CHANGES: usize = 600;
    let stack = Stack::start(&[]);
    let site = Site::on(&stack);
    let fail = format!("{}/outcome", site.items[0]);
    site.send(&json!({"changes": [operation("tablet", "set", &fail, json!("fail"))]})).expect(200);
    write(&site, CHANGES);
    let later = crate::support::site::open_session(&site.admin, &site.building_id);
    let bundle = format!("/v1/tests/sessions/{later}/offline_bundle");
    let faults = || site.admin.get(&bundle).expect(200)["data"]["prior_faults"].clone();
    crate::bundle::prior_faults(&site.admin, &later);
    let first = faults();
    assert_eq!(first[0]["item_id"], site.items[0]);
    let read = changes_read(&stack.sql(), || {
        for _ in 0..REQUESTS {
            site.admin.get("/v1/tests/sessions").expect(200);
            site.admin.get("/v1/tests/sessions/changes").expect(200);
            assert_eq!(faults(), first);
        }
    });
    assert!(read <= 20 * REQUESTS, "{REQUESTS} of each read {read} rows of changes");
}

#[test]
fn lists_read_no_changes_whoever_else_wrote_at_the_time() {
    const REQUESTS: i64 = 10;
    let stack = Stack::start(&[]);
    let site = Site::on(&stack);
    let sql = stack.sql();
    // One writes all the time, and others come and go.
    let stranger = stack.sql();
    stranger.batch("begin; select pg_current_xact_id()");
    write(&site, 600);
    sql.batch("select pg_current_xact_id()");
    write(&site, 600);
    stranger.batch("commit");
    let read = changes_read(&sql, || {
        for _ in 0..REQUESTS {
            site.admin.get("/v1/tests/sessions").expect(200);
        }
    });
    assert!(read <= 20 * REQUESTS, "{REQUESTS} lists read {read} rows of changes");
}
