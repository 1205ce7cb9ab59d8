//! Classification by the shipped rules.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::stack::repository_file;
use crate::support::wait::eventually;
use crate::support::{Client, Organisation, Site, Stack, new_key};

/// The cases that practitioners gave, and the edges.
fn cases() -> Value {
    let text = std::fs::read_to_string(repository_file("tests/walkthrough/classification.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn fault(case: &Value) -> Value {
    json!({"item_code": case["item_code"], "observed_condition": case["observed_condition"]})
}

#[test]
fn every_case_has_the_class_that_a_practitioner_would_give() {
    let admin = Organisation::register(Stack::shared()).admin;
    let cases = cases();
    let (good, edges) = (cases["cases"].as_array().unwrap(), cases["edges"].as_array().unwrap());
    assert!(good.len() >= 15 && !edges.is_empty());
    for case in good {
        let answer = admin.post("/v1/classify", &fault(case)).expect(200);
        assert_eq!(answer["classification"], case["classification"], "{case}");
        assert!(answer["rule_applied"].is_string() && answer["version_applied"].is_string());
        assert!(answer.text("/audit_log_id").parse::<Uuid>().is_ok());
    }
    for edge in edges {
        let status = u16::try_from(edge["status"].as_u64().unwrap()).unwrap();
        admin.post("/v1/classify", &fault(edge)).problem(status, edge["error_code"].as_str().unwrap());
    }

    let faults: Vec<Value> = good.iter().chain(edges).map(fault).collect();
    let answer = admin.post("/v1/rules/classify_faults", &faults.into()).expect(200);
    let results = answer["results"].as_array().unwrap();
    for (index, case) in good.iter().chain(edges).enumerate() {
        assert_eq!(results[index]["index"], index);
        assert_eq!(results[index]["status"], case.get("status").cloned().unwrap_or(json!(200)), "{case}");
        assert_eq!(results[index]["classification"], case["classification"], "{case}");
        assert_eq!(results[index].get("error_code"), case.get("error_code"), "{case}");
    }
}

#[test]
fn success_and_failure_are_both_on_record() {
    let site = Site::new();
    let body = json!({
        "item_code": "EXT-PRESSURE", "observed_condition": "pressure_low", "session_id": site.session_id,
    });
    let answer = site.admin.post("/v1/classify", &body).expect(200);
    site.admin
        .post("/v1/classify", &json!({"item_code": "NO-SUCH-ITEM", "observed_condition": "x"}))
        .expect(404);
    let acts = site.admin.get("/v1/audit?action=fault.classify").expect(200);
    let [failure, success] = acts.data() else { panic!("two acts were to be there: {}", acts.json) };
    assert_eq!(success["id"], answer["audit_log_id"]);
    assert_eq!(success["status"], "success");
    assert_eq!(success["after"]["classification"], answer["classification"]);
    assert_eq!(success["after"]["session_id"], site.session_id);
    assert_eq!(failure["status"], "failure");
    assert_eq!(failure["after"]["error_code"], "FIRE-404");
    assert_eq!(failure["after"]["item_code"], "NO-SUCH-ITEM");
}

#[test]
fn what_surrounds_a_fault_counts() {
    let admin = Organisation::register(Stack::shared()).admin;
    let classify = |condition: &str, context: Value| {
        let body = json!({"item_code": "EXT-PRESSURE", "observed_condition": condition, "context": context});
        admin.post("/v1/classify", &body)
    };
    let class =
        |condition: &str, context: Value| classify(condition, context).expect(200)["classification"].clone();
    assert_eq!(class("pressure_low", Value::Null), "non_critical_defect");
    assert_eq!(class("pressure_low", json!({"only_in_area": false})), "non_critical_defect");
    assert_eq!(class("pressure_low", json!({"only_in_area": true})), "critical_defect");
    let measured = |value: f64, only_in_area: bool| {
        json!({
            "measurement": {"value": value, "unit": "kPa"}, "baseline": {"value": 1000, "unit": "kPa"},
            "only_in_area": only_in_area,
        })
    };
    assert_eq!(class("pressure_measured", measured(899.9, false)), "non_critical_defect");
    assert_eq!(class("pressure_measured", measured(899.9, true)), "critical_defect");
    classify("pressure_measured", measured(950.0, true)).problem(422, "FIRE-422");

    let in_unit = |unit: &str| json!({"measurement": {"value": 100, "unit": unit}, "baseline": {"value": 1000, "unit": "kPa"}});
    assert_eq!(class("pressure_measured", in_unit("psi")), "non_critical_defect");
    for wrong in ["mm", "pounds"] {
        classify("pressure_measured", in_unit(wrong)).invalid(&["context.measurement.unit"]);
    }
    classify("pressure_measured", Value::Null).problem(422, "FIRE-422");
    classify("pressure_low", json!([])).invalid(&["context"]);
    classify("pressure_low", json!({"measurement": "low"})).invalid(&["context.measurement"]);
}

#[test]
fn faults_that_cannot_be_read_are_named() {
    let site = Site::new();
    let classify = |body: &Value| site.admin.post("/v1/classify", body);
    classify(&json!({"item_code": "", "observed_condition": "x".repeat(65)}))
        .invalid(&["item_code", "observed_condition"]);
    classify(&json!({"item_code": "EXT-PRESSURE"})).invalid(&["observed_condition"]);
    classify(&json!({"item": "EXT-PRESSURE", "observed_condition": "x"})).problem(422, "FIRE-422");
    let elsewhere = Site::new().session_id;
    let body =
        json!({"item_code": "EXT-PRESSURE", "observed_condition": "pressure_low", "session_id": elsewhere});
    classify(&body).invalid(&["session_id"]);
    let many = |faults: Value| site.admin.post("/v1/rules/classify_faults", &faults);
    many(json!([])).problem(422, "FIRE-422");
    many(vec![fault(&cases()["cases"][0]); 1_001].into()).problem(422, "FIRE-422");
    many(json!([fault(&cases()["cases"][0]), {"item_code": "", "observed_condition": "x"}]))
        .invalid(&["[1].item_code"]);
}

#[test]
fn a_change_of_the_rules_counts_on_every_instance_at_once() {
    let stack = Stack::shared();
    let organisation = Organisation::register(stack);
    let other = stack.beside(&[]);
    let clients = [organisation.admin.clone(), other.client().with_token(organisation.admin.token())];
    let body = json!({"item_code": "EXT-PRESSURE", "observed_condition": "pressure_low"});
    let versions = || {
        let version =
            |client: &Client| client.post("/v1/classify", &body).expect(200).text("/version_applied");
        clients.iter().map(version).collect::<Vec<_>>()
    };
    let shipped = versions();
    let sql = stack.sql();
    // There is no route for rules of one's own yet.
    let newer = "insert into as1851_rules (id, organisation_id, rule_code, version, rule_schema, item_codes)
                 select gen_random_uuid(), $1, rule_code, $2, rule_schema, item_codes from as1851_rules
                 where organisation_id is null and 'EXT-PRESSURE' = any (item_codes)";
    for version in ["9.0.0", "9.1.0"] {
        sql.rows(newer, &[&organisation.id, &version]);
        assert_eq!(versions(), [version, version]);
    }
    sql.rows("update as1851_rules set is_active = false where organisation_id = $1", &[&organisation.id]);
    assert_eq!(versions(), shipped);
}

#[test]
fn faults_that_arrive_at_once_are_answered_and_recorded_each_for_itself() {
    let (site, other) = (Site::new(), Site::new());
    let good = json!({"item_code": "EXT-PRESSURE", "observed_condition": "pressure_low"});
    let unknown = json!({"item_code": "NO-SUCH-ITEM", "observed_condition": "x"});
    let keys: Vec<String> = (0..4).map(|_| new_key()).collect();
    let ids = std::thread::scope(|scope| {
        let ask = |index: usize| {
            let (site, key) = (if index.is_multiple_of(2) { &site } else { &other }, &keys[index % 4]);
            let (good, unknown) = (&good, &unknown);
            scope.spawn(move || {
                site.admin.post("/v1/classify", unknown).problem(404, "FIRE-404");
                let request = || site.admin.request("POST", "/v1/classify").key(key).json(good).send();
                let answer =
                    eventually("the key is free", || Some(request()).filter(|answer| answer.status != 409));
                answer.expect(200).text("/audit_log_id")
            })
        };
        let asked: Vec<_> = (0..40).map(ask).collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect::<BTreeSet<String>>()
    });
    assert_eq!(ids.len(), keys.len(), "the same key gives the same answer");
    for site in [&site, &other] {
        let count = |status: &str| {
            let path = format!("/v1/audit?action=fault.classify&status={status}&limit=100");
            site.admin.get(&path).expect(200).data().len()
        };
        assert_eq!((count("success"), count("failure")), (2, 20));
    }
}
