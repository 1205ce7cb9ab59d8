//! New rules must decide as their authors mean them; those that were made before are read all the same.

use firemode_domain::classification::{RuleProblem, RuleSchema, shipped_rules};
use serde_json::{Value, json};

use super::full_schema;

/// The pointers below `rule_schema` of what is wrong with a new rule; what was stored is read without a word.
fn faults(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let mut schema = full_schema();
    change(&mut schema);
    assert!(RuleSchema::parse(schema.clone()).is_ok(), "an earlier release took it: {schema}");
    let pointer = |problem: RuleProblem| problem.pointer.trim_start_matches("/rule_schema").to_owned();
    match RuleSchema::parse_new(schema) {
        Ok(_) => Vec::new(),
        Err(invalid) => invalid.problems.into_iter().map(pointer).collect(),
    }
}

fn when(tests: &Value) -> Vec<String> {
    faults(|schema| schema["predicates"] = json!([{ "when": tests, "classification": "critical_defect" }]))
}

fn limits(limits: &Value) -> Vec<String> {
    faults(|schema| schema["thresholds"]["pressure_measured"]["limits"] = limits.clone())
}

#[test]
fn good_rules_are_taken() {
    assert_eq!(faults(|_| {}), [""; 0]);
    for rule in shipped_rules() {
        let schema = serde_json::to_value(&rule.schema).expect("serialisable");
        assert_eq!(RuleSchema::parse_new(schema).as_ref(), Ok(&rule.schema), "{}", rule.code);
    }
}

#[test]
fn tests_that_no_fact_passes_are_refused() {
    let test =
        |operator: &str, value: Value| json!({ "field": "floor", "operator": operator, "value": value });
    for (first, second) in [
        (test("less_than", json!(3)), test("greater_than", json!(5))),
        (test("less_than", json!(3)), test("at_least", json!(3))),
        (test("equals", json!(true)), test("equals", json!(false))),
        (test("equals", json!("a")), test("one_of", json!(["b", "c"]))),
        (test("equals", json!("a")), test("not_equals", json!("a"))),
        (test("at_most", json!(-1)), test("equals", json!(0))),
    ] {
        assert_eq!(when(&json!([first, second])), ["/predicates/0/when"], "{first} {second}");
    }
    for (first, second) in [
        (test("less_than", json!(3)), test("greater_than", json!(2))),
        (test("at_most", json!(3)), test("at_least", json!(3))),
        (test("not_equals", json!("a")), test("not_equals", json!("b"))),
        (test("not_equals", json!(3)), test("less_than", json!(4))),
        (test("not_equals", json!(true)), test("equals", json!(false))),
    ] {
        assert_eq!(when(&json!([first, second])), [""; 0], "{first} {second}");
    }
}

#[test]
fn a_fact_has_one_type_in_all_of_a_rule() {
    let test = |value: Value| json!({ "field": "floor", "operator": "equals", "value": value });
    let two = faults(|schema| {
        schema["predicates"] = json!([
            { "when": [test(json!(3))], "classification": "critical_defect" },
            { "when": [test(json!("three"))], "classification": "non_conformance" }
        ]);
    });
    assert_eq!(two, ["/predicates/1/when/0/value"]);
}

#[test]
fn limits_that_never_decide_and_numbers_that_overflow_are_refused() {
    let limit = |bound: &str, value: f64, class: &str| json!({ bound: value, "classification": class });
    let hidden = json!([limit("min", 700.0, "critical_defect"), limit("min", 300.0, "non_critical_defect")]);
    assert_eq!(limits(&hidden), ["/thresholds/pressure_measured/limits/1"]);
    let hidden = json!([limit("max", 9.0, "non_conformance"), limit("max", 8.0, "critical_defect")]);
    assert_eq!(limits(&hidden), ["/thresholds/pressure_measured/limits/0"]);
    let steps = json!([limit("min", 700.0, "non_critical_defect"), limit("min", 300.0, "critical_defect")]);
    assert_eq!(limits(&steps), [""; 0]);
    let nothing_between = json!([
        limit("min_percent_of_baseline", 90.0, "critical_defect"),
        limit("max_percent_of_baseline", 80.0, "critical_defect"),
    ]);
    assert_eq!(limits(&nothing_between), ["/thresholds/pressure_measured/limits/0/min_percent_of_baseline"]);
    let huge = json!([
        limit("min", -1e308, "critical_defect"),
        limit("max_percent_of_baseline", 1e300, "critical_defect")
    ]);
    assert_eq!(
        limits(&huge),
        [
            "/thresholds/pressure_measured/limits/0/min",
            "/thresholds/pressure_measured/limits/1/max_percent_of_baseline"
        ]
    );
    assert_eq!(
        when(&json!([{ "field": "floor", "operator": "less_than", "value": 1e200 }])),
        ["/predicates/0/when/0/value"]
    );
}

#[test]
fn a_predicate_of_a_threshold_that_gives_no_class_itself_is_refused() {
    let never = faults(|schema| {
        schema["thresholds"]["flow_measured"]["limits"] = json!([{ "min": 3, "condition": "flow_low" }]);
        schema["predicates"][0]["conditions"] = json!(["flow_low", "flow_measured"]);
    });
    assert_eq!(never, ["/predicates/0/conditions/1"]);
}
