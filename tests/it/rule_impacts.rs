//! What a version of a rule would have changed.

use firemode_domain::audit::{AuditEvent, AuditStatus, truncate_to_microseconds};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::audit_leaves;
use crate::rules::{class, classify, pressure, with};
use crate::support::{Client, Organisation, Site, Stack};

/// Asks what a version of a rule would have changed this year, and waits for the figures.
fn impact(client: &Client, code: &str, version: &str) -> (String, Value) {
    let asked = json!({
        "rule_code": code, "version": version, "from": "2020-01-01T00:00:00Z", "to": "2999-01-01T00:00:00Z",
    });
    let started = client.post("/v1/rules/impact", &asked).expect(202);
    assert_eq!(started.header("location"), format!("/v1/jobs/{}", started.id()));
    let ended = crate::jobs::ended(client, &started.id());
    assert_eq!(ended["state"], "done");
    (started.id(), ended["result"].clone())
}

#[test]
fn a_report_says_what_a_version_would_have_changed_and_changes_nothing() {
    let organisation = Organisation::register(Stack::shared());
    let (ours, theirs) = (&organisation.admin, Organisation::register(Stack::shared()).admin);
    let differing = classify(ours, None).expect(200).text("/audit_log_id");
    let faults = json!([
        {"item_code": "EXT-PRESSURE", "observed_condition": "pressure_high"},
        {"item_code": "DOR-LATCH", "observed_condition": "will_not_latch"},
    ]);
    ours.post("/v1/rules/classify_faults", &faults).expect(200);
    classify(&theirs, None).expect(200);
    let mut rule = pressure("OWN-PRESSURE", "1.0.0", "critical_defect");
    rule["rule_schema"]["conditions"]["pressure_high"] = json!({"classification": "non_critical_defect"});
    ours.post("/v1/rules", &with(rule, "activate", json!(false))).expect(201);

    let (job, figures) = impact(ours, "OWN-PRESSURE", "1.0.0");
    assert_eq!(figures, json!({"examined": 2, "not_on_record": 0, "differing": 1}));
    let report = ours.get(&format!("/v1/rules/impact/{job}")).expect(200);
    let [row] = report.data() else { panic!("one row: {}", report.json) };
    assert_eq!(row["audit_log_id"], json!(differing));
    assert_eq!(row["was"]["classification"], "non_critical_defect");
    let would_be =
        json!({"rule_code": "OWN-PRESSURE", "version": "1.0.0", "classification": "critical_defect"});
    assert_eq!(row["would_be"], would_be);
    assert_eq!(class(ours), "non_critical_defect", "nothing is changed by it");
    theirs.get(&format!("/v1/rules/impact/{job}")).problem(404, "FIRE-404");
}

#[test]
fn a_report_of_the_rule_in_force_and_of_one_that_drops_an_item() {
    let ours = Organisation::register(Stack::shared()).admin;
    classify(&ours, None).expect(200);
    let (_, figures) = impact(&ours, "AS1851-10-EXT-PRESSURE", "1.0.0");
    assert_eq!(figures["differing"], 0);
    let mut elsewhere = pressure("AS1851-10-EXT-PRESSURE", "2.0.0", "critical_defect");
    elsewhere["rule_schema"]["item_codes"] = json!(["EXT-OTHER"]);
    ours.post("/v1/rules", &with(elsewhere, "activate", json!(false))).expect(201);
    let (job, figures) = impact(&ours, "AS1851-10-EXT-PRESSURE", "2.0.0");
    assert_eq!(figures["differing"], 1);
    let row = ours.get(&format!("/v1/rules/impact/{job}")).expect(200).data()[0].clone();
    assert_eq!(row["would_be"], json!({"rule_code": null, "version": null, "classification": null}));

    // What a version has decided that is no longer in use, for an item that no other has.
    let mut lamps = pressure("OWN-LAMPS", "1.0.0", "critical_defect");
    lamps["rule_schema"]["item_codes"] = json!(["OWN-LAMP"]);
    let made = ours.post("/v1/rules", &lamps).expect(201);
    let fault = json!({"item_code": "OWN-LAMP", "observed_condition": "pressure_low"});
    ours.post("/v1/classify", &fault).expect(200);
    ours.request("PUT", &format!("/v1/rules/id/{}/deactivate", made.id())).send().expect(200);
    ours.post("/v1/rules", &pressure("OWN-LAMPS", "2.0.0", "critical_defect")).expect(201);
    assert_eq!(impact(&ours, "OWN-LAMPS", "2.0.0").1["differing"], 2);

    let ask = |body: Value| ours.post("/v1/rules/impact", &body);
    let (from, to) = ("2026-01-01T00:00:00Z", "2025-01-01T00:00:00Z");
    ask(json!({"rule_code": "NO-SUCH", "version": "1.0.0", "from": to, "to": from})).problem(404, "FIRE-404");
    ask(json!({"rule_code": "NO-SUCH", "version": "1.0.0", "from": from, "to": to})).invalid(&["to"]);
    ask(json!({"rule_code": "impact", "version": "1", "from": "now", "to": to})).invalid(&[
        "rule_code",
        "version",
        "from",
    ]);
}

/// Puts a classification on record as releases did that did not say by which day and jurisdiction a rule was chosen.
fn record_without_occasion(site: &Site) {
    let after = json!({
        "item_code": "EXT-PRESSURE", "observed_condition": "pressure_low", "session_id": site.session_id,
        "classification": "non_critical_defect", "rule_applied": "AS1851-10-EXT-PRESSURE", "version_applied": "1.0.0",
        "inputs": {"facts": {}},
    });
    let now = truncate_to_microseconds(OffsetDateTime::now_utc());
    let event = AuditEvent {
        resource_id: None,
        status: AuditStatus::Success,
        after: Some(after),
        ..audit_leaves::event(&site.organisation, "fault.classify", "", now)
    };
    audit_leaves::insert(&Stack::shared().sql(), &event);
}

#[test]
fn a_report_takes_places_as_they_were_known_when_a_fault_was_classified() {
    let site = Site::new();
    let (admin, building) = (&site.admin, format!("/v1/buildings/{}", site.building_id));
    let of_queensland =
        with(pressure("OWN-PRESSURE", "1.0.0", "critical_defect"), "jurisdiction", json!("QLD"));
    admin.post("/v1/rules", &with(of_queensland, "activate", json!(false))).expect(201);
    let differing = || impact(admin, "OWN-PRESSURE", "1.0.0").1["differing"].clone();
    // The place of the building follows from the organisation's, until it says its own, and is corrected then.
    for (path, change, then) in [
        ("/v1/organisation", json!({"default_jurisdiction": "NSW"}), 0),
        ("/v1/organisation", json!({"default_jurisdiction": "QLD"}), 0),
        (building.as_str(), json!({"jurisdiction": "NSW"}), 2),
        (building.as_str(), json!({"jurisdiction": "QLD", "reason": "Across the border"}), 2),
        (building.as_str(), json!({"jurisdiction": "VIC", "reason": "It is a mistake"}), 4),
    ] {
        admin.patch(path, &change).expect(200);
        assert_eq!(differing(), then, "{change} changes nothing that was decided before");
        record_without_occasion(&site);
        classify(admin, Some(&site.session_id)).expect(200);
    }
    assert_eq!(differing(), 4);
}
