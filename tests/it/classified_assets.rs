//! Faults on assets: what is on record of them decides along.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::baselines;
use crate::support::site::{new_building, open_session};
use crate::support::{Answer, Client, Site};

fn extinguisher(site: &Site) -> &str {
    &site.items[0]
}

fn kpa(value: f64) -> Value {
    json!({"value": value, "unit": "kPa"})
}

/// A pressure that was measured on an asset.
pub(crate) fn fault(asset_id: &str, value: f64) -> Value {
    json!({
        "item_code": "EXT-PRESSURE", "observed_condition": "pressure_measured", "asset_id": asset_id,
        "context": {"measurement": kpa(value)},
    })
}

fn with(mut fault: Value, member: &str, value: &Value) -> Value {
    fault[member] = value.clone();
    fault
}

fn classify(client: &Client, fault: &Value) -> Answer {
    client.post("/v1/classify", fault)
}

fn class(client: &Client, fault: &Value) -> String {
    classify(client, fault).expect(200).text("/classification")
}

fn set(site: &Site, quantity: &str, value: f64, unit: &str) -> String {
    baselines::set(&site.admin, &site.building_id, extinguisher(site), quantity, value, unit).expect(201).id()
}

fn receipt(client: &Client, audit_log_id: &str) -> Answer {
    client.get(&format!("/v1/classifications/{audit_log_id}")).expect(200)
}

fn is_same_again(client: &Client, audit_log_id: &str) {
    let again = client.get(&format!("/v1/classifications/{audit_log_id}/replay")).expect(200);
    assert_eq!((&again["is_same"], &again["why_not"]), (&json!(true), &Value::Null), "{}", again.json);
}

/// The entry of the last act of classification.
fn last_act(client: &Client) -> String {
    client.get("/v1/audit?action=fault.classify&limit=1").expect(200).text("/data/0/id")
}

#[test]
fn a_measured_value_is_compared_with_the_baseline_of_its_asset() {
    let site = Site::new();
    let (admin, asset) = (&site.admin, extinguisher(&site));
    let version = set(&site, "pressure", 10.0, "bar");
    let answer = classify(admin, &fault(asset, 850.0)).expect(200);
    assert_eq!(answer["classification"], "non_critical_defect");
    let id = answer.text("/audit_log_id");
    let kept = receipt(admin, &id);
    assert_eq!(
        (&kept["asset_id"], &kept["inputs"]["asset"]["baseline_id"]),
        (&json!(asset), &json!(version))
    );
    assert_eq!(kept["inputs"]["baseline"], json!({"value": 10.0, "unit": "bar"}));
    assert_eq!(kept["occasion"]["jurisdiction"], Value::Null);
    assert_eq!(kept.text("/occasion/day").len(), 10);

    // The context says it better, and then the record is not asked.
    let mut overridden = fault(asset, 850.0);
    overridden["context"]["baseline"] = kpa(900.0);
    classify(admin, &overridden).invalid(&["context.measurement.value"]);
    let overriding = last_act(admin);
    assert_eq!(receipt(admin, &overriding)["inputs"]["asset"]["baseline_id"], Value::Null);

    // What is recorded later is of no concern to what was decided before.
    set(&site, "pressure", 9.0, "bar");
    classify(admin, &fault(asset, 850.0)).invalid(&["context.measurement.value"]);
    for id in [id, overriding] {
        is_same_again(admin, &id);
    }
}

#[test]
fn an_asset_without_a_baseline_that_says_it_does_not_conform() {
    let site = Site::new();
    let (admin, asset) = (&site.admin, extinguisher(&site));
    let measured = |value: f64| class(admin, &fault(asset, value));
    assert_eq!(measured(850.0), "non_conformance", "there is none");
    let id = last_act(admin);
    assert_eq!(receipt(admin, &id)["inputs"]["asset"], json!({"baseline_id": null}));
    is_same_again(admin, &id);
    let other = set(&site, "weight", 4.5, "kg");
    assert_eq!(measured(850.0), "non_conformance", "it says something else");
    assert_eq!(receipt(admin, &last_act(admin))["inputs"]["asset"]["baseline_id"], json!(other));
    set(&site, "pressure", 4.5, "kg");
    assert_eq!(measured(850.0), "non_conformance", "it says it in a unit that cannot be compared");
    is_same_again(admin, &last_act(admin));
    set(&site, "pressure", 1000.0, "kPa");
    assert_eq!(measured(850.0), "non_critical_defect");
    classify(admin, &fault(asset, 1000.0)).invalid(&["context.measurement.value"]);

    // Where no asset is named, and where the client says what cannot be, it is the client who has to say better.
    let without = with(fault(asset, 850.0), "asset_id", &Value::Null);
    let refused = classify(admin, &without).invalid(&["context.baseline"]);
    assert!(refused.text("/errors/0/message").contains("asset_id"), "{}", refused.json);
    let mut wrong_unit = fault(asset, 850.0);
    wrong_unit["context"]["baseline"] = json!({"value": 1, "unit": "kg"});
    classify(admin, &wrong_unit).invalid(&["context.baseline.unit"]);
    let unmeasured = with(fault(asset, 850.0), "context", &Value::Null);
    classify(admin, &unmeasured).invalid(&["context.measurement"]);
}

/// A rule with a limit of each kind, which says nothing of a missing baseline, or that it is of this class.
fn own_rule(version: &str, baseline_missing: Option<&str>) -> Value {
    let mut conditions = json!({"pressure_low": {"classification": "non_critical_defect"}});
    if let Some(class) = baseline_missing {
        conditions["baseline_missing"] = json!({"classification": class});
    }
    json!({
        "rule_code": "AS1851-10-EXT-PRESSURE", "version": version,
        "rule_schema": {
            "section": 10, "item_codes": ["EXT-PRESSURE"], "item": "extinguisher pressure", "conditions": conditions,
            "thresholds": {"pressure_measured": {"unit": "kPa", "limits": [
                {"min": 100, "classification": "critical_defect"},
                {"min_percent_of_baseline": 90, "classification": "non_critical_defect"}]}},
        },
    })
}

#[test]
fn what_is_missing_makes_nothing_milder_and_a_rule_may_say_of_which_class_it_is() {
    let site = Site::new();
    let (admin, asset) = (&site.admin, extinguisher(&site));
    let measured = |value: f64| class(admin, &fault(asset, value));
    admin.post("/v1/rules", &own_rule("2.0.0", None)).expect(201);
    assert_eq!(measured(50.0), "critical_defect", "a limit that needs no baseline is crossed");
    assert_eq!(measured(850.0), "non_conformance");
    admin.post("/v1/rules", &own_rule("3.0.0", Some("non_critical_defect"))).expect(201);
    assert_eq!((measured(50.0), measured(850.0)), ("critical_defect".into(), "non_critical_defect".into()));
}

#[test]
fn an_asset_is_one_of_the_organisation_and_of_the_building_of_the_session() {
    let (site, theirs) = (Site::new(), Site::new());
    let admin = &site.admin;
    let elsewhere = open_session(admin, &new_building(admin));
    let unknown = Uuid::now_v7().to_string();
    let of_session = |asset: &str, session: &str| with(fault(asset, 850.0), "session_id", &json!(session));
    for (fault, field) in [
        (fault(&unknown, 850.0), "asset_id"),
        (fault(extinguisher(&theirs), 850.0), "asset_id"),
        (of_session(&unknown, &site.session_id), "asset_id"),
        (of_session(extinguisher(&site), &elsewhere), "asset_id"),
        (of_session(extinguisher(&site), &theirs.session_id), "session_id"),
        (with(fault("", 1.0), "asset_id", &json!("EXT-4")), "asset_id"),
    ] {
        classify(admin, &fault).invalid(&[field]);
    }
    let kept = receipt(admin, &last_act(admin));
    assert_eq!((&kept["error_code"], &kept["inputs"]), (&json!("FIRE-422"), &Value::Null));

    // In a list each fault is by itself.
    set(&site, "pressure", 1000.0, "kPa");
    let faults = json!([
        fault(&unknown, 850.0),
        of_session(extinguisher(&site), &site.session_id),
        of_session(extinguisher(&site), &elsewhere),
        fault(&site.items[1], 850.0),
    ]);
    let answer = admin.post("/v1/rules/classify_faults", &faults).expect(200);
    let came_to = |row: &Value| (row["status"].clone(), row["classification"].clone());
    let rows: Vec<_> = answer["results"].as_array().unwrap().iter().map(came_to).collect();
    let expected = [
        (json!(422), Value::Null),
        (json!(200), json!("non_critical_defect")),
        (json!(422), Value::Null),
        // The door has an item code of its own, and is an asset that can have a pressure for all we know.
        (json!(200), json!("non_conformance")),
    ];
    assert_eq!(rows, expected);
    assert!(answer.text("/results/0/message").contains("asset_id"), "{}", answer.json);
}

#[test]
fn what_was_seen_on_an_asset_that_was_deactivated_was_seen() {
    let site = Site::new();
    let (admin, asset) = (&site.admin, extinguisher(&site));
    set(&site, "pressure", 1000.0, "kPa");
    admin.delete(&format!("/v1/buildings/{}/assets/{asset}", site.building_id)).expect(204);
    assert_eq!(class(admin, &fault(asset, 850.0)), "non_critical_defect");
    admin.delete(&format!("/v1/buildings/{}", site.building_id)).expect(204);
    assert_eq!(class(admin, &fault(asset, 850.0)), "non_critical_defect");
}

/// The day at a place that has no daylight saving.
fn day_in(hours: i64) -> String {
    (time::OffsetDateTime::now_utc() + time::Duration::hours(hours)).date().to_string()
}

#[test]
fn a_version_counts_from_its_day_at_the_building_and_so_do_rules() {
    // The one is a day before the other at any moment.
    let days = [("Pacific/Pago_Pago", day_in(-11)), ("Pacific/Kiritimati", day_in(14))];
    let valid_from = days[1].1.clone();
    for ((zone, day), expected) in days.iter().zip(["non_conformance", "non_critical_defect"]) {
        let site = Site::new();
        let (admin, asset) = (&site.admin, extinguisher(&site));
        admin.patch(&format!("/v1/buildings/{}", site.building_id), &json!({"time_zone": zone})).expect(200);
        let version = json!({"values": {"pressure": kpa(1000.0)}, "source": "x", "valid_from": valid_from});
        let path = format!("/v1/buildings/{}/assets/{asset}/baseline", site.building_id);
        admin.request("PUT", &path).json(&version).send().expect(201);
        let in_session = with(fault(asset, 850.0), "session_id", &json!(site.session_id));
        for fault in [fault(asset, 850.0), in_session] {
            assert_eq!(class(admin, &fault), expected, "{zone}");
            assert_eq!(receipt(admin, &last_act(admin))["occasion"]["day"], json!(day));
        }
    }
}

#[test]
fn without_a_session_the_law_is_that_of_the_building_of_the_asset() {
    let site = Site::new();
    let (admin, asset) = (&site.admin, extinguisher(&site));
    set(&site, "pressure", 1000.0, "kPa");
    admin.patch(&format!("/v1/buildings/{}", site.building_id), &json!({"jurisdiction": "QLD"})).expect(200);
    let mut of_queensland = own_rule("1.0.0", None);
    of_queensland["jurisdiction"] = json!("QLD");
    of_queensland["rule_schema"]["thresholds"]["pressure_measured"]["limits"][1]["classification"] =
        json!("critical_defect");
    admin.post("/v1/rules", &of_queensland).expect(201);
    assert_eq!(class(admin, &fault(asset, 850.0)), "critical_defect");
    assert_eq!(receipt(admin, &last_act(admin))["occasion"]["jurisdiction"], "QLD");
    let mut anywhere = with(fault(asset, 850.0), "asset_id", &Value::Null);
    anywhere["context"]["baseline"] = kpa(1000.0);
    assert_eq!(class(admin, &anywhere), "non_critical_defect");
}

/// Gives the extinguisher a measure whose performance solution has these limits for it, in kPa. Returns its address.
fn solve(site: &Site, limits: &Value) -> String {
    let measures = format!("/v1/buildings/{}/measures", site.building_id);
    let body = json!({
        "name": "Extinguishers", "section": 10, "standard_of_performance": "AS 2444-2001",
        "performance_solution": {"reference": "FER-2019-07", "overrides": overrides(limits)},
    });
    let measure = site.admin.post(&measures, &body).expect(201).id();
    let asset = format!("/v1/buildings/{}/assets/{}", site.building_id, extinguisher(site));
    site.admin.patch(&asset, &json!({"measure_id": measure})).expect(200);
    format!("{measures}/{measure}")
}

fn overrides(limits: &Value) -> Value {
    json!({"limits": {"EXT-PRESSURE": {"pressure_measured": {"unit": "kPa", "limits": limits}}}})
}

#[test]
fn a_performance_solution_takes_the_place_of_the_limits_of_the_rule() {
    let site = Site::new();
    let (admin, asset) = (&site.admin, extinguisher(&site));
    let agreed =
        json!([{"min": 800, "condition": "pressure_low"}, {"min": 300, "classification": "critical_defect"}]);
    let measure = solve(&site, &agreed);
    // No baseline is needed for these, and what is over them is no fault.
    classify(admin, &fault(asset, 850.0)).invalid(&["context.measurement.value"]);
    assert_eq!(class(admin, &fault(asset, 299.0)), "critical_defect");
    let answer = classify(admin, &fault(asset, 750.0)).expect(200);
    assert_eq!(answer["classification"], "non_critical_defect");
    let id = answer.text("/audit_log_id");
    let applied = &receipt(admin, &id)["inputs"]["asset"]["performance_solution"];
    assert_eq!(Some(applied["measure_id"].as_str().unwrap()), measure.rsplit('/').next());
    assert_eq!(applied["threshold"]["unit"], "kPa");
    assert_eq!(applied["threshold"]["limits"][0], json!({"min": 800.0, "condition": "pressure_low"}));

    // The other assets, and those who name none, are judged as usual.
    assert_eq!(class(admin, &fault(&site.items[1], 850.0)), "non_conformance");
    let relative = json!([{"min_percent_of_baseline": 50, "condition": "no_such_condition"}]);
    admin
        .patch(
            &measure,
            &json!({"performance_solution": {"reference": "x", "overrides": overrides(&relative)}}),
        )
        .expect(200);
    assert_eq!(class(admin, &fault(asset, 750.0)), "non_conformance");
    set(&site, "pressure", 10.0, "bar");
    let refused = classify(admin, &fault(asset, 499.0)).invalid(&["asset_id"]);
    assert!(refused.text("/errors/0/message").contains("no_such_condition"), "{}", refused.json);
    is_same_again(admin, &last_act(admin));
    admin.patch(&measure, &json!({"performance_solution": null})).expect(200);
    assert_eq!(class(admin, &fault(asset, 499.0)), "non_critical_defect");
    is_same_again(admin, &id);
}
