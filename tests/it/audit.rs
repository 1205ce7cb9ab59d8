//! The audit log.

use std::collections::BTreeSet;

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::site::operation;
use crate::support::{Client, Form, Site, Stack, new_key};

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
fn a_row_whose_columns_say_something_else_than_its_leaf_is_not_shown() {
    let site = Site::new();
    let sql = Stack::shared().sql();
    let shown = || site.admin.get("/v1/audit?limit=100").expect(200).data().len();
    assert_eq!(shown(), 8);
    // The leaf of another act, whole and with its hash, under columns of one's own; some of them nobody can read.
    for after in ["null", r#"'{"x": 1e400}'::jsonb"#] {
        let forged = format!(
            "insert into audit_log (id, organisation_id, user_id, action, resource_type, status, transaction_id, after, leaf,
                                    leaf_hash, created_at)
             select gen_random_uuid(), organisation_id, user_id, 'session.complete', 'session', 'success', gen_random_uuid(), {after},
                    leaf, leaf_hash, now()
             from audit_log where organisation_id = $1 and action = 'session.create'"
        );
        sql.rows(&forged, &[&site.organisation.id]);
    }
    assert_eq!(shown(), 8);
    assert!(site.admin.get("/v1/audit?action=session.complete").expect(200).data().is_empty());
    let told = Stack::shared().logs().about(&site.organisation.id.to_string());
    assert!(told.contains("a row of the audit log is not genuine"), "{told}");
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

/// What people write, wherever a request of the register and of the record has a place for it. The mark stands in all of it.
fn describe_everywhere(site: &Site, mark: &str) {
    let (admin, text) = (&site.admin, format!("{mark}, by Mrs Smith's flat"));
    let contact = json!({"contact": {"name": text, "phone": text}});
    let building =
        json!({"site_name": text, "site_address": text, "building_class": text, "metadata": contact});
    admin.patch("/v1/organisation", &json!({"letterhead": text})).expect(200);
    let building_id = admin.post("/v1/buildings", &building).expect(201).id();
    let building_path = format!("/v1/buildings/{building_id}");
    let changed = json!({"site_name": format!("{text} again"), "metadata": {"contact": text}, "external_id": text,
                         "jurisdiction": "NSW", "parties": [{"role": "owner", "name": text, "phone": mark, "address": text}]});
    admin.patch(&building_path, &changed).expect(200);
    admin.patch(&building_path, &json!({"jurisdiction": "QLD", "reason": text})).expect(200);
    let asset = json!({
        "item_code": text, "section": 10, "label": text, "location": text, "installed_on": "2021-03-01", "metadata": contact,
    });
    let assets = format!("{building_path}/assets");
    let asset_id = admin.post(&assets, &asset).expect(201).id();
    admin.post(&assets, &json!([asset])).expect(207);
    admin.patch(&format!("{assets}/{asset_id}"), &json!({"location": format!("{text}, left")})).expect(200);
    admin.delete(&format!("{assets}/{asset_id}")).expect(204);
    let noted = json!({"min": 1, "classification": "critical_defect", "note": text});
    let limits = json!({"HYD-FLOW": {"flow_measured": {"unit": "L/s", "limits": [noted]}}});
    let measure = json!({
        "name": text, "section": 10, "standard_of_performance": text, "maintenance_standard": text, "external_id": text,
        "performance_solution": {"reference": text, "overrides": {"limits": limits}},
    });
    let measures = format!("{building_path}/measures");
    let measure = format!("{measures}/{}", admin.post(&measures, &measure).expect(201).id());
    admin.patch(&measure, &json!({"name": format!("{text} again")})).expect(200);
    admin.delete(&measure).expect(204);
    let baseline = json!({
        "values": {"pressure": {"value": 1200, "unit": "kPa"}}, "source": text, "valid_from": "2021-03-01"});
    admin.request("PUT", &format!("{assets}/{asset_id}/baseline")).json(&baseline).send().expect(201);
    describe_defect(admin, &building_id, &text, mark);
    let session = json!({"building_id": building_id, "name": text});
    let session =
        format!("/v1/tests/sessions/{}", admin.post("/v1/tests/sessions", &session).expect(201).id());
    admin.patch(&session, &json!({"name": format!("{text}, second visit")})).expect(200);
    admin.post(&format!("{session}/items"), &json!({"id": text, "label": text, "data": contact})).expect(201);
    admin.delete(&building_path).expect(204);

    let photo = Form::photo(&site.session_id, mark.as_bytes()).text("metadata", &contact.to_string());
    let evidence = format!("/v1/evidence/{}", photo.upload(admin).expect(201).text("/evidence_id"));
    for act in ["flag", "unflag"] {
        admin.post(&format!("{evidence}/{act}"), &json!({"reason": text})).expect(200);
    }
    admin.post("/v1/classify", &json!({"item_code": text, "observed_condition": text})).expect(404);
    let set = operation("tablet", "set", &format!("{}/notes", site.items[0]), json!(text));
    site.send(&json!({"changes": [set]})).expect(200);
    site.complete();
}

fn describe_defect(admin: &Client, building_id: &str, text: &str, mark: &str) {
    let opened = json!({
        "building_id": building_id, "item_id": text, "item_code": text, "condition": text, "description": text, "location": text,
        "external_id": text, "metadata": {"contact": text},
    });
    let defect = format!("/v1/defects/{}", admin.post("/v1/defects", &opened).expect(201).id());
    let changed = json!({
        "classification": "non_conformance", "reason": text, "description": mark, "location": mark, "external_id": format!("{text}, 2"),
        "metadata": {"contact": mark}, "assigned_to": null,
    });
    admin.patch(&defect, &changed).expect(200);
    admin.post(&format!("{defect}/observations"), &json!({"note": text})).expect(201);
    admin.post(&format!("{defect}/interim_measures"), &json!({"text": text})).expect(201);
    let deferred = json!({"to": "deferred", "reason": text, "until": "2099-01-01", "accepted_by": text});
    admin.post(&format!("{defect}/transitions"), &deferred).expect(200);
    admin.post("/v1/defects/withdrawals", &json!({"reason": text})).expect(202);
}

#[test]
fn what_people_write_stands_in_the_record_as_a_hash_alone() {
    let (stack, site, mark) = (Stack::shared(), Site::new(), format!("Ottoline{}", &new_key()[..8]));
    describe_everywhere(&site, &mark);
    let sql =
        "select action, coalesce(before::text, '') || coalesce(after::text, '') || coalesce(resource_id, ''),
                      convert_from(leaf, 'UTF8') from audit_log where organisation_id = $1";
    let rows = stack.sql().rows(sql, &[&site.organisation.id]);
    let actions: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
    for action in [
        "asset.create",
        "asset.deactivate",
        "asset.update",
        "baseline.set",
        "building.correct_place",
        "building.create",
        "building.deactivate",
        "building.set_parties",
        "building.update",
        "defect.add_interim_measure",
        "defect.describe",
        "defect.observe",
        "defect.open",
        "defect.reclassify",
        "defect.transition",
        "defect.withdraw_history",
        "evidence.flag",
        "evidence.unflag",
        "evidence.upload",
        "fault.classify",
        "measure.create",
        "measure.delete",
        "measure.update",
        "results.accept",
        "session.add_items",
        "session.complete",
        "session.create",
        "session.update",
    ] {
        assert!(actions.contains(action), "{action} is not among {actions:?}");
    }
    for row in rows {
        for said in [row.get::<_, String>(1), row.get(2)] {
            assert!(!said.contains(&mark) && !said.contains("Smith"), "{said}");
        }
    }
}

#[test]
fn what_the_record_commits_to_can_be_shown_by_whoever_has_the_text_and_its_salt() {
    let site = Site::new();
    let metadata = json!({"contact": "Ada", "beds": 12});
    let building = json!({"site_name": "North Wing", "site_address": "4 Quay Street", "building_class": "9a", "metadata": metadata});
    let id = site.admin.post("/v1/buildings", &building).expect(201).id();
    site.admin.patch(&format!("/v1/buildings/{id}"), &json!({"site_name": "South Wing"})).expect(200);
    let salt = "select salt from record_salts where resource_id::text = $1";
    let salt: Vec<u8> = Stack::shared().sql().rows(salt, &[&id])[0].get(0);
    let commitment = |member: &str, json: &str| {
        let hash =
            Sha256::new().chain_update(&salt).chain_update(member).chain_update([0]).chain_update(json);
        format!("sha256:{}", HEXLOWER.encode(&hash.finalize()))
    };
    let was = json!({
        "site_name": commitment("site_name", r#""North Wing""#),
        "site_address": commitment("site_address", r#""4 Quay Street""#),
        "building_class": "9a",
        "jurisdiction": null,
        "time_zone": null,
        "statement_anchor_on": null,
        "external_id": null,
        "metadata": commitment("metadata", r#"{"beds":12,"contact":"Ada"}"#),
        "is_active": true,
    });
    let mut is = was.clone();
    is["site_name"] = commitment("site_name", r#""South Wing""#).into();
    let acts = site.admin.get(&format!("/v1/audit?resource_id={id}")).expect(200);
    assert_eq!(acts.data()[0]["before"], was, "what did not change has the hash that it had");
    assert_eq!(acts.data()[0]["after"], is);
    assert_eq!(acts.data()[1]["after"], was);
    // The same words about another object have another hash, or one could be guessed from the other.
    let other = site.admin.post("/v1/buildings", &{
        let mut other = building;
        other["site_address"] = "5 Quay Street".into();
        other
    });
    let path = format!("/v1/audit?resource_id={}", other.expect(201).id());
    assert_ne!(site.admin.get(&path).expect(200).data()[0]["after"]["metadata"], was["metadata"]);
}

#[test]
fn personal_data_is_not_in_the_log() {
    let site = Site::new();
    let log = site.admin.get("/v1/audit?limit=100").expect(200).json.to_string();
    for personal in [site.organisation.email.as_str(), "Ada Example"] {
        assert!(!log.contains(personal), "{personal} is in {log}");
    }
}
