//! Prepared statements that the database plans in another way than it did, because somebody has changed a table under them.

use serde_json::{Value, json};

use crate::support::site::operation;
use crate::support::{Site, Stack, new_key};

#[test]
fn a_statement_whose_columns_have_changed_is_prepared_again_within_the_request() {
    let stack = Stack::start(&[]);
    let site = Site::on(&stack);
    let sql = stack.sql();
    let building = format!("/v1/buildings/{}", site.building_id);
    let send = |value: &str| {
        let path = format!("{}/notes", site.items[0]);
        site.send(&json!({"changes": [operation("tablet", "set", &path, json!(value))]})).expect(200)
    };
    let act = |round: usize| {
        let name = format!("House {round}");
        site.admin.get(&building).expect(200);
        site.admin.get("/v1/buildings").expect(200);
        send(&name);
        site.admin.patch(&building, &json!({"site_name": name})).expect(200);
    };
    // All connections know the statements.
    (0..10).for_each(act);
    let columns = ["buildings alter column building_class", "idempotency_keys alter column answer"];
    let types = [["varchar(50)", "jsonb using answer::jsonb"], ["text", "json using answer::json"]];
    for (round, types) in types.iter().enumerate() {
        for (column, new) in columns.iter().zip(types) {
            sql.batch(&format!("alter table {column} type {new}"));
            act(round);
        }
    }
    // The other way about: what writes comes first.
    sql.batch("alter table idempotency_keys alter column answer type jsonb using answer::jsonb");
    send("written first");
    sql.batch("alter table buildings alter column building_class type varchar(40)");
    site.admin.patch(&building, &json!({"site_name": "patched first"})).expect(200);
    assert_eq!(site.item(&site.items[0])["notes"], "written first");
}

#[test]
fn an_act_of_which_a_later_statement_is_stale_runs_again() {
    let stack = Stack::start(&[]);
    let site = Site::on(&stack);
    let sql = stack.sql();
    let send = |path: &str, body: Value| {
        site.admin.request("POST", path).key(&new_key()).json(&body).send().expect(201);
    };
    let items = site.session("/items");
    let act = |name: &str| {
        send("/v1/buildings", json!({"site_name": name, "site_address": "1 Quay Street"}));
        send(&items, json!({"label": name}));
    };
    // All connections know the statements. The key's come first, so that each of the others is a later one.
    (0..10).for_each(|round| act(&format!("House {round}")));
    for (round, new) in ["varchar(200)", "text"].iter().enumerate() {
        for (table, column) in [("buildings", "building_class"), ("session_changes", "device")] {
            sql.batch(&format!("alter table {table} alter column {column} type {new}"));
            act(&format!("{table} {round}"));
        }
    }
    let buildings = sql.count("select count(*) from buildings", &[]);
    assert_eq!(buildings, 1 + 10 + 4, "each act has happened once");
    assert_eq!(site.read()["item_count"], site.items.len() + 10 + 4);
}
