//! Prepared statements that the database plans in another way than it did, because somebody has changed a table under them.

use serde_json::json;

use crate::support::site::operation;
use crate::support::{Site, Stack};

#[test]
fn a_statement_whose_columns_have_changed_is_prepared_anew_within_the_request() {
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
    let columns = ["buildings alter column site_name", "idempotency_keys alter column answer"];
    let types = [["varchar(500)", "jsonb using answer::jsonb"], ["text", "json using answer::json"]];
    for (round, types) in types.iter().enumerate() {
        for (column, new) in columns.iter().zip(types) {
            sql.batch(&format!("alter table {column} type {new}"));
            act(round);
        }
    }
    // The other way about: what writes comes first.
    sql.batch("alter table idempotency_keys alter column answer type jsonb using answer::jsonb");
    send("written first");
    sql.batch("alter table buildings alter column site_name type varchar(400)");
    site.admin.patch(&building, &json!({"site_name": "patched first"})).expect(200);
    assert_eq!(site.item(&site.items[0])["notes"], "written first");
}
