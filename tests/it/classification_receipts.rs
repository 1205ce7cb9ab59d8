//! What stands on record of a classification, and that it comes to the same again.

use firemode_domain::audit::{AuditEvent, AuditStatus, truncate_to_microseconds};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::audit_leaves;
use crate::rules::pressure;
use crate::support::{Answer, Client, Organisation, Stack};

fn admin() -> Client {
    Organisation::register(Stack::shared()).admin
}

fn classify(client: &Client, condition: &str, context: Value) -> Answer {
    let fault = json!({"item_code": "EXT-PRESSURE", "observed_condition": condition, "context": context});
    client.post("/v1/classify", &fault)
}

fn receipt(client: &Client, audit_log_id: &str) -> Answer {
    client.get(&format!("/v1/classifications/{audit_log_id}")).expect(200)
}

fn replay(client: &Client, audit_log_id: &str) -> Answer {
    client.get(&format!("/v1/classifications/{audit_log_id}/replay")).expect(200)
}

/// A rule that looks at what a technician says of the place.
fn of_the_place() -> Value {
    let mut rule = pressure("OWN-PRESSURE", "1.0.0", "non_critical_defect");
    rule["rule_schema"]["predicates"] = json!([{
        "when": [{"field": "place", "operator": "one_of", "value": ["plant room 2", "KITCHEN"]}],
        "classification": "critical_defect",
    }]);
    rule
}

#[test]
fn a_receipt_has_the_rule_and_all_that_it_decided_by() {
    let ours = admin();
    let context = json!({
        "measurement": {"value": 40, "unit": "psi"}, "baseline": {"value": 1000, "unit": "kPa"}, "only_in_area": true, "floor": 3,
    });
    let answer = classify(&ours, "pressure_measured", context.clone()).expect(200);
    let id = answer.text("/audit_log_id");
    let receipt = receipt(&ours, &id);
    let rule = ours.get("/v1/rules/AS1851-10-EXT-PRESSURE").expect(200);
    assert_eq!((&receipt["audit_log_id"], &receipt["item_code"]), (&json!(id), &json!("EXT-PRESSURE")));
    assert_eq!((&receipt["rule"]["id"], &receipt["rule"]["code"]), (&rule["id"], &rule["rule_code"]));
    assert_eq!(receipt["rule"]["version"], answer["version_applied"]);
    assert_eq!(receipt.text("/rule/digest").len(), 64);
    assert_eq!(receipt["inputs"]["baseline"], json!({"value": 1000.0, "unit": "kPa"}));
    assert_eq!(receipt["inputs"]["measurement"], json!({"value": 40.0, "unit": "psi"}));
    assert_eq!(receipt["inputs"]["facts"], json!({"only_in_area": true, "floor": 3.0}));
    assert_eq!(
        (&receipt["classification"], &receipt["error_code"]),
        (&json!("critical_defect"), &Value::Null)
    );

    let log = ours.get(&format!("/v1/audit?resource_type=rule&resource_id={}", rule.id())).expect(200);
    assert_eq!(log.data()[0]["id"], json!(id), "the act is found by the rule that decided");
}

#[test]
fn a_classification_comes_to_the_same_after_its_rule_has_gone() {
    let (ours, theirs) = (admin(), admin());
    let made = ours.post("/v1/rules", &pressure("OWN-PRESSURE", "1.0.0", "critical_defect")).expect(201);
    let id = classify(&ours, "pressure_low", Value::Null).expect(200).text("/audit_log_id");
    ours.post("/v1/rules", &pressure("OWN-PRESSURE", "2.0.0", "non_conformance")).expect(201);
    ours.request("PUT", &format!("/v1/rules/id/{}/deactivate", made.id())).send().expect(200);

    let again = replay(&ours, &id);
    assert_eq!((&again["is_same"], &again["why_not"]), (&json!(true), &Value::Null));
    assert_eq!(again["classification"], "critical_defect");
    for address in [format!("/v1/classifications/{id}"), format!("/v1/classifications/{id}/replay")] {
        theirs.get(&address).problem(404, "FIRE-404");
    }
    let other_act = ours.get("/v1/audit?action=rule.create").expect(200).data()[0]["id"].clone();
    ours.get(&format!("/v1/classifications/{}", other_act.as_str().unwrap())).problem(404, "FIRE-404");
}

#[test]
fn what_was_refused_has_a_receipt_too() {
    let ours = admin();
    let measured =
        json!({"measurement": {"value": 950, "unit": "kPa"}, "baseline": {"value": 1000, "unit": "kPa"}});
    for (condition, context, is_same) in [
        ("pressure_measured", measured, json!(true)),
        ("no_such_condition", json!({}), json!(true)),
        ("pressure_low", json!({"measurement": "low"}), Value::Null),
    ] {
        classify(&ours, condition, context).expect(422);
        let act = ours.get("/v1/audit?action=fault.classify").expect(200).data()[0]["id"].clone();
        let id = act.as_str().unwrap();
        let receipt = receipt(&ours, id);
        assert_eq!((&receipt["classification"], &receipt["error_code"]), (&Value::Null, &json!("FIRE-422")));
        assert_eq!(replay(&ours, id)["is_same"], is_same, "{condition}");
    }
}

#[test]
fn what_people_write_is_on_record_by_its_hash_and_decides_the_same() {
    let ours = admin();
    ours.post("/v1/rules", &of_the_place()).expect(201);
    for (place, kept, class) in [
        ("plant room 2", Some("plant room 2"), "critical_defect"),
        ("KITCHEN", Some("KITCHEN"), "critical_defect"),
        ("CELLAR", Some("CELLAR"), "non_critical_defect"),
        ("behind J. Smith's desk, 0400 000 000", None, "non_critical_defect"),
    ] {
        let answer = classify(&ours, "pressure_low", json!({"place": place, "remark": place})).expect(200);
        assert_eq!(answer["classification"], class, "{place}");
        let id = answer.text("/audit_log_id");
        let receipt = receipt(&ours, &id);
        let recorded = receipt.text("/inputs/facts/place");
        match kept {
            Some(text) => assert_eq!(recorded, text),
            None => {
                assert!(recorded.starts_with("sha256:"), "{recorded}");
                assert!(!receipt.json.to_string().contains("Smith"), "{}", receipt.json);
            }
        }
        assert_eq!(
            (&replay(&ours, &id)["is_same"], &replay(&ours, &id)["classification"]),
            (&json!(true), &json!(class))
        );
    }
}

#[test]
fn what_was_recorded_before_receipts_says_that_its_inputs_are_not_on_record() {
    let organisation = Organisation::register(Stack::shared());
    let event = AuditEvent {
        resource_id: None,
        status: AuditStatus::Success,
        after: Some(json!({
            "item_code": "EXT-PRESSURE", "observed_condition": "pressure_low", "session_id": null,
            "classification": "non_critical_defect", "rule_applied": "AS1851-10-EXT-PRESSURE", "version_applied": "1.0.0",
        })),
        ..audit_leaves::event(
            &organisation,
            "fault.classify",
            "",
            truncate_to_microseconds(OffsetDateTime::now_utc()),
        )
    };
    audit_leaves::insert(&Stack::shared().sql(), &event);
    let id = event.id.to_string();
    let receipt = receipt(&organisation.admin, &id);
    assert_eq!((&receipt["inputs"], &receipt["rule"]["digest"]), (&Value::Null, &Value::Null));
    assert_eq!(receipt["classification"], "non_critical_defect");
    let again = replay(&organisation.admin, &id);
    assert_eq!((&again["is_same"], &again["why_not"]), (&Value::Null, &json!("inputs_not_on_record")));
}

#[test]
fn measured_values_are_converted_by_the_units_of_then() {
    let organisation = Organisation::register(Stack::shared());
    let context =
        json!({"measurement": {"value": 130, "unit": "psi"}, "baseline": {"value": 1000, "unit": "kPa"}});
    let id = classify(&organisation.admin, "pressure_measured", context).expect(200).text("/audit_log_id");
    let log = organisation.admin.get("/v1/audit?action=fault.classify").expect(200);
    let [act] = log.data() else { panic!("one act: {}", log.json) };
    assert_eq!(replay(&organisation.admin, &id)["is_same"], true);

    // By a table in which a psi is more, the value was within the limits.
    let (sql, digest) = (Stack::shared().sql(), "7".repeat(64));
    let units = json!({"quantities": {"pressure": {"kPa": 1, "psi": 7}}});
    sql.rows(
        "insert into policy_versions (digest, name, content) values ($1, 'units', $2) on conflict do nothing",
        &[&digest, &units],
    );
    for (units, is_same, why_not) in
        [(digest, json!(true), Value::Null), ("8".repeat(64), Value::Null, json!("units_not_stored"))]
    {
        let mut after = act["after"].clone();
        let members = after.as_object_mut().unwrap();
        members.remove("classification");
        members.insert("error_code".to_owned(), json!("FIRE-422"));
        members.insert("units".to_owned(), json!(units));
        let event = AuditEvent {
            resource_id: act["resource"]["id"].as_str().map(str::to_owned),
            after: Some(after),
            ..audit_leaves::event(
                &organisation,
                "fault.classify",
                "",
                truncate_to_microseconds(OffsetDateTime::now_utc()),
            )
        };
        audit_leaves::insert(&sql, &event);
        let again = replay(&organisation.admin, &event.id.to_string());
        assert_eq!((&again["is_same"], &again["why_not"]), (&is_same, &why_not), "{}", again.json);
    }
}
