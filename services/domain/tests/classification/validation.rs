//! What a customer may write into a rule, and how it is refused.

use firemode_domain::classification::{Rule, RuleProblem, RuleSchema};
use serde_json::{Value, json};

use super::full_schema;

fn fields(schema: Value) -> Vec<String> {
    match RuleSchema::parse(schema) {
        Ok(_) => Vec::new(),
        Err(invalid) => invalid.problems.iter().map(RuleProblem::field).collect(),
    }
}

#[test]
fn a_valid_rule_is_written_back_as_it_was_read() {
    let schema: RuleSchema = serde_json::from_value(full_schema()).expect("valid");
    let written = serde_json::to_value(&schema).expect("serialisable");
    assert_eq!(RuleSchema::parse(written).as_ref(), Ok(&schema));
}

#[test]
fn every_problem_is_named_at_once() {
    let schema = json!({
        "section": 15,
        "item_codes": ["EXT-PRESSURE", "ext pressure"],
        "conditions": {
            "missing": { "classification": "bad" },
            "Not A Name": { "classification": "non_conformance" }
        },
        "thresholds": {
            "measured": {
                "unit": "",
                "limits": [
                    { "min": "7", "max": 9, "classification": "critical_defect" },
                    { "min_percent_of_baseline": 0, "classification": "critical_defect", "condition": "missing" }
                ]
            }
        },
        "predicates": [{ "when": [{ "field": "measurement", "operator": "~", "value": 1 }] }],
        "references": ["Clause text of the standard"],
        "colour": "red"
    });
    assert_eq!(
        fields(schema),
        [
            "rule_schema.section",
            "rule_schema.item_codes[1]",
            "rule_schema.item",
            "rule_schema.conditions.Not A Name",
            "rule_schema.conditions.missing.classification",
            "rule_schema.thresholds.measured.unit",
            "rule_schema.thresholds.measured.limits[0]",
            "rule_schema.thresholds.measured.limits[1].min_percent_of_baseline",
            "rule_schema.thresholds.measured.limits[1]",
            "rule_schema.predicates[0].when[0].field",
            "rule_schema.predicates[0].when[0].operator",
            "rule_schema.predicates[0].classification",
            "rule_schema.references[0]",
            "rule_schema.colour",
        ]
    );
}

#[test]
fn names_that_stand_for_another_part_must_exist_there() {
    let mut schema = full_schema();
    schema["item_codes"] = json!(["A", "A"]);
    schema["thresholds"]["no_flow"] = schema["thresholds"]["pressure_measured"].clone();
    schema["thresholds"]["flow_measured"]["limits"][0]["condition"] = json!("unheard_of");
    schema["predicates"][0]["conditions"] = json!(["flow_low", "flow_measured", "unheard_of"]);
    assert_eq!(
        fields(schema),
        [
            "rule_schema.item_codes[1]",
            "rule_schema.thresholds.flow_measured.limits[0].condition",
            "rule_schema.thresholds.no_flow",
            "rule_schema.predicates[0].conditions[2]",
        ]
    );
}

#[test]
fn code_and_version_are_reported_together_with_the_schema() {
    let invalid = Rule::parse("as1851", "1.0", json!({}), None).unwrap_err();
    let fields: Vec<_> = invalid.problems.iter().map(RuleProblem::field).collect();
    assert_eq!(
        fields,
        [
            "rule_code",
            "version",
            "rule_schema.section",
            "rule_schema.item_codes",
            "rule_schema.item",
            "rule_schema.conditions"
        ]
    );
}

#[test]
fn anything_but_an_object_is_refused() {
    for value in [json!(null), json!([]), json!("rule"), json!(1)] {
        assert_eq!(fields(value), ["rule_schema"]);
    }
}

#[test]
fn the_number_of_reported_problems_is_bounded() {
    let unknown: serde_json::Map<String, Value> =
        (0..5_000).map(|n| (format!("field_{n}"), json!(1))).collect();
    assert_eq!(fields(Value::Object(unknown)).len(), 100);
}

#[test]
fn a_pointer_leads_to_each_problem_whatever_its_name() {
    let mut schema = full_schema();
    schema["conditions"]["a/b~c.d"] = json!({ "classification": "non_conformance" });
    schema["thresholds"]["flow_measured"]["limits"][0]["min_percent_of_baseline"] = json!("much");
    let invalid = RuleSchema::parse(schema.clone()).unwrap_err();
    let document = json!({ "rule_schema": schema });
    for problem in &invalid.problems {
        assert!(document.pointer(&problem.pointer).is_some(), "{problem:?}");
    }
    let fields: Vec<_> = invalid.problems.iter().map(RuleProblem::field).collect();
    assert_eq!(
        fields,
        [
            "rule_schema.conditions.a/b~c.d",
            "rule_schema.thresholds.flow_measured.limits[0].min_percent_of_baseline"
        ]
    );
}

#[test]
fn what_can_never_decide_is_refused() {
    let faults = |change: fn(&mut Value)| {
        let mut schema = full_schema();
        change(&mut schema);
        fields(schema)
    };
    assert_eq!(faults(|_| {}), [""; 0]);
    let twice = faults(|schema| {
        let limits = schema["thresholds"]["flow_measured"]["limits"].as_array_mut().expect("a list");
        let again = limits[0].clone();
        limits.push(again);
    });
    assert!(
        twice.iter().all(|field| field.starts_with("rule_schema.thresholds.flow_measured.limits[")),
        "{twice:?}"
    );
    let nothing_between = faults(|schema| {
        schema["thresholds"]["flow_measured"]["limits"] = json!([
            { "min": 10, "classification": "critical_defect" },
            { "max": 5, "classification": "non_critical_defect" }
        ]);
    });
    assert_eq!(nothing_between, ["rule_schema.thresholds.flow_measured.limits[0].min"]);
    let shadowed = faults(|schema| {
        let test = json!({ "field": "is_sole", "operator": "equals", "value": true });
        let other = json!({ "field": "is_exposed", "operator": "equals", "value": true });
        schema["predicates"] = json!([
            { "when": [test.clone()], "classification": "critical_defect" },
            { "conditions": ["flow_measured"], "when": [other, test], "classification": "non_conformance" }
        ]);
    });
    assert_eq!(shadowed, ["rule_schema.predicates[1]"]);
    let unknown_unit = faults(|schema| schema["thresholds"]["flow_measured"]["unit"] = json!("buckets"));
    assert_eq!(unknown_unit, ["rule_schema.thresholds.flow_measured.unit"]);
}

#[test]
fn the_words_of_addresses_are_no_codes() {
    for code in ["SCHEMA", "ID", "IMPACT", "UNCOVERED"] {
        let invalid = Rule::parse(code, "1.0.0", full_schema(), None).unwrap_err();
        assert_eq!(invalid.problems[0].pointer, "/rule_code", "{code}");
    }
}
