//! Baseline records: what an asset's values were when it was good, which measured values are compared with.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::context::Quantity;
use super::parse::{NAME_RULE, is_name};
use super::schema::RuleSchema;
use super::solution::SolutionLimits;
use super::units::{self, Unit};
use crate::input::{At, Faults, Input, Positive, described};

/// Most quantities of one record.
const QUANTITIES_MAX: usize = 32;

/// What the name of a threshold has behind that of the quantity which it judges: `flow_measured` judges the `flow`.
const MEASURED: &str = "_measured";

/// The quantities of a baseline record by their names, such as `pressure` or `flow`; 1 to 32.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BaselineValues(BTreeMap<String, Quantity>);

/// A quantity that a rule compares with a baseline.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
pub struct AskedQuantity {
    /// Its name.
    #[schema(example = "pressure")]
    pub quantity: String,
    /// The unit of the rule; others of the same quantity are converted.
    #[schema(example = "kPa")]
    pub unit: String,
}

crate::body! {
    /// A quantity as it is sent.
    struct SentQuantity like {"value": 1200, "unit": "kPa"} {
        value: Positive,
        /// A unit that is known, such as `kPa`, `L/s` or `%`.
        unit: Unit,
    }
}

/// The quantity that a condition judges by a measured value.
pub fn quantity_of(condition: &str) -> &str {
    condition.strip_suffix(MEASURED).unwrap_or(condition)
}

impl BaselineValues {
    /// One quantity by its name.
    pub fn get(&self, quantity: &str) -> Option<&Quantity> {
        self.0.get(quantity)
    }

    /// Does it say what is asked for, in a unit that can be compared?
    pub fn says(&self, asked: &AskedQuantity) -> bool {
        self.get(&asked.quantity).is_some_and(|known| units::converts(&known.unit, &asked.unit))
    }
}

impl AskedQuantity {
    /// The units in which it may be recorded.
    pub fn units(&self) -> impl Iterator<Item = &'static str> {
        units::convertible_to(&self.unit)
    }
}

impl RuleSchema {
    /// What it compares with the baseline of an asset, whose measure has a performance solution with these limits.
    pub fn asked_of_baseline(&self, item_code: &str, solution: &SolutionLimits) -> Vec<AskedQuantity> {
        let decides =
            |(condition, own)| (condition, solution.of(item_code, String::as_str(condition)).unwrap_or(own));
        let thresholds =
            self.thresholds().iter().map(decides).filter(|(_, threshold)| threshold.needs_baseline());
        let asked = thresholds.map(|(condition, threshold)| AskedQuantity {
            quantity: quantity_of(condition).to_owned(),
            unit: threshold.unit.clone(),
        });
        asked.collect()
    }
}

impl Input for BaselineValues {
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let Value::Object(members) = value else {
            faults.add(at, "must be a JSON object");
            return None;
        };
        if !(1..=QUANTITIES_MAX).contains(&members.len()) {
            faults.add(at, format!("must have 1 to {QUANTITIES_MAX} quantities"));
            return None;
        }
        let count = members.len();
        let mut known = BTreeMap::new();
        for (name, value) in members {
            let at = At::Member(at, &name);
            if !is_name(&name) {
                faults.add(&at, format!("is the name of a quantity, which {NAME_RULE}"));
            } else if let Some(SentQuantity { value, unit }) = SentQuantity::read(value, &at, faults) {
                known.insert(name, Quantity { value: value.get(), unit: unit.into_string() });
            }
        }
        (known.len() == count).then_some(Self(known))
    }

    fn schema() -> RefOr<Schema> {
        let quantity = AdditionalProperties::RefOr(<SentQuantity as Input>::schema());
        let values = ObjectBuilder::new().additional_properties(Some(quantity));
        described(
            values.build().into(),
            &["Quantities by their names, such as `pressure` or `flow`; 1 to 32."],
        )
    }
}

impl PartialSchema for BaselineValues {
    fn schema() -> RefOr<Schema> {
        <Self as Input>::schema()
    }
}

impl ToSchema for BaselineValues {
    fn name() -> Cow<'static, str> {
        "BaselineValues".into()
    }
}

crate::becomes_itself!(BaselineValues);
