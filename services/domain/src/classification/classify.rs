//! The decision: one rule, one observation, one class.

use semver::Version;

use super::class::Classification;
use super::context::Context;
use super::error::ClassifyError;
use super::limit::Verdict;
use super::rule::Rule;
use super::units::Units;

/// What was seen on an item.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// Code of the item, such as `EXT-PRESSURE`.
    pub item_code: String,
    /// The condition seen, such as `pressure_low`.
    pub observed_condition: String,
    /// What surrounds it; [`Context::default`] when the request has none.
    pub context: Context,
}

/// The class of a fault and the rule that gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The class.
    pub classification: Classification,
    /// Code of the rule that decided.
    pub rule_code: String,
    /// Version of the rule that decided.
    pub version: Version,
}

/// Classifies an observation by one rule; [`super::rule_for_item`] chooses the rule.
///
/// # Errors
/// See [`ClassifyError`]. A rule that does not cover the item is [`ClassifyError::UnknownItem`].
pub fn classify(rule: &Rule, observation: &Observation) -> Result<Outcome, ClassifyError> {
    classify_in(rule, observation, Units::present())
}

/// The same with other units than those of this release.
pub(super) fn classify_in(
    rule: &Rule,
    observation: &Observation,
    units: &Units,
) -> Result<Outcome, ClassifyError> {
    if !rule.schema.covers(&observation.item_code) {
        return Err(ClassifyError::UnknownItem { item_code: observation.item_code.clone() });
    }
    let mut worst = Classification::NonConformance;
    for verdict in judge_condition(rule, observation, units)? {
        worst = worst.max(judge_context(rule, verdict, &observation.context)?);
    }
    Ok(Outcome { classification: worst, rule_code: rule.code.clone(), version: rule.version.clone() })
}

/// What the observed condition stands for: itself, or one verdict for each limit that the measured value crosses, of the performance solution
/// of the asset's measure where it has some for this condition. Never empty.
fn judge_condition<'a>(
    rule: &'a Rule,
    observation: &'a Observation,
    units: &Units,
) -> Result<Vec<Verdict<'a>>, ClassifyError> {
    let condition = observation.observed_condition.as_str();
    let schema = &rule.schema;
    if let Some(mapping) = schema.conditions.get(condition) {
        return Ok(vec![Verdict { condition, classification: mapping.classification }]);
    }
    if let Some(threshold) = schema.thresholds.get(condition) {
        let threshold = observation.context.overriding_limits().unwrap_or(threshold);
        return threshold.judge(condition, &schema.conditions, &observation.context, units);
    }
    Err(ClassifyError::UnmappedCondition {
        condition: condition.to_owned(),
        known: schema.conditions.keys().chain(schema.thresholds.keys()).cloned().collect(),
        rule_code: rule.code.clone(),
        version: rule.version.clone(),
    })
}

/// The first predicate that applies to the condition and holds replaces the class.
fn judge_context(
    rule: &Rule,
    verdict: Verdict<'_>,
    context: &Context,
) -> Result<Classification, ClassifyError> {
    for predicate in rule.schema.predicates.iter().filter(|p| p.applies_to(verdict.condition)) {
        if predicate.holds(context)? {
            return Ok(predicate.classification);
        }
    }
    Ok(verdict.classification)
}
