//! The audit log.

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::site::operation;
use crate::support::{Form, Site, Stack};

#[test]
fn every_act_of_the_path_is_on_record() {
    let site = Site::new();
    let path = format!("{}/outcome", site.items[0]);
    let sent = site.send(&json!({"changes": [operation("tablet", "set", &path, json!("fail"))]})).expect(200);
    Form::photo(&site.session_id, b"\xff\xd8\xff a photograph").upload(&site.admin).expect(201);
    site.admin.post("/v1/classify", &json!({"item_code": "X", "observed_condition": "y"})).expect(404);
    site.set_status("completed").expect(200);
    site.admin.delete(&format!("/v1/buildings/{}", site.building_id)).expect(204);

    let log = site.admin.get("/v1/audit?limit=100").expect(200);
    let mut acts: Vec<&str> = log.data().iter().map(|row| row["action"].as_str().unwrap()).collect();
    acts.reverse();
    let wanted = [
        "key.use",
        "auth.register",
        "key.use",
        "building.create",
        "asset.create",
        "asset.create",
        "asset.create",
        "session.create",
        "results.accept",
        "evidence.upload",
        "fault.classify",
        "session.complete",
        "building.deactivate",
    ];
    assert_eq!(acts, wanted);
    let user_id = json!(site.organisation.user_id);
    let actor = |row: &Value| if row["action"] == "key.use" { Value::Null } else { user_id.clone() };
    assert!(log.data().iter().all(|row| row["actor"] == actor(row)));

    let results = site.admin.get("/v1/audit?action=results.accept").expect(200);
    let act = &results.data()[0];
    assert_eq!(
        act["transaction_id"],
        sent.header("x-transaction-id"),
        "one request, one id, in both processes"
    );
    assert_eq!(act["resource"], json!({"type": "session", "id": site.session_id}));
    assert_eq!(act["after"]["accepted"], 1);
}

#[test]
fn filters_narrow_the_log() {
    let site = Site::new();
    let count = |query: &str| site.admin.get(&format!("/v1/audit?{query}")).expect(200).data().len();
    assert_eq!(count("resource_type=asset"), 3);
    assert_eq!(count(&format!("resource_id={}", site.items[0])), 1);
    assert_eq!(count(&format!("user_id={}", site.organisation.user_id)), 6);
    assert_eq!(count(&format!("user_id={}", uuid::Uuid::now_v7())), 0);
    assert_eq!(count("status=failure"), 0);
    assert_eq!(count("status=success&action=asset.create&limit=2"), 2);
    site.admin.get("/v1/audit?user_id=me&resource=x").invalid(&["user_id", "resource"]);
}

#[test]
fn the_leaf_says_what_the_columns_say_and_its_hash_is_that_of_a_merkle_tree() {
    let stack = Stack::shared();
    let site = Site::new();
    let sql =
        "select id::text, organisation_id::text, user_id::text, action, resource_type, resource_id, status,
                      transaction_id::text, before, after, leaf, leaf_hash,
                      to_char(created_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')
               from audit_log where organisation_id = $1";
    let rows = stack.sql().rows(sql, &[&site.organisation.id]);
    assert_eq!(rows.len(), 8);
    let listed = site.admin.get("/v1/audit").expect(200);
    for row in rows {
        let (leaf, leaf_hash): (Vec<u8>, Vec<u8>) = (row.get(10), row.get(11));
        let recomputed = Sha256::new().chain_update([0]).chain_update(&leaf).finalize();
        assert_eq!(leaf_hash, recomputed.to_vec());
        let text = |column: usize| row.get::<_, Option<String>>(column);
        let json = |column: usize| row.get::<_, Option<Value>>(column);
        let said: Value = serde_json::from_slice(&leaf).unwrap();
        let wanted = json!({
            "v": 1, "id": text(0), "organisation_id": text(1), "actor_user_id": text(2), "action": text(3),
            "resource_type": text(4), "resource_id": text(5), "status": text(6), "transaction_id": text(7),
            "before": json(8), "after": json(9), "at": text(12),
        });
        assert_eq!(said, wanted);
        // Canonical form (RFC 8785): no space between the members, and those in order.
        let written = String::from_utf8(leaf).unwrap();
        assert!(written.starts_with(r#"{"action":""#), "{written}");
        let seen = listed.data().iter().find(|entry| entry["id"] == said["id"]).unwrap();
        assert_eq!(seen["leaf_hash"], HEXLOWER.encode(&leaf_hash));
    }
}

#[test]
fn nobody_rewrites_the_record_not_even_its_owner() {
    const RESTRICT_VIOLATION: &str = "23001";
    const CHECK_VIOLATION: &str = "23514";
    let site = Site::new();
    let sql = Stack::shared().sql();
    for table in ["audit_log", "session_changes"] {
        let column = if table == "audit_log" { "action" } else { "device" };
        let organisation = [&site.organisation.id as &(dyn tokio_postgres::types::ToSql + Sync)];
        let update = format!("update {table} set {column} = 'x' where organisation_id = $1");
        assert_eq!(sql.refusal(&update, &organisation), RESTRICT_VIOLATION);
        let delete = format!("delete from {table} where organisation_id = $1");
        assert_eq!(sql.refusal(&delete, &organisation), RESTRICT_VIOLATION);
        let truncate = format!("truncate {table} cascade");
        assert_eq!(sql.refusal(&truncate, &[]), RESTRICT_VIOLATION);
    }
    let forged = "insert into audit_log (id, organisation_id, action, resource_type, status, transaction_id, leaf,
                                         leaf_hash, created_at)
                  values (gen_random_uuid(), $1, 'x', 'x', 'success', gen_random_uuid(), 'x', sha256('x'), now())";
    assert_eq!(sql.refusal(forged, &[&site.organisation.id]), CHECK_VIOLATION);
    assert_eq!(site.admin.get("/v1/audit").expect(200).data().len(), 8);
}

#[test]
fn personal_data_is_not_in_the_log() {
    let site = Site::new();
    let log = site.admin.get("/v1/audit?limit=100").expect(200).json.to_string();
    for personal in [site.organisation.email.as_str(), "Ada Example"] {
        assert!(!log.contains(personal), "{personal} is in {log}");
    }
}
