//! Nothing that was acknowledged is hidden by what another device does to the object that holds it.

use serde_json::{Value, json};

use crate::support::site::{open_session, operation};
use crate::support::{Device, Site, Stack};

fn at_creation(site: &Site, operations: &[Value]) -> Value {
    json!({ "changes": operations, "vector_clock": site.read()["vector_clock"] })
}

#[test]
fn a_fail_outlives_its_item() {
    let site = Site::new();
    let item = site.items[0].clone();
    let place = format!("/items/{item}");
    let old = at_creation(&site, &[operation("phone", "set", &format!("{item}/outcome"), json!("fail"))]);
    let mut tablet = Device::of(&site);
    let replaced = tablet.replace_item(&item);
    site.send(&old).expect(200);
    let answer = site.send(&tablet.body(&[&replaced])).expect(200);
    for conflicts in [&answer["conflicts"], &site.read()["conflicts"]] {
        let conflict = &conflicts[0];
        assert_eq!((&conflict["path"], &conflict["needs_review"]), (&json!(place), &json!(true)));
        assert_eq!(conflict["values"].as_array().unwrap().len(), 2, "both whole values: {conflict}");
    }
    assert_eq!(site.item(&item)["outcome"], "fail");

    let settled = operation("desk", "set", &format!("{item}/outcome"), json!("pass"));
    site.send(&json!({ "changes": [settled] })).expect(200);
    assert_eq!(site.item(&item)["outcome"], "pass");
    assert_eq!(site.read()["conflicts"], json!([]));
}

#[test]
fn a_deleted_item_with_an_unseen_fail_is_a_prior_fault() {
    let site = Site::new();
    let item = site.items[0].clone();
    let old = at_creation(&site, &[operation("phone", "set", &format!("{item}/outcome"), json!("fail"))]);
    let gone = at_creation(&site, &[operation("tablet", "delete", &item, Value::Null)]);
    site.send(&gone).expect(200);
    site.send(&old).expect(200);
    let conflict = site.read()["conflicts"][0].clone();
    assert_eq!(conflict["values"][0]["deleted"], true, "{conflict}");
    let next = open_session(&site.admin, &site.building_id);
    assert_eq!(crate::bundle::prior_faults(&site.admin, &next)[0]["item_id"], json!(item));
}

#[test]
fn nobody_empties_a_session() {
    let site = Site::new();
    let stored = site.stored_changes(Stack::shared());
    let mut device = Device::of(&site);
    let harm = device.replace_all_items();
    let refused = site.send(&device.body(&[&harm])).problem(422, "FIRE-422-STRUCTURE");
    assert_eq!(refused.fields(), ["changes[0]"]);
    assert_eq!(site.stored_changes(Stack::shared()), stored);
}
