//! The decision: one rule, one observation, one class.

use semver::Version;

use super::context::Context;
use super::limit::Verdict;
use super::rule::Rule;
use super::schema::Classification;

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

/// Why an observation has no class. [`ClassifyError::UnknownItem`] answers 404, every other one 422.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ClassifyError {
    /// No active rule covers the item (HTTP 404).
    #[error("no active rule covers the item {item_code}")]
    UnknownItem {
        /// The item of the observation.
        item_code: String,
    },
    /// The rule does not map the observed condition (HTTP 422).
    #[error("rule {rule_code} {version} has no mapping for the condition {condition}")]
    UnmappedCondition {
        /// The condition of the observation.
        condition: String,
        /// Code of the rule.
        rule_code: String,
        /// Version of the rule.
        version: Version,
    },
    /// The rule needs a member of the context that is not there (HTTP 422).
    #[error("{field} is needed to classify this condition")]
    MissingContext {
        /// Path of the member, such as `context.baseline`.
        field: String,
    },
    /// A member of the context has a type or value that the rule cannot use (HTTP 422).
    #[error("{field} must be {expected}")]
    InvalidContext {
        /// Path of the member, such as `context.only_in_area`.
        field: String,
        /// What the rule expects there, in words.
        expected: String,
    },
    /// A quantity has another unit than the rule; nothing is converted (HTTP 422).
    #[error("{field} must be {expected}, not {found}")]
    UnitMismatch {
        /// Path of the unit, such as `context.measurement.unit`.
        field: String,
        /// The unit of the rule.
        expected: String,
        /// The unit of the observation.
        found: String,
    },
    /// The measured value crosses no limit: there is no fault to classify (HTTP 422).
    #[error("{condition}: {value} {unit} is within the limits, there is no fault to classify")]
    WithinLimits {
        /// The condition of the observation.
        condition: String,
        /// The measured value, in `unit`.
        value: f64,
        /// The unit of the measured value.
        unit: String,
    },
}

impl ClassifyError {
    /// The field of the request at fault, as the `errors` of an answer name it.
    pub fn field(&self) -> &str {
        match self {
            Self::UnknownItem { .. } => "item_code",
            Self::UnmappedCondition { .. } => "observed_condition",
            Self::WithinLimits { .. } => "context.measurement.value",
            Self::MissingContext { field }
            | Self::InvalidContext { field, .. }
            | Self::UnitMismatch { field, .. } => field,
        }
    }
}

/// Classifies an observation by one rule; [`super::rule_for_item`] chooses the rule.
///
/// # Errors
/// See [`ClassifyError`]. A rule that does not cover the item is [`ClassifyError::UnknownItem`].
pub fn classify(rule: &Rule, observation: &Observation) -> Result<Outcome, ClassifyError> {
    if !rule.schema.covers(&observation.item_code) {
        return Err(ClassifyError::UnknownItem { item_code: observation.item_code.clone() });
    }
    let mut worst = Classification::NonConformance;
    for verdict in judge_condition(rule, observation)? {
        worst = worst.max(judge_context(rule, verdict, &observation.context)?);
    }
    Ok(Outcome { classification: worst, rule_code: rule.code.clone(), version: rule.version.clone() })
}

/// What the observed condition stands for: itself, or one verdict for each limit that the measured value crosses.
/// Never empty.
fn judge_condition<'a>(
    rule: &'a Rule,
    observation: &'a Observation,
) -> Result<Vec<Verdict<'a>>, ClassifyError> {
    let condition = observation.observed_condition.as_str();
    let schema = &rule.schema;
    if let Some(mapping) = schema.conditions.get(condition) {
        return Ok(vec![Verdict { condition, classification: mapping.classification }]);
    }
    if let Some(threshold) = schema.thresholds.get(condition) {
        return threshold.judge(condition, &schema.conditions, &observation.context);
    }
    Err(ClassifyError::UnmappedCondition {
        condition: condition.to_owned(),
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
