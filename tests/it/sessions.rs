//! Test sessions.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::site::{new_building, open_session, operation};
use crate::support::{Site, Stack};

const SESSIONS: &str = "/v1/tests/sessions";

#[test]
fn a_session_has_an_item_for_each_asset() {
    let site = Site::new();
    let read = site.read();
    assert_eq!(read["status"], "pending");
    assert_eq!(read["building_id"], site.building_id);
    assert_eq!(read["item_count"], 3);
    assert_eq!(read["conflicts"], json!([]));
    assert_eq!(read["held"], json!([]));
    assert_eq!(read["late"], 0);
    assert_eq!(read["document"]["items"].as_object().unwrap().len(), 3);
    let item = &read["document"]["items"][&site.items[0]];
    for (field, value) in [
        ("asset_id", site.items[0].as_str()),
        ("item_code", "EXT-PRESSURE"),
        ("label", "Extinguisher 4"),
        ("location", "Level 1, east corridor"),
    ] {
        assert_eq!(item[field], value, "{field}");
    }
    assert_eq!(read["heads"].as_array().unwrap().len(), 1);
    assert_eq!(read["vector_clock"].as_object().unwrap().len(), 1);
    let again = site.read();
    assert_ne!(read["actor_id"], again["actor_id"], "each reader gets an actor of its own");
    assert!(read.text("/actor_id") < again.text("/actor_id"), "later ones sort after earlier ones");
}

#[test]
fn a_session_may_test_some_assets_only_and_names_what_it_cannot_test() {
    let site = Site::new();
    let technician = site.organisation.member(Stack::shared(), "technician");
    let body = json!({
        "building_id": site.building_id, "asset_ids": [site.items[1]], "name": "Monthly",
        "technician_id": technician.user_id,
    });
    let made = site.admin.post(SESSIONS, &body).expect(201);
    assert_eq!(made["item_count"], 1);
    assert_eq!(made["name"], "Monthly");
    assert_eq!(made["technician_id"], technician.user_id.to_string());
    let nobody = Uuid::now_v7();
    let bad = json!({
        "building_id": site.building_id, "asset_ids": [site.items[0], nobody], "technician_id": nobody,
    });
    site.admin.post(SESSIONS, &bad).invalid(&["asset_ids[1]", "technician_id"]);
    site.admin.post(SESSIONS, &json!({"building_id": nobody})).invalid(&["building_id"]);
    site.admin.post(SESSIONS, &json!({})).invalid(&["building_id"]);
    site.admin.delete(&format!("/v1/buildings/{}", site.building_id)).expect(204);
    site.admin.post(SESSIONS, &json!({"building_id": site.building_id})).invalid(&["building_id"]);
    assert_eq!(site.read()["item_count"], 3, "what is there stays");
}

#[test]
fn a_deactivated_asset_is_left_out_of_new_sessions() {
    let site = Site::new();
    let asset = format!("/v1/buildings/{}/assets/{}", site.building_id, site.items[0]);
    site.admin.delete(&asset).expect(204);
    let session = open_session(&site.admin, &site.building_id);
    assert_eq!(site.admin.get(&format!("{SESSIONS}/{session}")).expect(200)["item_count"], 2);
}

#[test]
fn filters_narrow_a_list() {
    let site = Site::new();
    let technician = site.organisation.member(Stack::shared(), "technician").user_id.to_string();
    let building = new_building(&site.admin);
    let assigned =
        site.admin.post(SESSIONS, &json!({"building_id": building, "technician_id": technician})).expect(201);
    let cancelled = open_session(&site.admin, &building);
    site.admin.patch(&format!("{SESSIONS}/{cancelled}"), &json!({"status": "cancelled"})).expect(200);
    let (at, assigned) = (assigned.text("/created_at"), assigned.id());
    let cases = [
        (String::new(), vec![&site.session_id, &assigned, &cancelled]),
        ("status=pending".into(), vec![&site.session_id, &assigned]),
        ("status=cancelled&status=active".into(), vec![&cancelled]),
        ("status=completed".into(), vec![]),
        (format!("building_id={building}"), vec![&assigned, &cancelled]),
        (format!("technician_id={technician}"), vec![&assigned]),
        (format!("date_from={at}&building_id={building}"), vec![&assigned, &cancelled]),
        (format!("date_to={at}"), vec![&site.session_id, &assigned]),
        (format!("date_from={at}&date_to={at}&status=pending"), vec![&assigned]),
        ("date_from=2100-01-01T00:00:00Z".into(), vec![]),
    ];
    for (query, wanted) in cases {
        let answer = site.admin.get(&format!("{SESSIONS}?{query}")).expect(200);
        let mut found: Vec<&str> = answer.data().iter().map(|row| row["id"].as_str().unwrap()).collect();
        found.reverse();
        assert_eq!(found, wanted, "{query}");
    }
}

#[test]
fn a_session_takes_its_steps_and_no_others() {
    let site = Site::new();
    let technician = site.organisation.member(Stack::shared(), "technician").client;
    let step = |status: &str| technician.patch(&site.session(""), &json!({"status": status}));
    step("completed").invalid(&["status"]);
    step("finished").invalid(&["status"]);
    assert_eq!(step("active").expect(200)["status"], "active");
    step("pending").invalid(&["status"]);
    assert_eq!(step("completed").expect(200)["status"], "completed");
    step("active").problem(403, "FIRE-403");
    step("cancelled").problem(403, "FIRE-403");
    let manager = site.organisation.member(Stack::shared(), "manager").client;
    let other = open_session(&site.admin, &site.building_id);
    for status in ["active", "completed", "cancelled"] {
        manager.patch(&format!("{SESSIONS}/{other}"), &json!({"status": status})).expect(200);
    }
    assert_eq!(site.set_status("active").expect(200)["status"], "active", "a manager may reopen");
    step("cancelled").expect(200);
    for status in ["pending", "active", "completed"] {
        site.set_status(status).invalid(&["status"]);
    }
    let path = format!("/v1/audit?resource_id={}", site.session_id);
    let acts = site.admin.get(&path).expect(200);
    let mut actions: Vec<&str> = acts.data().iter().map(|row| row["action"].as_str().unwrap()).collect();
    actions.reverse();
    let wanted =
        ["session.create", "session.activate", "session.complete", "session.reopen", "session.cancel"];
    assert_eq!(actions, wanted);
    assert_eq!(acts.data()[0]["before"]["status"], "active");
    assert_eq!(acts.data()[0]["after"]["status"], "cancelled");
}

#[test]
fn results_make_a_pending_session_active() {
    let site = Site::new();
    site.send(&json!({"changes": []})).expect(200);
    assert_eq!(site.read()["status"], "pending", "nothing is no result");
    let path = format!("{}/outcome", site.items[0]);
    site.send(&json!({"changes": [operation("tablet", "set", &path, json!("pass"))]})).expect(200);
    assert_eq!(site.read()["status"], "active");
}

#[test]
fn a_session_names_its_state_and_says_when_nothing_changed() {
    let site = Site::new();
    let read = |tag: &str| site.admin.request("GET", &site.session("")).header("if-none-match", tag).send();
    let tag = site.read().header("etag").to_owned();
    let same = read(&tag).expect(304);
    assert!(same.body.is_empty());
    assert_eq!(same.header("etag"), tag);
    let patch = |tag: &str, name: &str| {
        site.admin
            .request("PATCH", &site.session(""))
            .header("if-match", tag)
            .json(&json!({"name": name}))
            .send()
    };
    let path = format!("{}/notes", site.items[0]);
    site.send(&json!({"changes": [operation("tablet", "set", &path, json!("seen"))]})).expect(200);
    read(&tag).expect(200);
    patch(&tag, "Stale").problem(412, "FIRE-412");
    let now = site.read().header("etag").to_owned();
    let renamed = patch(&now, "Yearly").expect(200);
    assert_eq!(renamed["name"], "Yearly");
    assert_eq!(renamed.header("etag"), site.read().header("etag"));
    patch(&now, "Stale").problem(412, "FIRE-412");
    site.admin
        .patch(&site.session(""), &json!({"technician_id": Uuid::now_v7()}))
        .invalid(&["technician_id"]);
    site.admin.patch(&site.session(""), &json!({"state": "active"})).invalid(&["state"]);
}

#[test]
fn a_list_shows_what_is_merged_without_the_document() {
    let site = Site::new();
    let path = format!("{}/outcome", site.items[0]);
    let sent = site.send(&json!({"changes": [operation("tablet", "set", &path, json!("pass"))]})).expect(200);
    let list = site.admin.get(SESSIONS).expect(200);
    let row = &list.data()[0];
    assert_eq!(row["vector_clock"], sent["vector_clock"]);
    assert_eq!(row["heads"], sent["heads"]);
    assert_eq!(row["document"], Value::Null);
}
