//! Conditions, measured values and context predicates.

use firemode_domain::classification::{Classification, ClassifyError, Context, RuleProblem, classify};
use serde_json::{Value, json};

use super::{full_schema, observation, rule};

use Classification::{CriticalDefect, NonConformance, NonCriticalDefect};

fn class(condition: &str, context: Value) -> Result<Classification, ClassifyError> {
    classify(&rule(full_schema()), &observation("PMP-FLOW", condition, context))
        .map(|outcome| outcome.classification)
}

fn flow(value: f64) -> Value {
    json!({ "measurement": { "value": value, "unit": "L/s" }, "baseline": { "value": 10, "unit": "L/s" } })
}

fn pressure(value: f64) -> Value {
    json!({ "measurement": { "value": value, "unit": "kPa" } })
}

#[test]
fn the_outcome_names_the_rule_and_the_version() {
    let outcome =
        classify(&rule(full_schema()), &observation("PMP-FLOW-2", "no_flow", json!({}))).expect("mapped");
    assert_eq!(outcome.classification, CriticalDefect);
    assert_eq!(outcome.rule_code, "AS1851-03-PMP-FLOW");
    assert_eq!(outcome.version.to_string(), "1.2.0");
}

#[test]
fn an_item_that_the_rule_does_not_cover_is_unknown() {
    let error = classify(&rule(full_schema()), &observation("PMP-OTHER", "no_flow", json!({}))).unwrap_err();
    assert_eq!(error, ClassifyError::UnknownItem { item_code: "PMP-OTHER".into() });
    assert_eq!(error.field(), "item_code");
}

#[test]
fn a_condition_without_a_mapping_is_an_error() {
    let error = class("rusty", json!({})).unwrap_err();
    assert!(matches!(&error, ClassifyError::UnmappedCondition { condition, .. } if condition == "rusty"));
    assert_eq!(error.field(), "observed_condition");
}

#[test]
fn a_measured_value_is_judged_against_the_baseline() {
    assert_eq!(class("flow_measured", flow(8.9)), Ok(NonCriticalDefect));
    assert_eq!(class("flow_measured", flow(6.9)), Ok(CriticalDefect));
    assert_eq!(class("flow_measured", flow(15.1)), Ok(NonConformance));
}

#[test]
fn a_measured_value_is_judged_against_absolute_limits_without_a_baseline() {
    assert_eq!(class("pressure_measured", pressure(699.0)), Ok(NonCriticalDefect));
    assert_eq!(class("pressure_measured", pressure(1200.6)), Ok(CriticalDefect));
}

#[test]
fn a_value_at_the_limit_has_not_crossed_it() {
    for (condition, context) in [
        ("pressure_measured", pressure(700.0)),
        ("pressure_measured", pressure(1200.5)),
        ("flow_measured", flow(9.0)),
        ("flow_measured", flow(15.0)),
    ] {
        let error = class(condition, context.clone()).unwrap_err();
        assert!(matches!(error, ClassifyError::WithinLimits { .. }), "{context}: {error}");
        assert_eq!(error.field(), "context.measurement.value");
    }
}

#[test]
fn binary_rounding_of_decimals_decides_nothing() {
    let quantity = |value| json!({ "value": value, "unit": "L/s" });
    for tenths in 1..200 {
        let (measured, baseline) = (f64::from(tenths) * 0.09, f64::from(tenths) * 0.1);
        let context = json!({ "measurement": quantity(measured), "baseline": quantity(baseline) });
        assert!(
            matches!(class("flow_measured", context), Err(ClassifyError::WithinLimits { .. })),
            "{tenths}"
        );
    }
}

#[test]
fn what_a_measured_condition_needs_must_be_there() {
    let missing = |context| match class("flow_measured", context) {
        Err(error @ (ClassifyError::MissingContext { .. } | ClassifyError::MissingBaseline)) => {
            error.field().to_owned()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(missing(json!({})), "context.measurement");
    assert_eq!(missing(json!({ "measurement": { "value": 8, "unit": "L/s" } })), "context.baseline");
}

#[test]
fn a_value_is_judged_in_whichever_unit_it_was_measured() {
    let context = |value: f64, unit: &str, baseline: f64, baseline_unit: &str| {
        json!({ "measurement": { "value": value, "unit": unit },
                "baseline": { "value": baseline, "unit": baseline_unit } })
    };
    let in_rule_unit = class("flow_measured", context(8.0, "L/s", 20.0, "L/s"));
    assert!(in_rule_unit.is_ok());
    for (value, unit, baseline, baseline_unit) in
        [(480.0, "L/min", 20.0, "L/s"), (8.0, "L/s", 1200.0, "L/min"), (28.8, "m3/h", 72.0, "m³/h")]
    {
        assert_eq!(
            class("flow_measured", context(value, unit, baseline, baseline_unit)),
            in_rule_unit,
            "{unit}"
        );
    }
}

#[test]
fn a_unit_of_another_quantity_is_an_error() {
    let mut wrong_measurement = flow(8.0);
    wrong_measurement["measurement"]["unit"] = json!("kPa");
    let mut wrong_baseline = flow(8.0);
    wrong_baseline["baseline"]["unit"] = json!("mm");
    for (context, field, found) in [
        (wrong_measurement, "context.measurement.unit", "kPa"),
        (wrong_baseline, "context.baseline.unit", "mm"),
    ] {
        let error = class("flow_measured", context).unwrap_err();
        let expected =
            ClassifyError::UnitMismatch { field: field.into(), expected: "L/s".into(), found: found.into() };
        assert_eq!(error, expected);
        assert_eq!(
            error.to_string(),
            format!("{field} must be L/s or a unit that converts to it, not {found}")
        );
    }
}

#[test]
fn a_baseline_of_zero_cannot_be_compared_with() {
    let mut context = flow(0.0);
    context["baseline"]["value"] = json!(0);
    let error = class("flow_measured", context).unwrap_err();
    assert!(
        matches!(&error, ClassifyError::InvalidContext { field, .. } if field == "context.baseline"),
        "{error}"
    );
}

#[test]
fn a_predicate_holds_only_with_all_of_its_tests() {
    let with =
        |only: bool, storeys: u32| class("flow_low", json!({ "only_in_area": only, "storeys": storeys }));
    assert_eq!(with(true, 4), Ok(CriticalDefect));
    assert_eq!(with(true, 3), Ok(NonCriticalDefect));
    assert_eq!(with(false, 4), Ok(NonCriticalDefect));
    assert_eq!(class("flow_low", json!({ "only_in_area": true })), Ok(NonCriticalDefect));
}

#[test]
fn a_predicate_follows_the_condition_that_a_limit_stands_for() {
    let mut context = flow(8.0);
    context["only_in_area"] = json!(true);
    context["storeys"] = json!(9);
    assert_eq!(class("flow_measured", context), Ok(CriticalDefect));
}

#[test]
fn the_most_severe_of_several_crossed_limits_decides_whatever_their_order() {
    let mut schema = full_schema();
    schema["thresholds"]["flow_measured"]["limits"].as_array_mut().expect("a list").reverse();
    let observation = observation("PMP-FLOW", "flow_measured", flow(5.0));
    assert_eq!(
        classify(&rule(schema), &observation).map(|outcome| outcome.classification),
        Ok(CriticalDefect)
    );
}

#[test]
fn a_predicate_applies_to_its_conditions_alone_and_without_them_to_all() {
    let facts = json!({ "only_in_area": true, "storeys": 9 });
    assert_eq!(class("baseline_missing", facts), Ok(NonConformance));
    assert_eq!(class("baseline_missing", json!({ "building_class": "9c" })), Ok(CriticalDefect));
    assert_eq!(class("baseline_missing", json!({ "building_class": "5" })), Ok(NonConformance));
}

#[test]
fn a_fact_of_the_wrong_type_is_an_error_and_not_a_milder_class() {
    for wrong in [json!("true"), json!(1), json!(null), json!([true])] {
        let error = class("flow_low", json!({ "only_in_area": wrong })).unwrap_err();
        let expected = ClassifyError::InvalidContext {
            field: "context.only_in_area".into(),
            expected: "true or false".into(),
        };
        assert_eq!(error, expected);
    }
}

#[test]
fn the_first_predicate_that_holds_decides() {
    let mut schema = full_schema();
    schema["predicates"] = json!([
        { "when": [{ "field": "storeys", "operator": "greater_than", "value": 3 }], "classification": "non_conformance" },
        { "when": [{ "field": "storeys", "operator": "at_least", "value": 3 }], "classification": "critical_defect" }
    ]);
    let rule = rule(schema);
    let class = |storeys: u32| {
        let observation = observation("PMP-FLOW", "flow_low", json!({ "storeys": storeys }));
        classify(&rule, &observation).map(|outcome| outcome.classification)
    };
    assert_eq!(class(4), Ok(NonConformance));
    assert_eq!(class(3), Ok(CriticalDefect));
    assert_eq!(class(2), Ok(NonCriticalDefect));
}

#[test]
fn every_operator_compares_as_its_name_says() {
    for (operator, operand, holds, fails) in [
        ("equals", json!("a"), json!("a"), json!("b")),
        ("not_equals", json!(true), json!(false), json!(true)),
        ("less_than", json!(3), json!(2.5), json!(3)),
        ("at_most", json!(3), json!(3.0), json!(3.1)),
        ("greater_than", json!(3), json!(4), json!(3)),
        ("at_least", json!(3), json!(3), json!(-4)),
        ("one_of", json!([1, 2]), json!(2), json!(3)),
    ] {
        let mut schema = full_schema();
        schema["predicates"] = json!([
            { "when": [{ "field": "fact", "operator": operator, "value": operand }], "classification": "critical_defect" }
        ]);
        let rule = rule(schema);
        let class = |context| {
            let observation = observation("PMP-FLOW", "flow_low", context);
            classify(&rule, &observation).map(|outcome| outcome.classification)
        };
        assert_eq!(class(json!({ "fact": holds })), Ok(CriticalDefect), "{operator}");
        assert_eq!(class(json!({ "fact": fails })), Ok(NonCriticalDefect), "{operator}");
        assert_eq!(class(json!({})), Ok(NonCriticalDefect), "{operator} without the field");
    }
}

#[test]
fn a_malformed_context_names_every_problem() {
    let context = json!({
        "measurement": { "value": "8", "unit": "L / s" },
        "baseline": { "value": 1, "unit": "L/s", "when": "2024" },
        "anything": ["else"]
    });
    let invalid = Context::parse(context).unwrap_err();
    let fields: Vec<_> = invalid.problems.iter().map(RuleProblem::field).collect();
    assert_eq!(fields, ["context.measurement.value", "context.measurement.unit", "context.baseline.when"]);
    assert!(Context::parse(json!([])).is_err());
    assert_eq!(Context::parse(json!({})), Ok(Context::default()));
}
