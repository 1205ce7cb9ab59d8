//! The register of assets in a building.

use serde_json::{Value, json};

use crate::support::site::new_building;
use crate::support::{Client, Organisation, Stack};

fn asset() -> Value {
    json!({
        "item_code": "EXT-PRESSURE", "section": 10, "label": "Extinguisher 4", "location": "Level 1",
        "installed_on": "2021-03-01", "metadata": {"kg": 4.5},
    })
}

fn building() -> (Client, String) {
    let admin = Organisation::register(Stack::shared()).admin;
    let path = format!("/v1/buildings/{}/assets", new_building(&admin));
    (admin, path)
}

#[test]
fn an_asset_is_made_read_changed_and_deactivated() {
    let (admin, assets) = building();
    let made = admin.post(&assets, &asset()).expect(201);
    for (field, value) in asset().as_object().unwrap() {
        assert_eq!(made[field], *value, "{field}");
    }
    let path = format!("{assets}/{}", made.id());
    let read = admin.get(&path).expect(200);
    assert_eq!(read.json, made.json);
    let tag = read.header("etag").to_owned();
    let change = |tag: &str| {
        admin.request("PATCH", &path).header("if-match", tag).json(&json!({"label": "Extinguisher 5"})).send()
    };
    assert_eq!(change(&tag).expect(200)["label"], "Extinguisher 5");
    change(&tag).problem(412, "FIRE-412");
    admin
        .patch(&path, &json!({"section": 1, "label": "", "installed_on": "2021-02-30"}))
        .problem(422, "FIRE-422");
    admin.patch(&path, &json!({"section": 15, "label": ""})).invalid(&["section", "label"]);
    admin.delete(&path).expect(204);
    assert_eq!(admin.get(&path).expect(200)["is_active"], false);
    assert_eq!(admin.get(&format!("{assets}?is_active=true")).expect(200).data().len(), 0);
}

#[test]
fn a_list_answers_row_by_row_and_a_bad_row_stops_no_other() {
    let (admin, assets) = building();
    let mut bad = asset();
    bad["section"] = 1.into();
    bad["label"] = "".into();
    let mut unknown = asset();
    unknown["lable"] = "x".into();
    let answer = admin.post(&assets, &json!([asset(), bad, unknown, 7, asset()])).expect(207);
    let results = answer["results"].as_array().unwrap();
    let statuses: Vec<u64> = results.iter().filter_map(|row| row["status"].as_u64()).collect();
    assert_eq!(statuses, [201, 422, 422, 422, 201]);
    let indices: Vec<u64> = results.iter().filter_map(|row| row["index"].as_u64()).collect();
    assert_eq!(indices, [0, 1, 2, 3, 4]);
    let fields = |row: usize| {
        let errors = results[row]["errors"].as_array().unwrap();
        let mut fields: Vec<&str> = errors.iter().map(|error| error["field"].as_str().unwrap()).collect();
        fields.sort_unstable();
        fields
    };
    assert_eq!(fields(1), ["label", "section"]);
    assert_eq!(fields(2), ["lable"]);
    assert_eq!(admin.get(&assets).expect(200).data().len(), 2);
    admin.post(&assets, &json!([])).problem(422, "FIRE-422");
    admin.post(&assets, &json!("text")).problem(422, "FIRE-422");
}

#[test]
fn an_asset_belongs_to_its_building() {
    let (admin, assets) = building();
    let id = admin.post(&assets, &asset()).expect(201).id();
    let elsewhere = format!("/v1/buildings/{}/assets", new_building(&admin));
    admin.get(&format!("{elsewhere}/{id}")).problem(404, "FIRE-404");
    admin.delete(&format!("{elsewhere}/{id}")).problem(404, "FIRE-404");
    assert_eq!(admin.get(&elsewhere).expect(200).data().len(), 0);
    let nowhere = format!("/v1/buildings/{}/assets", uuid::Uuid::now_v7());
    admin.post(&nowhere, &asset()).problem(404, "FIRE-404");
    admin.get(&nowhere).problem(404, "FIRE-404");
}
