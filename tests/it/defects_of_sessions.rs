//! Defects that follow from failed items, and what people do about them: from the results of devices to the lists of a manager and the next
//! technician's bundle.

use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::defect_acts::{address, rfc3339, step};
use crate::support::site::{open_session, operation};
use crate::support::{Client, Site, Stack, eventually};

/// The defects of an asset once there are so many that a test asks for.
fn defects_of(client: &Client, asset_id: &str, are_there: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    eventually("the defects follow", || {
        let list = client.get("/v1/defects?limit=100&sort=age").expect(200);
        let of_asset = |row: &&Value| row["asset_id"] == asset_id;
        let found: Vec<Value> = list.data().iter().filter(of_asset).cloned().collect();
        are_there(&found).then_some(found)
    })
}

fn one(client: &Client, asset_id: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let mut defects = defects_of(client, asset_id, |defects| matches!(defects, [defect] if is_so(defect)));
    defects.remove(0)
}

/// What a device says of an item.
fn finding(device: &str, item: &str, outcome: &str, condition: Option<&str>) -> Value {
    let path = |name: &str| format!("{item}/{name}");
    let outcome = operation(device, "set", &path("outcome"), json!(outcome));
    let condition =
        condition.map(|condition| operation(device, "set", &path("observed_condition"), json!(condition)));
    let changes: Vec<_> = [outcome].into_iter().chain(condition).collect();
    json!({ "changes": changes })
}

fn send(client: &Client, session_id: &str, body: &Value) {
    let path = format!("/v1/tests/sessions/{session_id}/results");
    client.request("POST", &path).key(&crate::support::new_key()).json(body).send().expect(200);
}

#[test]
fn one_fault_in_three_sessions_is_one_defect_with_three_observations() {
    let site = Site::new();
    let (admin, item) = (&site.admin, site.items[0].as_str());
    let sessions = [
        site.session_id.clone(),
        open_session(admin, &site.building_id),
        open_session(admin, &site.building_id),
    ];
    for (session, device) in sessions.iter().zip(["tablet-1", "tablet-2", "tablet-1"]) {
        send(admin, session, &finding(device, item, "fail", Some("pressure_low")));
    }
    let defect = one(admin, item, |defect| defect["observations"] == 3);
    let wanted = [
        ("classification", json!("non_critical_defect")),
        ("condition", json!("pressure_low")),
        ("source", json!("result")),
        ("status", json!("open")),
        ("section", json!(10)),
        ("from_history", json!(false)),
    ];
    for (field, value) in wanted {
        assert_eq!(defect[field], value, "{field}: {defect}");
    }
    assert!(defect["rule"]["code"].is_string(), "{defect}");
    let path = address(defect["id"].as_str().unwrap());
    let seen = admin.get(&format!("{path}/observations")).expect(200);
    let mut seen_in: Vec<&str> = seen.data().iter().map(|row| row["session_id"].as_str().unwrap()).collect();
    seen_in.sort_unstable();
    let mut wanted: Vec<&str> = sessions.iter().map(String::as_str).collect();
    wanted.sort_unstable();
    assert_eq!(seen_in, wanted);
    assert!(seen.data().iter().all(|row| row["classification"] == "non_critical_defect"));
    let history = admin.get(&format!("{path}/history?limit=100")).expect(200);
    assert!(history.data().iter().any(|row| row["kind"] == "observation"));
}

#[test]
fn what_fails_and_passes_then_waits_for_a_manager() {
    let site = Site::new();
    let (admin, item) = (&site.admin, site.items[1].as_str());
    send(admin, &site.session_id, &finding("tablet", item, "fail", Some("will_not_latch")));
    one(admin, item, |_| true);
    send(admin, &site.session_id, &finding("tablet", item, "pass", None));
    let defect = one(admin, item, |defect| defect["superseded_by"].is_string());
    assert_eq!((&defect["needs_review"], &defect["status"]), (&json!(true), &json!("open")));
    let id = defect["id"].as_str().unwrap();
    let repaired = step(admin, id, &json!({"to": "repaired", "reason": "Strike adjusted on the spot."}));
    assert_eq!(repaired.expect(200)["status"], "repaired");
}

#[test]
fn a_late_fault_is_provisional_until_a_manager_accepts_it() {
    let site = Site::new();
    let (admin, item) = (&site.admin, site.items[2].as_str());
    site.complete();
    send(admin, &site.session_id, &finding("tablet", item, "fail", Some("weeps")));
    let defect = one(admin, item, |_| true);
    assert_eq!(defect["provisional"], true, "{defect}");
    let listed = |query: &str| {
        let list = admin.get(&format!("/v1/tests/sessions?{query}")).expect(200);
        list.data().iter().any(|row| row["id"] == json!(site.session_id))
    };
    eventually("the session is to be reviewed", || listed("needs_review=true").then_some(()));
    admin.post(&site.session("/late/accept"), &json!({})).expect(200);
    one(admin, item, |defect| defect["provisional"] == false);
    admin.patch(&site.session(""), &json!({"status": "cancelled"})).expect(200);
    assert_eq!(
        one(admin, item, |_| true)["status"],
        "open",
        "a session that is cancelled takes nothing back"
    );
}

#[test]
fn a_fault_that_was_seen_after_the_defect_was_closed_is_another_defect() {
    let site = Site::new();
    let (admin, item) = (&site.admin, site.items[0].as_str());
    let manager = site.organisation.member(Stack::shared(), "manager").client;
    send(admin, &site.session_id, &finding("tablet", item, "fail", Some("pressure_low")));
    let first = one(admin, item, |_| true)["id"].as_str().unwrap().to_owned();
    step(&manager, &first, &json!({"to": "repaired", "reason": "Recharged."})).expect(200);
    step(admin, &first, &json!({"to": "verified"})).expect(200);
    step(admin, &first, &json!({"to": "closed"})).expect(200);
    let later = open_session(admin, &site.building_id);
    send(admin, &later, &finding("tablet", item, "fail", Some("pressure_low")));
    let both = defects_of(admin, item, |defects| defects.len() == 2);
    let statuses: Vec<&Value> = both.iter().map(|defect| &defect["status"]).collect();
    assert_eq!(statuses, ["closed", "open"]);
    // The closed one is not taken up again beside it.
    step(admin, &first, &json!({"to": "open", "reason": "x"})).problem(409, "FIRE-409-EXISTS");
}

#[test]
fn the_next_bundle_has_the_open_defects_and_names_nobody() {
    let site = Site::new();
    let (admin, item) = (&site.admin, site.items[0].as_str());
    send(admin, &site.session_id, &finding("tablet", item, "fail", Some("pressure_low")));
    let defect = one(admin, item, |_| true);
    let id = defect["id"].as_str().unwrap();
    let deferral =
        json!({"to": "deferred", "until": "2099-01-01", "accepted_by": "Olive Owner", "reason": "x"});
    step(admin, id, &deferral).expect(200);
    let later = open_session(admin, &site.building_id);
    let bundle = |query: &str| {
        let path = format!("/v1/tests/sessions/{later}/offline_bundle{query}");
        admin.get(&path).expect(200)
    };
    let whole = bundle("");
    let open = &whole["data"]["defects"][0];
    assert_eq!((&open["id"], &open["status"]), (&json!(id), &json!("deferred")));
    assert_eq!(whole["data"]["left_out"]["defects"], 0);
    assert!(!whole.json.to_string().contains("Olive"), "{open}");
    let count = |bundle: &Value| bundle["data"]["defects"].as_array().unwrap().len();
    assert_eq!(count(&bundle(&format!("?asset_id={item}")).json), 1);
    assert_eq!(count(&bundle(&format!("?asset_id={}", site.items[1])).json), 0);
    step(admin, id, &json!({"to": "withdrawn", "reason": "x"})).expect(200);
    assert_eq!(count(&bundle("").json), 0);
}

#[test]
fn sessions_are_found_by_what_is_to_be_looked_at() {
    let site = Site::new();
    let admin = &site.admin;
    let quiet = open_session(admin, &site.building_id);
    let ids = |query: &str| {
        let list = admin.get(&format!("/v1/tests/sessions?{query}")).expect(200);
        list.data().iter().map(|row| row["id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids("has_held=true"), Vec::<Value>::new());
    // Two devices, of which neither has seen the other.
    let clock = site.read()["vector_clock"].clone();
    for (device, outcome) in [("tablet-1", "pass"), ("tablet-2", "fail")] {
        let mut body = finding(device, &site.items[0], outcome, None);
        body["vector_clock"] = clock.clone();
        send(admin, &site.session_id, &body);
    }
    eventually("the conflict is to be reviewed", || {
        (ids("needs_review=true") == [json!(site.session_id)]).then_some(())
    });
    assert!(ids("needs_review=false").contains(&json!(quiet)));
    assert!(!ids("needs_review=false").contains(&json!(site.session_id)));
    assert_eq!(ids("needs_review=true&has_held=true"), Vec::<Value>::new());
    let defect = one(admin, &site.items[0], |_| true);
    assert_eq!((&defect["classification"], &defect["needs_review"]), (&json!("unclassified"), &json!(true)));
    admin.get("/v1/tests/sessions?needs_review=maybe").invalid(&["needs_review"]);
}

#[test]
fn a_repair_that_did_not_hold_is_taken_up_again_by_a_manager() {
    let site = Site::new();
    let (admin, item) = (&site.admin, site.items[0].as_str());
    admin.patch("/v1/organisation", &json!({"allow_own_verification": true})).expect(200);
    send(admin, &site.session_id, &finding("tablet-1", item, "fail", Some("pressure_low")));
    let id = one(admin, item, |_| true)["id"].as_str().unwrap().to_owned();
    let repaired = json!({"to": "repaired", "reason": "Refilled."});
    let mut repairs = Vec::new();
    for status in ["repaired", "verified"] {
        step(admin, &id, &repaired).expect(200);
        if status == "verified" {
            step(admin, &id, &json!({"to": "verified"})).expect(200);
        }
        let before = admin.get(&address(&id)).expect(200);
        assert_eq!((&before["status"], &before["needs_review"]), (&json!(status), &json!(false)));
        let session = open_session(admin, &site.building_id);
        send(admin, &session, &finding("tablet-2", item, "fail", Some("pressure_low")));
        let failed = one(admin, item, |defect| defect["needs_review"] == true);
        assert_eq!((&failed["id"], &failed["status"]), (&json!(id), &json!(status)), "a person decides");

        let now = rfc3339(OffsetDateTime::now_utc());
        let technician = site.organisation.member(Stack::shared(), "technician").client;
        let again = json!({"to": "acknowledged", "reason": "It fails again."});
        step(&technician, &id, &again).problem(403, "FIRE-403");
        step(admin, &id, &json!({"to": "acknowledged"})).invalid(&["reason"]);
        let taken_up = step(admin, &id, &again).expect(200);
        assert_eq!((&taken_up["status"], &taken_up["needs_review"]), (&json!("acknowledged"), &json!(false)));
        for of_repair in ["repaired_at", "repaired_by", "verified_by", "scheduled_for"] {
            assert_eq!(taken_up[of_repair], Value::Null, "{of_repair}");
        }
        let then = admin.get(&format!("{}?as_of={now}", address(&id))).expect(200);
        assert_eq!((&then["status"], &then["repaired_at"]), (&json!(status), &before["repaired_at"]));
        repairs.push(before["repaired_at"].clone());
        let day = json!({"to": "repair_scheduled", "scheduled_for": "2099-03-01"});
        assert_eq!(step(admin, &id, &day).expect(200)["scheduled_for"], "2099-03-01");
    }
    let last = step(admin, &id, &repaired).expect(200);
    assert!(!repairs.contains(&last["repaired_at"]));
    step(admin, &id, &json!({"to": "verified"})).expect(200);
    assert_eq!(step(admin, &id, &json!({"to": "closed"})).expect(200)["observations"], 3);
}
