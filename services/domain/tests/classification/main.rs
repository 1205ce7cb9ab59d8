//! Classification of faults: the shipped rules, the decision, versions, and what a customer may write.

mod assets;
mod decision;
mod json_schema;
mod shipped;
mod soundness;
mod validation;
mod versions;

use firemode_domain::classification::{Context, Observation, Occasion, Rule};
use serde_json::{Value, json};
use time::macros::date;

/// A valid rule that uses every part of the language.
fn full_schema() -> Value {
    json!({
        "section": 3,
        "item_codes": ["PMP-FLOW", "PMP-FLOW-2"],
        "item": "pumpset flow",
        "conditions": {
            "flow_low": { "classification": "non_critical_defect", "note": "Impaired." },
            "no_flow": { "classification": "critical_defect" },
            "baseline_missing": { "classification": "non_conformance" }
        },
        "thresholds": {
            "flow_measured": {
                "unit": "L/s",
                "limits": [
                    { "min_percent_of_baseline": 90, "condition": "flow_low" },
                    { "min_percent_of_baseline": 70, "classification": "critical_defect", "note": "Not enough." },
                    { "max_percent_of_baseline": 150, "classification": "non_conformance" }
                ]
            },
            "pressure_measured": {
                "unit": "kPa",
                "limits": [
                    { "min": 700, "classification": "non_critical_defect" },
                    { "max": 1200.5, "classification": "critical_defect" }
                ]
            }
        },
        "predicates": [
            {
                "conditions": ["flow_low"],
                "when": [
                    { "field": "only_in_area", "operator": "equals", "value": true },
                    { "field": "storeys", "operator": "at_least", "value": 4 }
                ],
                "classification": "critical_defect",
                "note": "Nothing else supplies the area."
            },
            {
                "when": [{ "field": "building_class", "operator": "one_of", "value": ["9a", "9c"] }],
                "classification": "critical_defect"
            }
        ],
        "references": ["3", "3.4"]
    })
}

/// A day, anywhere.
const SOME_DAY: Occasion = Occasion { day: date!(2026 - 11 - 30), jurisdiction: None };

fn rule(schema: Value) -> Rule {
    Rule::parse("AS1851-03-PMP-FLOW", "1.2.0", schema, None).expect("the rule of a test is valid")
}

fn observation(item_code: &str, observed_condition: &str, context: Value) -> Observation {
    Observation {
        item_code: item_code.to_owned(),
        observed_condition: observed_condition.to_owned(),
        context: Context::parse(context).expect("the context of a test is valid"),
    }
}
