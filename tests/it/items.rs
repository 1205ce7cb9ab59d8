//! `POST /v1/tests/sessions/{id}/items`.

use serde_json::{Value, json};

use crate::support::{Answer, Device, Organisation, Site, Stack, new_key};

fn add(site: &Site, body: &Value) -> Answer {
    site.admin.post(&site.session("/items"), body)
}

/// An asset that the session of the site does not test.
fn new_asset(site: &Site) -> String {
    let asset =
        json!({"item_code": "EXT-PRESSURE", "section": 10, "label": "Extinguisher 9", "location": "Roof"});
    site.admin.post(&format!("/v1/buildings/{}/assets", site.building_id), &asset).expect(201).id()
}

#[test]
fn items_become_part_of_the_document() {
    let site = Site::new();
    let asset = new_asset(&site);
    let body = json!({"items": [
        {"asset_id": asset, "location": "Roof, plant room"},
        {"id": "door-9", "label": "Fire door 9", "data": {"rating": "-/120/30", "leaves": [1, 2]}},
        {},
    ]});
    let added = add(&site, &body).expect(201);
    assert_eq!((&added["item_count"], &added["late"]), (&json!(6), &json!(0)));
    let ids: Vec<String> = (0..3).map(|index| added.text(&format!("/items/{index}/id"))).collect();
    assert_eq!((ids[0].as_str(), ids[1].as_str()), (asset.as_str(), "door-9"));
    let read = site.read();
    assert_eq!((&read["heads"], &read["item_count"]), (&added["heads"], &added["item_count"]));
    let items = &read["document"]["items"];
    let complete = json!({"asset_id": asset, "item_code": "EXT-PRESSURE", "label": "Extinguisher 9",
                          "location": "Roof, plant room", "evidence": {}, "measurements": {}});
    assert_eq!(items[&asset], complete, "what is left out comes from the asset");
    assert_eq!(items["door-9"]["data"], json!({"rating": "-/120/30", "leaves": [1, 2]}));
    assert_eq!(items[&ids[2]], json!({"evidence": {}, "measurements": {}}));

    let one = add(&site, &json!({"label": "Fire door 10"})).expect(201);
    assert_eq!(one["items"].as_array().unwrap().len(), 1);
    let mut device = Device::of(&site);
    let change = device.set("door-9", "outcome", "fail");
    site.send(&device.body(&[&change])).expect(200);
    assert_eq!(site.item("door-9")["outcome"], "fail", "the library knows the items");
    assert_eq!(site.read()["status"], "active");
    // The items of the session's creation, those of both requests by one actor, and the device.
    assert_eq!(site.read()["vector_clock"].as_object().unwrap().len(), 3);
    let acts = site.admin.get("/v1/audit?action=session.add_items").expect(200);
    assert_eq!(acts.data().len(), 2);
    assert_eq!(acts.data()[1]["after"]["items"], json!(ids));
}

#[test]
fn the_data_of_an_item_is_json_of_any_kind() {
    let site = Site::new();
    let nested = (0..32).fold(json!("end"), |inner, _| json!([inner]));
    let kinds = [
        json!(null),
        json!(false),
        json!(-7),
        json!(2.5),
        json!("text"),
        json!([]),
        json!([1, {"a": [null]}]),
        json!({}),
        nested,
    ];
    let item = |(index, data): (usize, &Value)| json!({"id": index.to_string(), "data": data});
    let items: Vec<Value> = kinds.iter().enumerate().map(item).collect();
    add(&site, &json!({ "items": items })).expect(201);
    add(&site, &json!({"id": "alone", "data": null})).expect(201);
    add(&site, &json!({"id": "without"})).expect(201);
    for (index, data) in kinds.iter().enumerate() {
        assert_eq!(site.item(&index.to_string()), json!({"data": data, "evidence": {}, "measurements": {}}));
    }
    assert_eq!(site.item("alone"), json!({"data": null, "evidence": {}, "measurements": {}}));
    assert_eq!(site.item("without"), json!({"evidence": {}, "measurements": {}}));
    assert_eq!(site.read()["quarantined"], json!([]));
}

#[test]
fn an_item_that_is_there_already_is_a_conflict_and_nothing_is_added() {
    let site = Site::new();
    let stored = site.stored_changes(Stack::shared());
    let answer = add(&site, &json!({"items": [{"id": "new"}, {"asset_id": site.items[0]}]}));
    let answer = answer.problem(409, "FIRE-409-EXISTS");
    assert!(answer.text("/detail").contains("items[1].id"), "{}", answer.json);
    assert!(
        add(&site, &json!({"id": site.items[0]}))
            .problem(409, "FIRE-409-EXISTS")
            .text("/detail")
            .starts_with("id:")
    );
    assert_eq!(site.stored_changes(Stack::shared()), stored);
    add(&site, &json!({"id": "new"})).expect(201);
}

#[test]
fn a_body_that_is_not_valid_names_each_field() {
    let site = Site::new();
    let stranger = new_asset(&Site::new());
    let deep = (0..70).fold(json!(1), |inner, _| json!({ "in": inner }));
    for (body, fields) in [
        (json!({"items": []}), vec!["items"]),
        (json!({"items": {}}), vec!["items"]),
        (json!([]), vec!["(body)"]),
        (json!({"items": [{"colour": "red"}]}), vec!["items[0].colour"]),
        (json!({"colour": "red"}), vec!["colour"]),
        (json!({"items": [{"id": ""}, {"label": "x".repeat(201)}]}), vec!["items[0].id", "items[1].label"]),
        (
            json!({"items": [{"asset_id": stranger}, {"id": "a"}, {"id": "a"}]}),
            vec!["items[0].asset_id", "items[2].id"],
        ),
        (json!({"asset_id": stranger}), vec!["asset_id"]),
        (json!({"data": deep}), vec!["data"]),
        (json!({"items": [{}, {"data": [deep]}]}), vec!["items[1].data"]),
        (json!({"items": [{}], "session": "x"}), vec!["session"]),
    ] {
        add(&site, &body).invalid(&fields);
    }
    let other = Organisation::register(Stack::shared()).admin;
    other.post(&site.session("/items"), &json!({})).problem(404, "FIRE-404");
    let auditor = site.organisation.member(Stack::shared(), "auditor").client;
    auditor.post(&site.session("/items"), &json!({})).problem(403, "FIRE-403");
    assert_eq!(site.read()["item_count"], 3);
}

#[test]
fn a_retry_adds_nothing_twice() {
    let site = Site::new();
    let key = new_key();
    let send =
        || site.admin.request("POST", &site.session("/items")).key(&key).json(&json!({"label": "x"})).send();
    let first = send().expect(201);
    let again = send().expect(201);
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.json, first.json);
    assert_eq!(site.read()["item_count"], 4);
}

#[test]
fn items_for_a_completed_session_wait_for_a_manager() {
    let site = Site::new();
    let technician = site.organisation.member(Stack::shared(), "technician").client;
    let path = site.session("/items");
    technician.post(&path, &json!({"id": "before"})).expect(201);
    site.complete();
    let heads = site.read()["heads"].clone();
    for id in ["late-1", "late-2"] {
        let late = technician.post(&path, &json!({ "id": id })).expect(201);
        assert_eq!((&late["late"], &late["heads"], &late["item_count"]), (&json!(1), &heads, &json!(4)));
    }
    technician.post(&path, &json!({"id": "late-1"})).problem(409, "FIRE-409-EXISTS");
    assert_eq!(site.read()["late"], 2);
    site.set_status("active").expect(200);
    technician.post(&path, &json!({"id": "after"})).expect(201);
    site.admin.request("POST", &site.session("/late/accept")).send().expect(200);
    let read = site.read();
    assert_eq!(
        (&read["item_count"], &read["held"], &read["quarantined"]),
        (&json!(7), &json!([]), &json!([]))
    );
    site.set_status("cancelled").expect(200);
    technician.post(&path, &json!({})).problem(409, "FIRE-409-CANCELLED");
}

#[test]
fn many_items_at_once_from_many_sides_are_all_there() {
    let site = Site::new();
    let text = "x".repeat(800);
    std::thread::scope(|threads| {
        for side in 0..6 {
            let (site, text) = (&site, &text);
            threads.spawn(move || {
                let item = |index: usize| json!({"id": format!("{side}-{index}"), "data": {"note": text}});
                let items: Vec<Value> = (0..150).map(item).collect();
                add(site, &json!({ "items": items })).expect(201);
            });
        }
    });
    let read = site.read();
    assert_eq!(read["item_count"], 3 + 6 * 150);
    assert_eq!(read["conflicts"], json!([]));
    let bundle = site.admin.get(&site.session("/offline_bundle")).expect(200);
    assert_eq!(bundle["data"]["items"].as_object().unwrap().len(), 903);
}
