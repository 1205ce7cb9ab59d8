//! What follows from failed items: observations and defects, soon after the results, whatever order they come in and whoever works them out.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::processes::kill_hard;
use crate::support::site::{open_session, operation};
use crate::support::stack::command;
use crate::support::wait::within;
use crate::support::{Device, Site, Sql, Stack, eventually};
use crate::worker::{SETTINGS, worker_of};

/// Two seconds are promised; the machine of the tests does other things besides.
const SOON: Duration = Duration::from_secs(20);

/// Everything that is known of defects, but for their numbers and when they were made.
const ALL: &str = "
    select coalesce(jsonb_agg(row order by row), '[]')::text from (
        select to_jsonb(v) - 'created_xid' as row from defect_versions v where organisation_id = $1
        union all select to_jsonb(o) - 'created_xid' from item_observations o where organisation_id = $1
        union all select to_jsonb(p) from item_passes p where organisation_id = $1
        union all select to_jsonb(s) - 'created_xid' from item_states s where organisation_id = $1
        union all select to_jsonb(d) - array['number', 'created_xid', 'created_at'] from defects d where organisation_id = $1
    ) rows";

fn json_of(sql: &Sql, statement: &str, site: &Site) -> Value {
    let text: String = sql.rows(statement, &[&site.organisation.id])[0].get(0);
    serde_json::from_str(&text).unwrap()
}

/// The defects of a site as they are known now, the first one first.
fn defects(site: &Site) -> Vec<Value> {
    let sql = "select coalesce(jsonb_agg(to_jsonb(v) || jsonb_build_object('number', d.number, 'from_history', d.from_history)
                                         order by d.number), '[]')::text
               from defect_versions v join defects d on d.organisation_id = v.organisation_id and d.id = v.defect_id
               where v.organisation_id = $1 and v.known_to is null";
    let Value::Array(defects) = json_of(&Stack::shared().sql(), sql, site) else { panic!("a list") };
    defects
}

/// Waits until the defects are as wanted.
fn defects_when(site: &Site, what: &str, are: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let found = within(SOON, || Some(defects(site)).filter(|defects| are(defects)));
    found.unwrap_or_else(|| panic!("{what}: {:#?}", defects(site)))
}

fn one_defect(site: &Site, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    defects_when(site, what, |defects| matches!(defects, [defect] if is(defect))).remove(0)
}

fn review(site: &Site) -> Value {
    let sql = "select coalesce((select to_jsonb(r) from session_reviews r
                                where organisation_id = $1 and session_id = $2::text::uuid), 'null')::text";
    let rows = Stack::shared().sql().rows(sql, &[&site.organisation.id, &site.session_id]);
    serde_json::from_str(rows[0].get(0)).unwrap()
}

/// A device writes a field of an item.
fn write(site: &Site, item: usize, field: &str, value: impl Into<Value>) {
    let path = format!("{}/{field}", site.items[item]);
    let body = json!({"changes": [operation("tablet", "set", &path, value.into())], "vector_clock": site.read()["vector_clock"]});
    site.send(&body).expect(200);
}

#[test]
fn a_failed_item_is_a_defect_with_its_class_and_what_is_written_later_changes_it() {
    let site = Site::new();
    write(&site, 0, "outcome", "fail");
    let unclassified = one_defect(&site, "it fails", |_| true);
    assert_eq!(unclassified["classification"], "unclassified");
    assert_eq!((&unclassified["needs_review"], &unclassified["status"]), (&json!(true), &json!("open")));
    for (field, value) in [
        ("asset_id", json!(site.items[0])),
        ("session_id", json!(site.session_id)),
        ("building_id", json!(site.building_id)),
        ("item_code", json!("EXT-PRESSURE")),
        ("location", json!("Level 1, east corridor")),
        ("section", json!(10)),
        ("source", json!("result")),
        ("observations", json!(1)),
        ("number", json!(1)),
        ("from_history", json!(false)),
        ("clock_suspect", json!(true)),
    ] {
        assert_eq!(unclassified[field], value, "{field}");
    }
    write(&site, 0, "observed_condition", "pressure_low");
    let classified =
        one_defect(&site, "a condition", |defect| defect["classification"] == "non_critical_defect");
    assert_eq!(classified["rule"]["code"], "AS1851-10-EXT-PRESSURE");
    assert_eq!(classified["needs_review"], false);
    write(&site, 0, "measurements", json!({"only_in_area": true}));
    one_defect(&site, "a fact", |defect| defect["classification"] == "critical_defect");
    write(&site, 0, "observed_condition", "baseline_missing");
    let corrected =
        one_defect(&site, "another condition", |defect| defect["classification"] == "non_conformance");
    for same in ["defect_id", "opened_at", "observed_at"] {
        assert_eq!(corrected[same], unclassified[same], "{same}");
    }
}

#[test]
fn a_measured_value_is_judged_by_the_baseline_of_the_asset() {
    let site = Site::new();
    crate::baselines::set(&site.admin, &site.building_id, &site.items[0], "pressure", 1000.0, "kPa")
        .expect(201);
    let item = json!({"outcome": "fail", "observed_condition": "pressure_measured",
                      "measurements": {"pressure": {"value": 850, "unit": "kPa"}}});
    site.send(&json!({"changes": [operation("tablet", "set", &site.items[0], item)]})).expect(200);
    one_defect(&site, "below 90 %", |defect| defect["classification"] == "non_critical_defect");
    write(&site, 0, "measurements", json!({"pressure": {"value": 990, "unit": "kPa"}}));
    one_defect(&site, "within limits", |defect| defect["classification"] == "unclassified");
}

#[test]
fn a_fail_that_is_taken_back_stays_for_a_person_to_decide_on() {
    let site = Site::new();
    write(&site, 0, "observed_condition", "pressure_low");
    write(&site, 0, "measurements", json!({"only_in_area": true}));
    write(&site, 0, "outcome", "fail");
    one_defect(&site, "it fails", |defect| defect["classification"] == "critical_defect");
    write(&site, 0, "outcome", "pass");
    let taken_back = one_defect(&site, "it passes", |defect| !defect["superseded_by"].is_null());
    assert_eq!(taken_back["classification"], "critical_defect", "a tap makes none vanish");
    assert_eq!(taken_back["needs_review"], true);

    // In one request, so that nobody ever saw it fail.
    let other = Site::new();
    let path = format!("{}/outcome", other.items[0]);
    let writes = ["fail", "pass"].map(|outcome| operation("tablet", "set", &path, json!(outcome)));
    other.send(&json!({"changes": writes})).expect(200);
    one_defect(&other, "both at once", |defect| !defect["superseded_by"].is_null());
}

#[test]
fn a_conflict_counts_as_failed_and_an_outcome_that_is_none_too() {
    let site = Site::new();
    let mut devices = [Device::of(&site), Device::of(&site)];
    let changes: Vec<Vec<u8>> = devices
        .iter_mut()
        .zip(["pass", "fail"])
        .map(|(device, outcome)| device.set(&site.items[0], "outcome", outcome))
        .collect();
    for (device, change) in devices.iter().zip(&changes) {
        site.send(&device.body(&[change])).expect(200);
    }
    let defect = one_defect(&site, "in conflict", |_| true);
    assert_eq!((&defect["needs_review"], &defect["passes_since"]), (&json!(true), &json!(0)));
    eventually("the session is to be looked at", || (review(&site)["needs_review"] == true).then_some(()));

    let other = Site::new();
    let mut device = Device::of(&other);
    let change = device.set(&other.items[1], "outcome", "FAIL");
    other.send(&device.body(&[&change])).expect(200);
    let odd = one_defect(&other, "no outcome", |_| true);
    assert_eq!((&odd["classification"], &odd["needs_review"]), (&json!("unclassified"), &json!(true)));
}

#[test]
fn a_later_fail_is_of_the_same_defect_and_a_later_pass_is_counted() {
    let site = Site::new();
    write(&site, 0, "observed_condition", "pressure_low");
    write(&site, 0, "outcome", "fail");
    one_defect(&site, "the first session", |_| true);
    let session_id = open_session(&site.admin, &site.building_id);
    let next = Site { session_id, ..site.clone() };
    // The outcome first, as technicians write it.
    write(&next, 0, "outcome", "fail");
    one_defect(&site, "the second session", |defect| defect["observations"] == 2);
    write(&next, 0, "observed_condition", "pressure_low");
    let session_id = open_session(&site.admin, &site.building_id);
    let last = Site { session_id, ..site.clone() };
    write(&last, 0, "outcome", "pass");
    one_defect(&site, "the third session", |defect| {
        defect["passes_since"] == 1 && defect["observations"] == 2
    });
}

#[test]
fn late_work_is_provisional_until_a_manager_decides() {
    for (act, provisional, needs_review) in [("accept", false, false), ("reject", false, true)] {
        let site = Site::new();
        write(&site, 0, "observed_condition", "pressure_low");
        site.complete();
        site.send(&json!({"changes": [operation("tablet", "set", &format!("{}/outcome", site.items[0]), json!("fail"))]})).expect(200);
        one_defect(&site, "late", |defect| defect["provisional"] == true);
        eventually("it is counted", || (review(&site)["late"] == 1).then_some(()));
        site.admin.request("POST", &site.session(&format!("/late/{act}"))).send().expect(200);
        let decided = one_defect(&site, act, |defect| defect["provisional"] == provisional);
        assert_eq!(decided["needs_review"], needs_review, "{act}");
        eventually("it is no longer counted", || (review(&site)["late"] == 0).then_some(()));
    }
}

#[test]
fn held_work_is_counted_and_no_observation_until_it_is_merged() {
    let site = Site::new();
    let mut device = Device::of(&site);
    let missing = device.set(&site.items[0], "notes", "first");
    let held = device.set(&site.items[0], "outcome", "fail");
    site.send(&device.body(&[&held])).expect(200);
    eventually("it is counted", || (review(&site)["held"] == 1).then_some(()));
    assert_eq!((&review(&site)["has_held"], defects(&site).len()), (&json!(true), 0));
    site.send(&device.body(&[&missing])).expect(200);
    let defect = one_defect(&site, "it is merged", |_| true);
    eventually("nothing is held", || (review(&site)["has_held"] == false).then_some(()));
    let received = "select max(received_at) = $2::text::timestamptz from session_changes where session_id = $1::text::uuid";
    let is_known_since_then: bool =
        Stack::shared().sql().rows(received, &[&site.session_id, &defect["known_from"].as_str().unwrap()])[0]
            .get(0);
    assert!(is_known_since_then, "it was known when what it builds on had come: {defect}");
}

#[test]
fn nothing_that_happens_to_a_session_or_a_building_changes_a_defect() {
    let stack = Stack::start(&SETTINGS);
    let site = Site::on(&stack);
    let sql = stack.sql();
    write(&site, 0, "observed_condition", "pressure_low");
    write(&site, 0, "outcome", "fail");
    let classified = "select count(*) from defect_versions where organisation_id = $1 and classification = 'non_critical_defect'";
    eventually("it fails", || (sql.count(classified, &[&site.organisation.id]) == 1).then_some(()));
    let before = json_of(&sql, ALL, &site);
    for status in ["active", "completed", "active", "cancelled"] {
        site.set_status(status).expect(200);
    }
    site.admin.delete(&format!("/v1/buildings/{}", site.building_id)).expect(204);
    rebuild(&stack, " 0 rows differed");
    assert_eq!(json_of(&sql, ALL, &site), before);
}

/// Works everything out again, until that says what is wanted.
fn rebuild(stack: &Stack, says: &str) {
    let found = within(SOON, || {
        let output = command(stack.folder().path()).args(["project", "--rebuild"]).output().unwrap();
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        said.contains(says).then_some(())
    });
    assert!(found.is_some(), "a rebuild never says {says}");
}

#[test]
fn a_rebuild_gives_what_following_gave_and_mends_what_is_not_right() {
    let stack = Stack::start(&SETTINGS);
    let site = Site::on(&stack);
    let sql = stack.sql();
    write(&site, 0, "outcome", "fail");
    write(&site, 1, "outcome", "pass");
    let count = || {
        sql.count("select count(*) from defect_versions where organisation_id = $1", &[&site.organisation.id])
    };
    eventually("it is followed", || (count() == 1).then_some(()));
    let passes =
        || sql.count("select count(*) from item_passes where organisation_id = $1", &[&site.organisation.id]);
    eventually("it is followed", || (passes() == 1).then_some(()));
    let followed = json_of(&sql, ALL, &site);
    rebuild(&stack, " 0 rows differed");
    assert_eq!(json_of(&sql, ALL, &site), followed);
    for damage in [
        "delete from defect_versions",
        "delete from item_observations",
        "update item_passes set observed_at = now()",
        "delete from item_states where outcome = 'pass'",
        "update item_states set section = 14 where outcome = 'fail'",
        "update defect_versions set status = 'closed'",
    ] {
        sql.rows(damage, &[]);
        rebuild(&stack, " 1 rows differed");
        assert_eq!(json_of(&sql, ALL, &site), followed, "{damage}");
    }
}

#[test]
fn three_appliances_whose_workers_are_killed_come_to_the_same() {
    let first = Stack::start(&SETTINGS);
    let [second, third] = [first.beside(&SETTINGS), first.beside(&SETTINGS)];
    let site = Site::on(&first);
    let elsewhere = Site { admin: site.admin.clone(), ..site.clone() };
    let sql = first.sql();
    let began = Instant::now();
    thread::scope(|scope| {
        for (item, stack) in [(0, &first), (1, &second), (2, &third)] {
            let site = &elsewhere;
            scope.spawn(move || {
                for round in 0..12 {
                    write(site, item, "outcome", if round % 3 == 2 { "pass" } else { "fail" });
                    if round % 4 == 3 {
                        kill_hard(worker_of(stack));
                    }
                }
            });
        }
    });
    assert!(began.elapsed() < Duration::from_secs(60));
    let settled = "select count(*) from defect_versions
                   where organisation_id = $1 and known_to is null and superseded_by is not null";
    eventually("all of it is followed", || (sql.count(settled, &[&site.organisation.id]) == 3).then_some(()));
    let followed = json_of(&sql, ALL, &site);
    rebuild(&first, " 0 rows differed");
    assert_eq!(json_of(&sql, ALL, &site), followed);
}

#[test]
fn what_was_stored_before_defects_were_followed_is_from_history() {
    let stack = Stack::start(&SETTINGS);
    let site = Site::on(&stack);
    let sql = stack.sql();
    write(&site, 0, "outcome", "fail");
    let history = "select from_history from defects where organisation_id = $1";
    let is_from_history =
        || sql.rows(history, &[&site.organisation.id]).first().map(|row| row.get::<_, bool>(0));
    assert!(!eventually("it is followed", is_from_history));
    // As a database of an earlier release is.
    sql.batch(
        "delete from defect_versions; delete from defects; delete from defect_numbers; delete from item_observations;
         delete from session_reviews; delete from projection_place",
    );
    kill_hard(worker_of(&stack));
    assert!(eventually("it is found again", is_from_history));
    write(&site, 1, "outcome", "fail");
    let number = "select from_history from defects where organisation_id = $1 and number = 2";
    let is_new = eventually("another one", || {
        sql.rows(number, &[&site.organisation.id]).first().map(|row| !row.get::<_, bool>(0))
    });
    assert!(is_new, "what comes from then on is not");
}

#[test]
fn what_an_earlier_release_worked_out_without_states_is_worked_out_again() {
    let stack = Stack::start(&SETTINGS);
    let site = Site::on(&stack);
    let sql = stack.sql();
    write(&site, 0, "outcome", "fail");
    write(&site, 1, "outcome", "pass");
    let states =
        "select count(*) from item_states where organisation_id = $1 and known_to is null and outcome = $2";
    let stand = |outcome: &str| sql.count(states, &[&site.organisation.id, &outcome]);
    let are_there = || (["fail", "pass", "not_tested"].map(stand) == [1, 1, 1]).then_some(());
    eventually("they are followed", are_there);
    // A worker of that release has gone on with the session, after this one had gone through all of them.
    let is_filled = "select count(*) from projection_place where filled_up_to is null";
    eventually("all are gone through", || (sql.count(is_filled, &[]) == 1).then_some(()));
    sql.batch("delete from item_states; update session_reviews set read_up_to = '1:1:'");
    kill_hard(worker_of(&stack));
    eventually("they are worked out again", are_there);
}
