//! What a customer may write into a rule, and how it is refused.

use firemode_domain::classification::{Rule, RuleSchema};
use serde_json::{Value, json};

use super::full_schema;

fn fields(schema: Value) -> Vec<String> {
    match RuleSchema::parse(schema) {
        Ok(_) => Vec::new(),
        Err(invalid) => invalid.problems.into_iter().map(|problem| problem.field).collect(),
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
    let fields: Vec<_> = invalid.problems.iter().map(|problem| problem.field.as_str()).collect();
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
