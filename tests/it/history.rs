//! Who changed what, the session as it was, and what is stuck.

use serde_json::{Value, json};

use crate::support::site::operation;
use crate::support::{Device, Site, Stack, base64};

fn history(site: &Site, query: &str) -> Vec<Value> {
    site.admin.get(&site.session(&format!("/history?{query}"))).expect(200).data().to_vec()
}

/// The whole history, page by page.
fn all_pages(site: &Site, limit: usize) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut next = site.session(&format!("/history?limit={limit}"));
    loop {
        let page = site.admin.get(&next).expect(200);
        rows.extend(page.data().to_vec());
        let Some(cursor) = page["next_cursor"].as_str() else { return rows };
        next = site.session(&format!("/history?limit={limit}&cursor={cursor}"));
    }
}

fn at(site: &Site, clock: &Value) -> Value {
    let encoded = base64(clock.to_string().as_bytes()).replace('+', "-").replace('/', "_");
    site.admin.get(&site.session(&format!("?at={}", encoded.trim_end_matches('=')))).expect(200).json
}

#[test]
fn the_history_tells_who_changed_what() {
    let site = Site::new();
    let item = &site.items[0];
    let technician = site.organisation.member(Stack::shared(), "technician");
    let path = format!("{item}/outcome");
    let note = json!({"changes": [
        operation("tablet", "set", &path, json!("pass")),
        operation("tablet", "set", &format!("{item}/measurements"), json!({"pressure_kpa": 1200, "ok": [true]})),
    ]});
    site.send_as(&technician.client, &note).expect(200);
    let mut device = Device::of(&site);
    let text = device.set_text(item, "notes", "pin replaced");
    site.send(&device.body(&[&text])).expect(200);

    let entries = history(&site, "");
    assert_eq!(entries.len(), 3);
    let (text, note, creation) = (&entries[0], &entries[1], &entries[2]);
    assert_eq!(text["hash"], json!(device.heads()[0]));
    assert_eq!(
        (&text["actor"], &text["seq"], &text["device"]),
        (&json!(device.actor()), &json!(1), &Value::Null)
    );
    assert_eq!(text["user_id"], json!(site.organisation.user_id));
    let place = format!("/items/{item}");
    let touch = |field: &str, value: Value| json!({"path": format!("{place}/{field}"), "action": "set", "value": value});
    assert_eq!(text["touched"], json!([touch("notes", json!("pin replaced"))]));
    assert_eq!((&note["device"], &note["user_id"]), (&json!("tablet"), &json!(technician.user_id)));
    assert_eq!(note["stated_at"], "2026-02-13T01:02:03Z");
    let measured = json!({"pressure_kpa": 1200, "ok": [true]});
    assert_eq!(note["touched"], json!([touch("outcome", json!("pass")), touch("measurements", measured)]));
    assert_eq!(
        (&note["standing"], &note["late"], &note["touched_more"]),
        (&json!("merged"), &Value::Null, &json!(false))
    );
    assert_eq!(creation["device"], "firemode-server");
    let paths: Vec<&str> =
        creation["touched"].as_array().unwrap().iter().map(|touch| touch["path"].as_str().unwrap()).collect();
    assert!(paths.contains(&place.as_str()), "{paths:?}");
}

#[test]
fn the_history_is_paged_and_has_what_is_not_merged() {
    let site = Site::new();
    let mut device = Device::of(&site);
    let first = device.set(&site.items[0], "outcome", "pass");
    let second = device.set(&site.items[0], "notes", "later");
    site.send(&device.body(&[&second])).expect(200);
    assert_eq!(history(&site, "")[0]["standing"], "held");
    site.send(&device.body(&[&first])).expect(200);
    site.complete();
    let path = format!("{}/notes", site.items[0]);
    let mut late = json!({"changes": [operation("tablet", "delete", &path, Value::Null)]});
    late["changes"][0].as_object_mut().unwrap().remove("value");
    site.send(&late).expect(200);
    let whole = history(&site, "");
    assert_eq!(whole.len(), 4);
    assert_eq!((&whole[0]["standing"], &whole[0]["late"]), (&json!("apart"), &json!("late")));
    let place = format!("/items/{}/notes", site.items[0]);
    assert_eq!(whole[0]["touched"], json!([{"path": place, "action": "delete"}]));
    assert!(whole[1..].iter().all(|entry| entry["standing"] == "merged"), "{whole:?}");
    assert_eq!(all_pages(&site, 1), whole);
    let other = Site::of(site.organisation.clone());
    let cursor = site.admin.get(&site.session("/history?limit=1")).expect(200).text("/next_cursor");
    site.admin.get(&other.session(&format!("/history?cursor={cursor}"))).problem(400, "FIRE-400-CURSOR");
}

#[test]
fn changes_of_one_moment_each_have_their_place() {
    let site = Site::new();
    let path = format!("{}/outcome", site.items[0]);
    let of_device = |device: usize| operation(&format!("tablet-{device}"), "set", &path, json!("pass"));
    site.send(&json!({"changes": (0..20).map(of_device).collect::<Vec<_>>()})).expect(200);
    let whole = history(&site, "limit=100");
    assert_eq!(whole.len(), 21);
    assert!(whole[..20].iter().all(|entry| entry["received_at"] == whole[0]["received_at"]));
    assert!(whole[..20].is_sorted_by(|one, next| one["hash"].as_str() > next["hash"].as_str()));
    for limit in [1, 7] {
        assert_eq!(all_pages(&site, limit), whole);
    }
}

#[test]
fn a_session_can_be_read_as_it_was() {
    let site = Site::new();
    let item = &site.items[0];
    let (mut one, mut two) = (Device::of(&site), Device::of(&site));
    let states = [
        site.read().json,
        {
            let pass = one.set(item, "outcome", "pass");
            site.send(&one.body(&[&pass])).expect(200);
            site.read().json
        },
        {
            let fail = two.set(item, "outcome", "fail");
            site.send(&two.body(&[&fail])).expect(200);
            site.read().json
        },
        {
            one.catch_up(&site);
            let settled = one.set(item, "outcome", "pass");
            site.send(&one.body(&[&settled])).expect(200);
            site.read().json
        },
    ];
    assert_eq!(states[2]["conflicts"].as_array().unwrap().len(), 1);
    for state in &states {
        let past = at(&site, &state["vector_clock"]);
        for member in ["document", "conflicts", "heads", "vector_clock", "held", "item_count"] {
            assert_eq!(past[member], state[member], "{member}");
        }
    }
    // A clock that names one writer's change has what that builds on.
    let clock = json!({one.actor(): 2});
    assert_eq!(at(&site, &clock)["vector_clock"], states[3]["vector_clock"]);
    let plain = clock.to_string().replace('"', "%22").replace('{', "%7B").replace('}', "%7D");
    let plain = site.admin.get(&site.session(&format!("?at={plain}"))).expect(200);
    assert_eq!(plain["document"], states[3]["document"]);
    assert_eq!(at(&site, &json!({}))["document"], json!({}), "before anything was seen");

    let refused = |clock: Value| {
        let encoded = base64(clock.to_string().as_bytes()).replace('+', "-").replace('/', "_");
        site.admin.get(&site.session(&format!("?at={encoded}"))).invalid(&["at"])
    };
    refused(json!({one.actor(): 3}));
    refused(json!({"ab": 1}));
    refused(json!({"not hex": 1}));
    refused(json!({one.actor(): 0}));
    refused(json!([]));
    site.admin.get(&site.session("?at=!")).invalid(&["at"]);
    site.admin.get(&site.session("?on=x")).invalid(&["on"]);
}

#[test]
fn nothing_is_stuck_unseen() {
    let site = Site::new();
    let mut device = Device::of(&site);
    let first = device.set(&site.items[0], "outcome", "pass");
    let waits_for = device.heads();
    let second = device.set(&site.items[0], "notes", "later");
    site.send(&device.body(&[&second])).expect(200);
    let technician = site.organisation.member(Stack::shared(), "technician");
    let path = format!("{}/outcome", site.items[1]);
    let note = json!({"changes": [operation("tablet", "set", &path, json!("fail"))]});
    site.send_as(&technician.client, &note).expect(200);

    let sync = site.admin.get(&site.session("/sync")).expect(200);
    let held = &sync["held"][0];
    assert_eq!((&sync["held_total"], &held["waits_for"]), (&json!(1), &json!(waits_for)));
    assert_eq!(
        (&held["hash"], &held["user_id"]),
        (&json!(device.heads()[0]), &json!(site.organisation.user_id))
    );
    let writers = sync["writers"].as_array().unwrap();
    assert_eq!((&sync["writers_total"], writers.len()), (&json!(3), 3));
    assert_eq!((&writers[0]["device"], &writers[0]["seq"]), (&json!("tablet"), &json!(1)));
    assert_eq!(writers[0]["user_id"], json!(technician.user_id));
    assert_eq!((&writers[1]["actor"], &writers[1]["seq"]), (&json!(device.actor()), &json!(2)));
    assert_eq!(writers[1]["last_seen_at"], held["since"]);
    assert_eq!((&sync["quarantined"], &sync["late"]), (&json!([]), &json!([])));

    site.send(&device.body(&[&first])).expect(200);
    site.set_status("completed").expect(200);
    site.send_as(&technician.client, &note).expect(200);
    let sync = site.admin.get(&site.session("/sync")).expect(200);
    assert_eq!(sync["held"], json!([]));
    let late = &sync["late"][0];
    assert_eq!(
        (&sync["late_total"], &late["state"], &late["decided_by"]),
        (&json!(1), &json!("late"), &Value::Null)
    );
    site.admin.request("POST", &site.session("/late/reject")).send().expect(200);
    let sync = site.admin.get(&site.session("/sync")).expect(200);
    assert_eq!(sync["late"][0]["state"], "rejected");
    assert_eq!(sync["late"][0]["decided_by"], json!(site.organisation.user_id));
    assert!(sync["late"][0]["decided_at"].is_string());
}

#[test]
fn a_device_with_a_clock_from_nowhere_harms_nobody() {
    let site = Site::new();
    let item = &site.items[0];
    let mut device = Device::of(&site);
    for seconds in [-62_167_219_200, -1, 253_402_300_800, 1 << 53] {
        let change = device.set_at(seconds, item, "notes", &format!("at {seconds}"));
        site.send(&device.body(&[&change])).expect(200);
    }
    let entries = history(&site, "");
    for told in &entries[..4] {
        assert_eq!((&told["stated_at"], &told["clock_suspect"]), (&Value::Null, &json!(true)), "{told}");
    }
    let note = operation("tablet", "set", &format!("{item}/notes"), json!("honest"));
    let seen = json!({"changes": [note], "vector_clock": Device::of(&site).seen});
    assert_eq!(site.send(&seen).expect(200)["conflicts"], json!([]));
    assert_eq!(history(&site, "")[0]["stated_at"], "2026-02-13T01:02:03Z");
}
