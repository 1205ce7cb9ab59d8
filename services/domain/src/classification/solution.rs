//! Limits that the performance solution of a measure puts in the place of those of rules.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use utoipa::openapi::{RefOr, Schema};

use super::consistency::check_bounds;
use super::limit::Threshold;
use super::parse::{CODE_RULE, is_code, threshold};
use super::problem::{Invalid, RuleProblems, map, member, noted};
use super::soundness::check_limits;
use crate::input::{self, At, Faults, Input};

const ITEM_CODES_MAX: usize = 64;
const CONDITIONS_MAX: usize = 32;

/// For each item code, the conditions that are judged by other limits than those of the rule: each has a threshold, as in a rule.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct SolutionLimits(BTreeMap<String, BTreeMap<String, Threshold>>);

impl SolutionLimits {
    /// Those of a solution as it is stored. Releases that read no limits kept any JSON: what says none in this form overrides none.
    pub fn of_stored(overrides: &Value) -> Self {
        let read = |limits: &Value| Self::parse(limits.clone(), "").ok();
        overrides.get("limits").and_then(read).unwrap_or_default()
    }

    fn parse(value: Value, pointer: &str) -> Result<Self, Invalid> {
        let mut problems = RuleProblems::default();
        let limits = map(value, pointer, 0..=ITEM_CODES_MAX, &mut problems, of_item);
        problems.into_result(limits.map(Self))
    }

    /// The codes of items of which it has something to say.
    pub fn item_codes(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Which limits decide over a condition.
    pub fn of(&self, item_code: &str, condition: &str) -> Option<&Threshold> {
        self.0.get(item_code)?.get(condition)
    }
}

fn of_item(
    item_code: &str,
    value: Value,
    pointer: &str,
    problems: &mut RuleProblems,
) -> Option<BTreeMap<String, Threshold>> {
    if !is_code(item_code) {
        problems.add(pointer, format_args!("is the code of an item, which {CODE_RULE}"));
    }
    let thresholds = map(value, pointer, 1..=CONDITIONS_MAX, problems, threshold)?;
    for (condition, threshold) in &thresholds {
        let pointer = member(&member(pointer, condition), "limits");
        check_bounds(threshold, &pointer, problems);
        check_limits(threshold, &pointer, problems);
    }
    Some(thresholds)
}

impl Input for SolutionLimits {
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        noted(Self::parse(value, &at.pointer()), faults)
    }

    fn schema() -> RefOr<Schema> {
        input::object().into()
    }
}
