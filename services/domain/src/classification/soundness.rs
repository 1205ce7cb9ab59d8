//! Whether a rule that somebody makes would decide as its author means it.
//!
//! What is asked here is asked of new rules alone: those that were made before stay as they are, and are read without it.

use std::collections::BTreeMap;

use super::limit::{Bound, Consequence, Limit, Threshold};
use super::predicate::{Predicate, Scalar, Test};
use super::problem::{RuleProblems, entry, member};
use super::schema::RuleSchema;

/// The greatest number of a limit or a test, either side of zero. Nothing that is measured comes near; beyond, products overflow.
const NUMBER_MAX: f64 = 1e12;

const SCHEMA: &str = "/rule_schema";

pub(super) fn check_soundness(schema: &RuleSchema, problems: &mut RuleProblems) {
    for (name, threshold) in &schema.thresholds {
        let pointer = member(&member(&member(SCHEMA, "thresholds"), name), "limits");
        check_limits(threshold, &pointer, problems);
    }
    let mut types = BTreeMap::new();
    for (index, predicate) in schema.predicates.iter().enumerate() {
        let pointer = entry(&member(SCHEMA, "predicates"), index);
        check_conditions(schema, predicate, &member(&pointer, "conditions"), problems);
        let pointer = member(&pointer, "when");
        check_types(predicate, &mut types, &pointer, problems);
        check_tests(predicate, &pointer, problems);
    }
}

pub(super) fn check_limits(threshold: &Threshold, pointer: &str, problems: &mut RuleProblems) {
    for (index, limit) in threshold.limits.iter().enumerate() {
        let pointer = entry(pointer, index);
        let (name, value) = limit.bound.named();
        check_number(value, &member(&pointer, name), problems);
        if let Bound::MinPercentOfBaseline(min) = limit.bound
            && threshold
                .limits
                .iter()
                .any(|other| matches!(other.bound, Bound::MaxPercentOfBaseline(max) if max < min))
        {
            let message =
                "is above a max_percent_of_baseline of this threshold, so that no value is within the limits";
            problems.add(member(&pointer, name), message);
        }
        let hides = |(other, hiding): (usize, &Limit)| other != index && hiding.hides(limit);
        if let Some(other) = threshold.limits.iter().enumerate().position(hides) {
            problems.add(
                &pointer,
                format_args!(
                    "never decides: a value beyond it is beyond limits[{other}] too, which is as severe"
                ),
            );
        }
    }
}

impl Limit {
    /// Is a value that is beyond the other always beyond this one, and comes to the same or worse by it?
    fn hides(&self, other: &Self) -> bool {
        let is_nearer = match (self.bound, other.bound) {
            (Bound::Min(own), Bound::Min(other))
            | (Bound::MinPercentOfBaseline(own), Bound::MinPercentOfBaseline(other)) => own > other,
            (Bound::Max(own), Bound::Max(other))
            | (Bound::MaxPercentOfBaseline(own), Bound::MaxPercentOfBaseline(other)) => own < other,
            _ => false,
        };
        // A condition may have predicates of its own.
        match (&self.consequence, &other.consequence) {
            (Consequence::Classification(own), Consequence::Classification(other)) => {
                is_nearer && own >= other
            }
            _ => false,
        }
    }
}

/// A threshold all of whose limits lead to conditions never gives a class under its own name.
fn check_conditions(schema: &RuleSchema, predicate: &Predicate, pointer: &str, problems: &mut RuleProblems) {
    let is_direct = |limit: &Limit| matches!(limit.consequence, Consequence::Classification(_));
    for (index, name) in predicate.conditions.iter().enumerate() {
        if schema.thresholds.get(name).is_some_and(|threshold| !threshold.limits.iter().any(is_direct)) {
            let message = "never applies: each limit of this threshold leads to a condition; name those";
            problems.add(entry(pointer, index), message);
        }
    }
}

/// A fact has one type: whatever it is, a test that compares it with another could not be evaluated.
fn check_types<'r>(
    predicate: &'r Predicate,
    types: &mut BTreeMap<&'r str, &'static str>,
    pointer: &str,
    problems: &mut RuleProblems,
) {
    for (index, test) in predicate.when.iter().enumerate() {
        let pointer = member(&entry(pointer, index), "value");
        for operand in test.value.values() {
            let found = operand.type_name();
            let known = *types.entry(&test.field).or_insert(found);
            if known != found {
                problems.add(
                    &pointer,
                    format_args!("is {found}, while another test compares {} with {known}", test.field),
                );
            }
            if let Scalar::Number(number) = operand {
                check_number(*number, &pointer, problems);
            }
        }
    }
}

fn check_tests(predicate: &Predicate, pointer: &str, problems: &mut RuleProblems) {
    let mut by_field = BTreeMap::<&str, Vec<&Test>>::new();
    for test in &predicate.when {
        by_field.entry(&test.field).or_default().push(test);
    }
    for (field, tests) in by_field {
        let may_hold =
            |fact: &Scalar| tests.iter().all(|test| test.operator.compare(fact, test.value.values()));
        if !facts_to_try(&tests).iter().any(may_hold) {
            problems.add(pointer, format_args!("never holds: no {field} passes all of its tests"));
        }
    }
}

/// One fact of each kind that tests can tell apart: the values that they name, and some between, beside and unlike them.
fn facts_to_try(tests: &[&Test]) -> Vec<Scalar> {
    let operands = || tests.iter().flat_map(|test| test.value.values());
    let mut numbers: Vec<f64> = operands()
        .filter_map(|operand| match operand {
            Scalar::Number(number) => Some(*number),
            Scalar::Boolean(_) | Scalar::Text(_) => None,
        })
        .collect();
    numbers.sort_by(f64::total_cmp);
    let between = numbers.windows(2).map(|pair| f64::midpoint(pair[0], pair[1]));
    let unnamed = between.chain([f64::MIN, f64::MAX]).map(Scalar::Number);
    let truths = [true, false].map(Scalar::Boolean);
    // No test can name it: it has the one character that no text of a rule may have.
    let other_text = Scalar::Text("\0".to_owned());
    operands().cloned().chain(unnamed).chain(truths).chain([other_text]).collect()
}

fn check_number(number: f64, pointer: &str, problems: &mut RuleProblems) {
    if number.abs() > NUMBER_MAX {
        problems.add(pointer, format_args!("must lie between -{NUMBER_MAX:e} and {NUMBER_MAX:e}"));
    }
}
