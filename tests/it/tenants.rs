//! No tenant sees or touches what is another's.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::site::operation;
use crate::support::{Client, Form, Organisation, Site, Stack, new_key};

const FOREIGN_KEY_VIOLATION: &str = "23503";

#[test]
fn another_tenants_objects_do_not_exist() {
    let site = Site::new();
    let evidence = Form::photo(&site.session_id, b"\xff\xd8\xff theirs").upload(&site.admin).expect(201);
    let stranger = Site::new();
    let (building, session) = (format!("/v1/buildings/{}", site.building_id), site.session(""));
    let asset = format!("{building}/assets/{}", site.items[0]);
    let evidence = format!("/v1/evidence/{}", evidence.text("/evidence_id"));
    let note = operation("tablet", "set", &format!("{}/notes", site.items[0]), json!("x"));
    for (method, path, body) in [
        ("GET", building.clone(), Value::Null),
        ("PATCH", building.clone(), json!({"site_name": "mine"})),
        ("DELETE", building.clone(), Value::Null),
        ("GET", format!("{building}/assets"), Value::Null),
        ("POST", format!("{building}/assets"), crate::support::site::register()),
        ("GET", asset.clone(), Value::Null),
        ("PATCH", asset.clone(), json!({"label": "mine"})),
        ("DELETE", asset, Value::Null),
        ("GET", session.clone(), Value::Null),
        ("PATCH", session.clone(), json!({"status": "cancelled"})),
        ("GET", format!("{session}/offline_bundle"), Value::Null),
        ("GET", format!("{session}/history"), Value::Null),
        ("GET", format!("{session}/sync"), Value::Null),
        ("GET", format!("{session}?at=%7B%7D"), Value::Null),
        ("POST", format!("{session}/items"), json!({})),
        ("POST", format!("{session}/results"), json!({"changes": [note]})),
        ("POST", format!("{session}/late/accept"), Value::Null),
        ("POST", format!("{session}/late/reject"), Value::Null),
        ("GET", evidence.clone(), Value::Null),
        ("GET", format!("{evidence}/content"), Value::Null),
        ("GET", format!("{evidence}/verify"), Value::Null),
    ] {
        let send = |client: &Client, path: &str| {
            let request = client.request(method, path).key(&new_key());
            if body.is_null() { request.send() } else { request.json(&body).send() }
        };
        let theirs = send(&stranger.admin, &path).problem(404, "FIRE-404");
        // Word for word what is said of something that never was.
        let unknown = path.replace(&site.building_id, &Uuid::now_v7().to_string());
        let unknown = unknown.replace(&site.session_id, &Uuid::now_v7().to_string());
        let nothing = send(&stranger.admin, &unknown).problem(404, "FIRE-404");
        assert_eq!(theirs["detail"], nothing["detail"], "{method} {path}");
    }
    Form::photo(&site.session_id, b"x").upload(&stranger.admin).problem(404, "FIRE-404");
    let body = json!({"building_id": site.building_id});
    stranger.admin.post("/v1/tests/sessions", &body).invalid(&["building_id"]);
    let body = json!({"building_id": stranger.building_id, "asset_ids": [site.items[0]]});
    stranger.admin.post("/v1/tests/sessions", &body).invalid(&["asset_ids[0]"]);
    let body = json!({"technician_id": site.organisation.user_id});
    stranger.admin.patch(&stranger.session(""), &body).invalid(&["technician_id"]);
    assert_eq!(site.read()["status"], "pending");
    assert_eq!(site.admin.get(&building).expect(200)["site_name"], "Harbour House");
}

#[test]
fn another_tenants_rows_are_in_no_list() {
    let site = Site::new();
    let stranger = Organisation::register(Stack::shared()).admin;
    for list in ["/v1/buildings", "/v1/tests/sessions"] {
        assert_eq!(stranger.get(list).expect(200).data().len(), 0, "{list}");
        assert_eq!(site.admin.get(list).expect(200).data().len(), 1, "{list}");
    }
    let by_building = format!("/v1/tests/sessions?building_id={}", site.building_id);
    assert_eq!(stranger.get(&by_building).expect(200).data().len(), 0);
    let own = stranger.get("/v1/audit").expect(200).data().len();
    assert_eq!(own, 1 + 2, "its own registration, and the keys that this took");
    let by_user = format!("/v1/audit?user_id={}", site.organisation.user_id);
    assert_eq!(stranger.get(&by_user).expect(200).data().len(), 0);
}

#[test]
fn a_reference_across_tenants_cannot_be_stored() {
    let stack = Stack::shared();
    let (site, stranger) = (Site::new(), Site::new());
    let (ours, theirs) = (site.organisation.clone(), stranger.organisation);
    let sql = stack.sql();
    let (building, session) = (uuid(&site.building_id), uuid(&site.session_id));
    let refused = |statement: &str, params: &[&(dyn tokio_postgres::types::ToSql + Sync)]| {
        assert_eq!(sql.refusal(statement, params), FOREIGN_KEY_VIOLATION, "{statement}");
    };
    refused(
        "insert into assets (id, organisation_id, building_id, item_code, section, label, location)
         values (gen_random_uuid(), $1, $2, 'X', 2, 'x', 'x')",
        &[&theirs.id, &building],
    );
    refused(
        "insert into test_sessions (id, organisation_id, building_id, name, created_by)
         values (gen_random_uuid(), $1, $2, 'x', $3)",
        &[&theirs.id, &building, &theirs.user_id],
    );
    refused(
        "insert into test_sessions (id, organisation_id, building_id, name, created_by)
         values (gen_random_uuid(), $1, $2, 'x', $3)",
        &[&ours.id, &building, &theirs.user_id],
    );
    refused("update test_sessions set technician_id = $2 where id = $1", &[&session, &theirs.user_id]);
    refused(
        "insert into session_changes (session_id, organisation_id, hash, actor, seq, start_op, deps, bytes, user_id,
                                      instance_id)
         values ($1, $2, sha256('x'), 'x', 1, 1, '{}', 'x', $3, gen_random_uuid())",
        &[&session, &theirs.id, &theirs.user_id],
    );
    refused(
        "insert into audit_log (id, organisation_id, user_id, action, resource_type, status, transaction_id, leaf,
                                leaf_hash, created_at)
         values (gen_random_uuid(), $1, $2, 'x', 'x', 'success', gen_random_uuid(), 'x', sha256('\\x0078'), now())",
        &[&theirs.id, &ours.user_id],
    );
    refused(
        "insert into idempotency_keys (organisation_id, user_id, method, path, key, fingerprint, status, answer,
                                       expires_at)
         values ($1, $2, 'POST', '/', 'k', sha256('x'), 200, '{}', now())",
        &[&theirs.id, &ours.user_id],
    );
}

fn uuid(text: &str) -> Uuid {
    text.parse().unwrap()
}
