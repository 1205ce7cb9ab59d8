//! Changes that were sent to another session than the one that they belong to.

use serde_json::{Value, json};

use crate::support::device::change_hash;
use crate::support::site::{open_session, operation};
use crate::support::{Answer, Client, Device, Site, Stack, base64};

/// Another session of the same building.
fn sibling(site: &Site) -> Site {
    let session_id = open_session(&site.admin, &site.building_id);
    Site { session_id, ..site.clone() }
}

fn body(changes: &[&[u8]]) -> Value {
    json!({"changes": changes.iter().map(|change| base64(change)).collect::<Vec<_>>()})
}

/// A refusal that names a change and the session where it belongs.
fn belongs_to(answer: Answer, field: &str, session_id: &str) {
    let answer = answer.invalid(&[field]);
    assert!(answer.text("/detail").contains(session_id), "{}", answer.json);
}

/// Asserts that the one change waits, and may belong elsewhere.
fn waits(answer: &Answer, change: &[u8], waits_for: &str) {
    assert_eq!(answer["accepted"], 0);
    let held = &answer["held"][0];
    assert_eq!((&held["hash"], &held["waits_for"]), (&json!(change_hash(change)), &json!([waits_for])));
    assert_eq!(held["may_be_of_another_session"], true);
}

#[test]
fn a_change_for_another_session_that_its_user_knows_is_refused() {
    let right = Site::new();
    let wrong = sibling(&right);
    // Fetched, and nothing written yet: the change builds on the server's own first one.
    let technician = right.organisation.member(Stack::shared(), "technician").client;
    let mut device = Device::with_bundle(&technician, &right);
    let first = device.set(&right.items[0], "outcome", "pass");
    belongs_to(wrong.send_as(&technician, &body(&[&first])), "changes[0]", &right.session_id);

    // Read as JSON only.
    let reader = right.organisation.member(Stack::shared(), "technician").client;
    reader.get(&right.session("")).expect(200);
    belongs_to(wrong.send_as(&reader, &body(&[&first])), "changes[0]", &right.session_id);

    // Among others that belong here; then nothing of the request is taken.
    let stored = wrong.stored_changes(Stack::shared());
    let own = Device::with_bundle(&technician, &wrong).set(&wrong.items[1], "outcome", "fail");
    let second = device.set(&right.items[0], "notes", "dry");
    let mixed = json!({"changes": [
        operation("tablet", "set", &format!("{}/notes", wrong.items[2]), json!("x")),
        base64(&own), base64(&first), base64(&second),
    ]});
    belongs_to(wrong.send_as(&technician, &mixed), "changes[2]", &right.session_id);
    assert_eq!(wrong.stored_changes(Stack::shared()), stored);
    assert_eq!(wrong.read()["held"], json!([]));

    // Where it belongs it is taken, and so is the rest here.
    assert_eq!(right.send_as(&technician, &body(&[&first])).expect(200)["accepted"], 1);
    belongs_to(wrong.send_as(&technician, &body(&[&second])), "changes[0]", &right.session_id);
    assert_eq!(wrong.send_as(&technician, &body(&[&own])).expect(200)["accepted"], 1);

    // The same for work that comes late.
    wrong.complete();
    belongs_to(wrong.send_as(&technician, &body(&[&second])), "changes[0]", &right.session_id);
}

#[test]
fn whoever_wrote_to_a_session_knows_it() {
    let right = Site::new();
    let wrong = sibling(&right);
    let technician = right.organisation.member(Stack::shared(), "technician").client;
    let note = operation("tablet", "set", &format!("{}/notes", right.items[0]), json!("x"));
    right.send_as(&technician, &json!({"changes": [note]})).expect(200);
    let change = Device::of(&right).set(&right.items[0], "outcome", "pass");
    belongs_to(wrong.send_as(&technician, &body(&[&change])), "changes[0]", &right.session_id);
    // Without another process's memory: what is known of a user is in the database.
    let beside = Stack::shared().beside(&[]);
    let there = beside.client().with_token(technician.token());
    belongs_to(wrong.send_as(&there, &body(&[&change])), "changes[0]", &right.session_id);
}

#[test]
fn a_change_that_cannot_be_recognised_is_held_and_everybody_is_told() {
    let right = Site::new();
    let wrong = sibling(&right);
    let change = Device::of(&right).set(&right.items[0], "outcome", "pass");
    let dependency = right.read()["heads"][0].as_str().unwrap().to_owned();
    // Somebody who has never seen the session where it belongs.
    let stranger = right.organisation.member(Stack::shared(), "technician").client;
    let answer = wrong.send_as(&stranger, &body(&[&change])).expect(200);
    waits(&answer, &change, &dependency);
    let receipt = crate::receipts::receipt_of(&answer);
    let hash = json!([change_hash(&change)]);
    assert_eq!((&receipt["held"], &receipt["may_be_of_another_session"]), (&hash, &hash));
    assert_eq!(receipt["waits_for"], json!([dependency]));
    for held in [&wrong.read()["held"][0], &wrong.admin.get(&wrong.session("/sync")).expect(200)["held"][0]] {
        assert_eq!(
            (&held["waits_for"], &held["may_be_of_another_session"]),
            (&json!([dependency]), &json!(true))
        );
    }

    // Another organisation's sessions are none of its business, though its user has the same change.
    let elsewhere = Site::new();
    waits(&elsewhere.send(&body(&[&change])).expect(200), &change, &dependency);
}

#[test]
fn a_change_that_waits_for_one_of_its_own_session_is_not_suspected() {
    let site = Site::new();
    sibling(&site);
    let mut device = Device::of(&site);
    let [first, second, third] = ["a", "b", "c"].map(|text| device.set(&site.items[0], "notes", text));
    let answer = site.send(&body(&[&third, &second])).expect(200);
    let suspected = |held: &Value| -> Vec<(Value, Value)> {
        let held = held.as_array().unwrap();
        held.iter().map(|held| (held["hash"].clone(), held["may_be_of_another_session"].clone())).collect()
    };
    let mut wanted =
        vec![(json!(change_hash(&second)), json!(true)), (json!(change_hash(&third)), json!(false))];
    wanted.sort_by_key(|(hash, _)| hash.to_string());
    assert_eq!(suspected(&answer["held"]), wanted, "the third waits for the second, which is here");
    assert_eq!(suspected(&site.read()["held"]), wanted);
    assert_eq!(site.send(&body(&[&first])).expect(200)["held"], json!([]));
    assert_eq!(site.item(&site.items[0])["notes"], "c");
}

#[test]
fn the_last_sessions_of_a_user_are_known_and_no_more() {
    const KNOWN: usize = 64;
    let right = Site::new();
    let wrong = sibling(&right);
    let change = Device::of(&right).set(&right.items[0], "outcome", "pass");
    let refused = || belongs_to(wrong.send(&body(&[&change])), "changes[0]", &right.session_id);
    for _ in 0..KNOWN - 1 {
        sibling(&right);
    }
    refused();
    sibling(&right);
    let answer = wrong.send(&body(&[&change])).expect(200);
    assert_eq!(answer["held"][0]["may_be_of_another_session"], true);
    let sql = "select cardinality(session_ids)::int8 from recent_sessions where user_id = $1";
    assert_eq!(Stack::shared().sql().count(sql, &[&right.organisation.user_id]), KNOWN as i64);
}

/// Reading goes on where nothing can be noted.
#[test]
fn a_session_is_fetched_though_that_cannot_be_noted() {
    let stack = Stack::start(&[]);
    let site = Site::on(&stack);
    let reader: Client = site.organisation.member(&stack, "auditor").client;
    let sql = stack.sql();
    sql.batch("begin; lock table recent_sessions in access exclusive mode");
    reader.get(&site.session("")).expect(200);
    reader.get(&site.session("/offline_bundle")).expect(200);
    sql.batch("rollback");
}
