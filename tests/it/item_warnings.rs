//! Items that no rule covers, where they are written.

use serde_json::{Value, json};

use crate::support::Site;

fn asset(item_code: &str) -> Value {
    json!({"item_code": item_code, "section": 10, "label": "Extinguisher 3", "location": "Hall"})
}

#[test]
fn an_item_without_a_rule_is_taken_with_a_warning_that_names_similar_ones() {
    let site = Site::new();
    let assets = format!("/v1/buildings/{}/assets", site.building_id);
    let made = site.admin.post(&assets, &asset("EXT-PRESURE")).expect(201);
    let warnings = &made["warnings"];
    assert_eq!(
        (&warnings[0]["field"], &warnings[0]["near"]),
        (&json!("item_code"), &json!(["EXT-PRESSURE"]))
    );
    assert_eq!(site.admin.post(&assets, &asset("EXT-PRESSURE")).expect(201).json.get("warnings"), None);

    let rows = json!([asset("EXT-PRESSURE"), asset("EXT-PRESURE"), asset("NOTHING-LIKE-IT")]);
    let results = site.admin.post(&assets, &rows).expect(207)["results"].clone();
    assert_eq!((&results[0].get("warnings"), &results[1]["status"]), (&None, &json!(201)));
    assert_eq!(results[1]["warnings"][0]["near"], json!(["EXT-PRESSURE"]));
    assert_eq!(results[2]["warnings"][0]["near"], json!([]));

    let address = format!("{assets}/{}", made.id());
    let change = |body: Value| site.admin.patch(&address, &body).expect(200);
    assert_eq!(change(json!({"location": "Stairs"})).json.get("warnings"), None, "the code is the same");
    assert_eq!(change(json!({"item_code": "DOOR-LATCH"}))["warnings"][0]["near"], json!(["DOR-LATCH"]));
    assert_eq!(change(json!({"item_code": "DOR-LATCH"})).json.get("warnings"), None);

    let items = json!({"items": [{"label": "Door", "item_code": "DOR-LATCH"}, {"label": "Lamp", "item_code": "DOR-LATSH"}]});
    let added = site.admin.post(&site.session("/items"), &items).expect(201);
    assert_eq!(added["warnings"].as_array().map(Vec::len), Some(1));
    assert_eq!(added["warnings"][0]["field"], "items[1].item_code");
}

#[test]
fn a_strict_organisation_refuses_new_items_without_a_rule_and_leaves_old_ones_alone() {
    let site = Site::new();
    let assets = format!("/v1/buildings/{}/assets", site.building_id);
    let old = site.admin.post(&assets, &asset("EXT-PRESURE")).expect(201);
    site.admin.patch("/v1/organisation", &json!({"strict_item_codes": true})).expect(200);
    let refused = site.admin.post(&assets, &asset("EXT-PRESURE")).invalid(&["item_code"]);
    assert!(refused.text("/errors/0/message").contains("EXT-PRESSURE"), "{}", refused.json);
    let rows = json!([asset("EXT-PRESSURE"), asset("EXT-PRESURE")]);
    let results = site.admin.post(&assets, &rows).expect(207)["results"].clone();
    assert_eq!((&results[0]["status"], &results[1]["status"]), (&json!(201), &json!(422)));
    assert_eq!(results[1]["errors"][0]["field"], "item_code");

    let address = format!("{assets}/{}", old.id());
    site.admin.patch(&address, &json!({"location": "Stairs", "item_code": "EXT-PRESURE"})).expect(200);
    site.admin.patch(&address, &json!({"item_code": "EXT-BODI"})).invalid(&["item_code"]);
    let items = json!({"items": [{"label": "Lamp", "item_code": "EXT-PRESURE"}, {"asset_id": old.id()}]});
    site.admin.post(&site.session("/items"), &items).invalid(&["items[0].item_code"]);
    let of_asset = json!({"asset_id": old.id()});
    site.admin.post(&site.session("/items"), &of_asset).expect(201);
}
