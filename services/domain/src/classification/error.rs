//! Why an observation has no class.

use semver::Version;

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
    #[error("rule {rule_code} {version} has no mapping for the condition {condition}; it knows {}", known.join(", "))]
    UnmappedCondition {
        /// The condition of the observation.
        condition: String,
        /// The conditions that the rule maps or measures.
        known: Vec<String>,
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
    /// A limit of the rule is a share of a baseline, and there is neither one in the context nor an asset whose record could say it
    /// (HTTP 422).
    #[error(
        "context.baseline is needed to classify this condition: send it, or the asset_id of the asset, whose baseline on record then counts"
    )]
    MissingBaseline,
    /// The limits of a performance solution lead to a condition of which the rule says no class (HTTP 422).
    #[error(
        "the performance solution of the asset's measure leads to the condition {condition}, which the rule does not have: \
         change the overrides of the measure, or the rule"
    )]
    UnknownConsequence {
        /// The condition that the solution names.
        condition: String,
    },
    /// A member of the context has a type or value that the rule cannot use (HTTP 422).
    #[error("{field} must be {expected}")]
    InvalidContext {
        /// Path of the member, such as `context.only_in_area`.
        field: String,
        /// What the rule expects there, in words.
        expected: String,
    },
    /// A quantity has a unit that does not convert to that of the rule (HTTP 422).
    #[error("{field} must be {expected} or a unit that converts to it, not {found}")]
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
    /// The field of a baseline.
    pub(super) const BASELINE: &'static str = "context.baseline";

    /// The field of the request at fault, as the `errors` of an answer name it.
    pub fn field(&self) -> &str {
        match self {
            Self::UnknownItem { .. } => "item_code",
            Self::UnmappedCondition { .. } => "observed_condition",
            Self::WithinLimits { .. } => "context.measurement.value",
            Self::MissingBaseline => Self::BASELINE,
            Self::UnknownConsequence { .. } => "asset_id",
            Self::MissingContext { field }
            | Self::InvalidContext { field, .. }
            | Self::UnitMismatch { field, .. } => field,
        }
    }
}
