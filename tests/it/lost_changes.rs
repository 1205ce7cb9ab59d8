//! A database that has lost what it had committed, as one does that fails over to a standby that was behind. The processes have the
//! changes in memory, and must not build on them.

use serde_json::{Value, json};

use crate::support::site::operation;
use crate::support::{Answer, Device, Site, Stack, new_key};

/// Takes the last change of a session out of the database, which the appliance itself never does. Gives its hash.
fn lose_last_change(site: &Site, answer: &Answer) -> String {
    let hash = answer["heads"][0].as_str().expect("the document has heads").to_owned();
    let sql = Stack::shared().sql();
    sql.batch("begin; alter table session_changes disable trigger session_changes_are_the_record");
    for table in ["session_operations", "session_changes"] {
        let lose =
            format!("delete from {table} where session_id = $1::text::uuid and hash = decode($2, 'hex')");
        sql.rows(&lose, &[&site.session_id, &hash]);
    }
    sql.batch("alter table session_changes enable trigger session_changes_are_the_record; commit");
    hash
}

/// Changes that are stored though something that they depend on is not.
fn stored_in_the_air(site: &Site) -> i64 {
    let sql = "select count(*) from session_changes c cross join unnest(c.deps) as dep
               where c.session_id = $1::text::uuid
                 and not exists (select from session_changes d where d.session_id = c.session_id and d.hash = dep)";
    Stack::shared().sql().count(sql, &[&site.session_id])
}

fn set(site: &Site, field: &str, value: &str) -> Value {
    let mut operation = operation("tablet", "set", &format!("{}/{field}", site.items[0]), json!(value));
    operation["op_id"] = json!(new_key());
    json!({"changes": [operation]})
}

#[test]
fn operations_are_written_down_on_what_is_stored() {
    let site = Site::new();
    let lost = site.send(&set(&site, "notes", "lost")).expect(200);
    lose_last_change(&site, &lost);
    let answer = site.send(&set(&site, "observed_condition", "dry")).expect(200);
    let clocks = [&lost, &answer].map(|answer| answer["vector_clock"].as_object().expect("a clock").clone());
    let again = clocks[1].iter().filter(|(actor, seq)| clocks[0].get(*actor) == Some(*seq)).count();
    assert_eq!(again, clocks[0].len() - 1, "the number of what was lost is not given out again: {clocks:?}");
    assert_eq!((&answer["accepted"], &answer["held"]), (&json!(1), &json!([])));
    assert_eq!(stored_in_the_air(&site), 0);
    let answer = site.send(&set(&site, "outcome", "pass")).expect(200);
    assert_eq!(answer["accepted"], 1, "the document is in memory again");
    assert_eq!(stored_in_the_air(&site), 0);
}

#[test]
fn what_was_lost_is_taken_again_and_is_no_duplicate() {
    let site = Site::new();
    let body = set(&site, "notes", "dry");
    lose_last_change(&site, &site.send(&body).expect(200));
    let again = site.send(&body).expect(200);
    assert_eq!((&again["accepted"], &again["duplicates"]), (&json!(1), &json!(0)), "by its id");

    // The same without an id, so that only its value says that it is nothing new.
    let body = json!({"changes": [operation("tablet", "set", &format!("{}/outcome", site.items[0]), json!("fail"))]});
    lose_last_change(&site, &site.send(&body).expect(200));
    let again = site.send(&body).expect(200);
    assert_eq!((&again["accepted"], &again["duplicates"]), (&json!(1), &json!(0)), "by its value");

    let device = Device::of(&site);
    let body = device.body(&[&device.clone().set(&site.items[1], "outcome", "pass")]);
    lose_last_change(&site, &site.send(&body).expect(200));
    let again = site.send(&body).expect(200);
    assert_eq!((&again["accepted"], &again["duplicates"]), (&json!(1), &json!(0)), "by its hash");
    assert_eq!(site.send(&body).expect(200)["duplicates"], 1);
}

#[test]
fn a_devices_own_change_waits_for_what_was_lost() {
    let site = Site::new();
    let mut device = Device::of(&site);
    let first = device.set(&site.items[0], "outcome", "pass");
    let lost = lose_last_change(&site, &site.send(&device.body(&[&first])).expect(200));
    let second = device.set(&site.items[0], "notes", "after it");
    let answer = site.send(&json!({"changes": device.body(&[&second])["changes"]})).expect(200);
    assert_eq!(answer["accepted"], 0);
    assert_eq!(answer["held"][0]["waits_for"], json!([lost]));
    let answer = site.send(&json!({"changes": device.body(&[&first])["changes"]})).expect(200);
    assert_eq!((&answer["accepted"], &answer["held"]), (&json!(1), &json!([])));
    assert_eq!(answer["heads"], json!(device.heads()));
}

#[test]
fn items_are_not_added_to_what_was_lost() {
    let site = Site::new();
    let answer = site.send(&set(&site, "notes", "lost")).expect(200);
    assert_eq!(site.item(&site.items[0])["notes"], "lost", "the API process has it in memory too");
    lose_last_change(&site, &answer);
    let add = || site.admin.post(&site.session("/items"), &json!({"label": "Hydrant 1"}));
    assert!(!add().problem(503, "FIRE-503").header("retry-after").is_empty());
    add().expect(201);
    assert_eq!(stored_in_the_air(&site), 0);
}

/// On a young table, which the planner knows nothing of or believes to be empty, as on one that it knows.
#[test]
fn each_change_that_is_relied_on_is_one_look_into_the_primary_key() {
    const CHANGES: i64 = 500;
    let stack = Stack::start(&[]);
    let sites = [Site::on(&stack), Site::on(&stack)];
    let sql = stack.sql();
    sql.batch("analyze session_changes");
    for site in &sites {
        let fill = "insert into session_changes (session_id, organisation_id, user_id, instance_id, hash, actor, seq, start_op, deps, bytes)
            select id, organisation_id, created_by, id, sha256((id || n::text)::bytea), '\\x01', n, n, '{}', 'x'
            from test_sessions cross join generate_series(1, $2::int8) n where id = $1::text::uuid";
        sql.rows(fill, &[&site.session_id, &CHANGES]);
    }
    for preparation in ["select 1", "analyze session_changes"] {
        sql.batch(preparation);
        // One of its own, for it counts from its beginning.
        let sql = stack.sql();
        sql.batch("begin");
        let looks = "select count(*) from (
                select array_agg(organisation_id) o, array_agg(session_id) s, array_agg(hash) h
                from (select * from session_changes order by hash limit 20) picked) as picked, stored_changes(o, s, h)";
        assert_eq!(sql.count(looks, &[]), 20);
        let read = "select seq_tup_read + idx_tup_fetch from pg_stat_xact_user_tables where relname = 'session_changes'";
        // All of them for the picking, and those that were looked at.
        assert_eq!(sql.count(read, &[]), 2 * CHANGES + sites.len() as i64 + 20, "{preparation}");
        sql.batch("commit");
    }
}
