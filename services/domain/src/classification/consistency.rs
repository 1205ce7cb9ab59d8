//! Whether the parts of a rule fit together: names that stand for another part, and parts that can never decide.

use std::collections::BTreeSet;

use super::limit::{Bound, Consequence, Threshold};
use super::predicate::Predicate;
use super::problem::{RuleProblems, entry, member};
use super::schema::RuleSchema;

const SCHEMA: &str = "/rule_schema";

pub(super) fn check_consistency(schema: &RuleSchema, problems: &mut RuleProblems) {
    let mut codes = BTreeSet::new();
    for (index, code) in schema.item_codes.iter().enumerate() {
        if !codes.insert(code) {
            problems.add(entry(&member(SCHEMA, "item_codes"), index), "is there twice");
        }
    }
    for (name, threshold) in &schema.thresholds {
        let pointer = member(&member(SCHEMA, "thresholds"), name);
        if schema.conditions.contains_key(name) {
            problems
                .add(&pointer, "has the name of a condition: a condition is mapped or measured, not both");
        }
        let pointer = member(&pointer, "limits");
        check_consequences(schema, threshold, &pointer, problems);
        check_bounds(threshold, &pointer, problems);
    }
    for (index, predicate) in schema.predicates.iter().enumerate() {
        let pointer = entry(&member(SCHEMA, "predicates"), index);
        check_predicate(schema, predicate, &pointer, problems);
        if let Some(earlier) =
            schema.predicates[..index].iter().position(|earlier| earlier.leaves_nothing_to(predicate))
        {
            problems.add(
                pointer,
                format_args!("never decides: whenever it applies and holds, predicates[{earlier}] does too"),
            );
        }
    }
}

fn check_consequences(
    schema: &RuleSchema,
    threshold: &Threshold,
    pointer: &str,
    problems: &mut RuleProblems,
) {
    for (index, limit) in threshold.limits.iter().enumerate() {
        if let Consequence::Condition(condition) = &limit.consequence
            && !schema.conditions.contains_key(condition)
        {
            let pointer = member(&entry(pointer, index), "condition");
            problems.add(pointer, "is not one of the conditions of this rule");
        }
    }
}

/// Whether the limits of a threshold leave values that cross none of them, and each stands there once.
pub(super) fn check_bounds(threshold: &Threshold, pointer: &str, problems: &mut RuleProblems) {
    for (index, limit) in threshold.limits.iter().enumerate() {
        let pointer = entry(pointer, index);
        if threshold.limits[..index].iter().any(|earlier| earlier.bound == limit.bound) {
            problems.add(&pointer, "is the same limit as an earlier one");
        }
        if let Bound::Min(min) = limit.bound
            && threshold.limits.iter().any(|other| matches!(other.bound, Bound::Max(max) if max < min))
        {
            problems.add(
                member(&pointer, "min"),
                "is above a max of this threshold, so that no value is within the limits",
            );
        }
    }
}

fn check_predicate(schema: &RuleSchema, predicate: &Predicate, pointer: &str, problems: &mut RuleProblems) {
    for (index, name) in predicate.conditions.iter().enumerate() {
        if !schema.conditions.contains_key(name) && !schema.thresholds.contains_key(name) {
            problems.add(
                entry(&member(pointer, "conditions"), index),
                "is not one of the conditions or thresholds of this rule",
            );
        }
    }
}

impl Predicate {
    /// Does it decide whatever a later one would?
    fn leaves_nothing_to(&self, later: &Self) -> bool {
        let applies = self.conditions.is_empty()
            || (!later.conditions.is_empty()
                && later.conditions.iter().all(|name| self.conditions.contains(name)));
        applies && self.when.iter().all(|test| later.when.contains(test))
    }
}
