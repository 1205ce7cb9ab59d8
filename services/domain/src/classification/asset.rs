//! What an organisation has on record of an asset, and what of it a fault on that asset is judged by.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::baseline::{BaselineValues, quantity_of};
use super::context::{Context, Quantity};
use super::limit::Threshold;
use super::solution::SolutionLimits;

/// What is on record of an asset, as far as classes follow from it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AssetRecord {
    /// The version of its baseline that is in force.
    pub baseline: Option<RecordedBaseline>,
    /// The performance solution of its measure.
    pub solution: Option<RecordedSolution>,
}

/// A version of an asset's baseline.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedBaseline {
    /// Names the version.
    pub id: Uuid,
    /// What it says.
    pub values: BaselineValues,
}

/// A performance solution of a measure.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedSolution {
    /// Names the measure.
    pub measure_id: Uuid,
    /// The limits that it overrides.
    pub limits: SolutionLimits,
}

/// What was looked up of the asset on which a fault was seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LookedUp {
    /// The version of the asset's baseline that was looked into; null: none was in force, or the context said the baseline.
    #[schema(required = true)]
    pub baseline_id: Option<Uuid>,
    /// The performance solution of the asset's measure, where it overrides the limits of the condition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub performance_solution: Option<AppliedSolution>,
}

/// Limits that took the place of those of the rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AppliedSolution {
    /// The measure that has them.
    pub measure_id: Uuid,
    /// What they are, without notes.
    pub threshold: Threshold,
}

impl AssetRecord {
    /// What the version in force says of a quantity.
    fn baseline_of(&self, quantity: &str) -> Option<&Quantity> {
        self.baseline.as_ref()?.values.get(quantity)
    }

    fn solution_for(&self, item_code: &str, observed_condition: &str) -> Option<AppliedSolution> {
        let solution = self.solution.as_ref()?;
        let threshold = solution.limits.of(item_code, observed_condition)?.without_notes();
        Some(AppliedSolution { measure_id: solution.measure_id, threshold })
    }
}

impl Context {
    /// The context of a fault on an asset: what it does not say of the baseline, the record says, and limits are those of the performance
    /// solution where there are some.
    #[must_use]
    pub fn on_asset(mut self, record: &AssetRecord, item_code: &str, observed_condition: &str) -> Self {
        let performance_solution = record.solution_for(item_code, observed_condition);
        let mut looked_up = LookedUp { performance_solution, ..LookedUp::default() };
        if self.baseline.is_none() {
            looked_up.baseline_id = record.baseline.as_ref().map(|baseline| baseline.id);
            self.baseline = record.baseline_of(quantity_of(observed_condition)).cloned();
        }
        self.asset = Some(looked_up);
        self
    }
}
