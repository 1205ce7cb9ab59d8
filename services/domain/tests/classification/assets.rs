//! What is on record of an asset, and what stands in a receipt of it.

use firemode_domain::classification::{
    AssetRecord, BaselineValues, Classification, ClassifyError, Context, Inputs, Judgement, Observation,
    Receipt, RecordedBaseline, RecordedSolution, SolutionLimits, Units,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{SOME_DAY, full_schema, rule};

use Classification::{CriticalDefect, NonConformance, NonCriticalDefect};

fn record(baseline: Value, limits: Value) -> AssetRecord {
    let values =
        |json| serde_json::from_value::<BaselineValues>(json).expect("the baseline of a test is valid");
    let overrides = json!({"limits": {"PMP-FLOW": {"flow_measured": {"unit": "L/min", "limits": limits}}}});
    AssetRecord {
        baseline: Some(baseline)
            .filter(|json| !json.is_null())
            .map(|json| RecordedBaseline { id: Uuid::now_v7(), values: values(json) }),
        // Without limits it is none that could be stored, and overrides nothing.
        solution: Some(RecordedSolution {
            measure_id: Uuid::now_v7(),
            limits: SolutionLimits::of_stored(&overrides),
        }),
    }
}

fn flow_of(record: &AssetRecord, value: f64) -> Observation {
    let said = json!({"measurement": {"value": value, "unit": "L/s"}});
    let said = Context::parse(said).expect("the context of a test is valid");
    Observation {
        item_code: "PMP-FLOW".to_owned(),
        observed_condition: "flow_measured".to_owned(),
        context: said.on_asset(record, "PMP-FLOW", "flow_measured"),
    }
}

fn judged(record: &AssetRecord, value: f64) -> (Inputs, Result<Classification, ClassifyError>) {
    let rules = [rule(full_schema())];
    let judgement = Judgement::of(&rules, SOME_DAY, &flow_of(record, value), None);
    (judgement.inputs, judgement.outcome)
}

#[test]
fn a_judgement_comes_to_the_same_from_what_stands_on_record() {
    let baseline = json!({"flow": {"value": 10, "unit": "L/s"}});
    let other = json!({"flow": {"value": 10, "unit": "kPa"}});
    let nearer =
        json!([{"min_percent_of_baseline": 50, "condition": "flow_low", "note": "Mrs Smith said so."}]);
    let unknown = json!([{"min": 600, "condition": "dry"}]);
    for (record, value, outcome) in [
        (record(baseline.clone(), json!([])), 8.0, Ok(NonCriticalDefect)),
        (record(Value::Null, json!([])), 8.0, Ok(NonConformance)),
        (record(other, json!([])), 8.0, Ok(NonConformance)),
        (record(baseline.clone(), nearer), 4.0, Ok(NonCriticalDefect)),
        (
            record(Value::Null, json!([{"min": 600, "classification": "critical_defect"}])),
            8.0,
            Ok(CriticalDefect),
        ),
        (record(baseline, unknown), 8.0, Err("asset_id")),
    ] {
        let (inputs, found) = judged(&record, value);
        assert_eq!(found.as_ref().map_err(ClassifyError::field), outcome.as_ref().map_err(|field| *field));
        let inputs = json!(inputs);
        assert!(!inputs.to_string().contains("Smith"), "what people write is not on record: {inputs}");
        let rule = rule(full_schema());
        let receipt = Receipt {
            item_code: Some("PMP-FLOW".to_owned()),
            observed_condition: Some("flow_measured".to_owned()),
            inputs: serde_json::from_value(inputs).expect("a receipt can be read"),
            rule_applied: Some(rule.code.clone()),
            rule_digest: Some(rule.digest.clone()),
            ..Receipt::default()
        };
        assert_eq!(receipt.replay(Some(&rule), Some(Units::present())), Ok(found));
    }
}

#[test]
fn limits_of_a_solution_take_the_place_of_the_rules_own() {
    let baseline = json!({"flow": {"value": 10, "unit": "L/s"}});
    let milder = record(baseline, json!([{"min": 300, "classification": "critical_defect"}]));
    assert!(matches!(judged(&milder, 6.0).1, Err(ClassifyError::WithinLimits { .. })));
    assert_eq!(judged(&milder, 4.9).1, Ok(CriticalDefect));
    // It has nothing to say of other conditions, or of other items.
    let context = json!({"measurement": {"value": 600, "unit": "kPa"}});
    let context = Context::parse(context).expect("valid").on_asset(&milder, "PMP-FLOW", "pressure_measured");
    let observed_condition = "pressure_measured".to_owned();
    let of_pressure = Observation { item_code: "PMP-FLOW".to_owned(), observed_condition, context };
    let rules = [rule(full_schema())];
    let judge = |seen| Judgement::of(&rules, SOME_DAY, seen, None).outcome;
    assert_eq!(judge(&of_pressure), Ok(NonCriticalDefect));
    let said = json!({"measurement": {"value": 8, "unit": "L/s"}});
    let of_other = Observation {
        item_code: "PMP-FLOW-2".to_owned(),
        observed_condition: "flow_measured".to_owned(),
        context: Context::parse(said).expect("valid").on_asset(&milder, "PMP-FLOW-2", "flow_measured"),
    };
    assert_eq!(judge(&of_other), Ok(NonCriticalDefect));
}

#[test]
fn what_was_stored_before_overrides_had_a_form_overrides_nothing() {
    for stored in [
        json!({"flow_test": "six_monthly"}),
        json!({"limits": {"PMP-FLOW": {"flow_measured": 8}}}),
        json!({"limits": [8]}),
        json!([1]),
        Value::Null,
    ] {
        assert_eq!(SolutionLimits::of_stored(&stored), SolutionLimits::default(), "{stored}");
    }
}
