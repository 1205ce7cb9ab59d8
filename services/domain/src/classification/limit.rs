//! Numeric thresholds: a measured value against absolute limits or against the building's baseline.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::class::{Classification, Mapping};
use super::context::{Context, Quantity};
use super::error::ClassifyError;
use super::schema::BASELINE_MISSING;
use super::units::Units;

/// A value this close to a limit, as a fraction of the limit, is at the limit and inside it. It keeps the binary
/// rounding of decimal numbers (70 % of 0.1) from deciding the class of a defect.
const ROUNDING_FRACTION: f64 = 1e-9;

/// How one measured quantity is judged.
///
/// It needs `context.measurement` and, when one of its limits is relative, a baseline, each in a unit of the quantity that its own unit
/// measures; other units are refused. A baseline that is not on record of the asset is `baseline_missing`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "Value")]
pub struct Threshold {
    /// Unit of the measured value, such as `kPa`, `L/s` or `%`; at most 16 characters.
    pub unit: String,
    /// The limits; 1 to 8. Of those that a value crosses the most severe decides.
    #[schema(value_type = Vec<DescribedLimit>)]
    pub limits: Vec<Limit>,
}

/// One limit and what it means to cross it. A value at the limit has not crossed it.
///
/// It has one of `min`, `max`, `min_percent_of_baseline` and `max_percent_of_baseline`, and one of `classification` and `condition`.
// As generators of clients can read it: they do not join alternatives.
#[derive(ToSchema)]
#[schema(as = Limit)]
#[expect(dead_code, reason = "it describes what a limit is shown as")]
struct DescribedLimit {
    /// Crossed by a value below it.
    min: Option<f64>,
    /// Crossed by a value above it.
    max: Option<f64>,
    /// Crossed by a value below this percentage of the baseline.
    min_percent_of_baseline: Option<f64>,
    /// Crossed by a value above this percentage of the baseline.
    max_percent_of_baseline: Option<f64>,
    /// The class of what is beyond it.
    classification: Option<Classification>,
    /// One of the rule's `conditions`, with its class and its predicates, in the place of a class.
    condition: Option<String>,
    /// Guidance for the technician, in the author's own words.
    note: Option<String>,
}

/// One limit and what it means to cross it. A value at the limit has not crossed it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Limit {
    /// The limit.
    #[serde(flatten)]
    pub bound: Bound,
    /// What a value beyond the limit amounts to.
    #[serde(flatten)]
    pub consequence: Consequence,
    /// Guidance for the technician, in the author's own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A limit of a measured value, in the unit of its threshold or in percent of the baseline.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// Crossed by a value below it.
    Min(f64),
    /// Crossed by a value above it.
    Max(f64),
    /// Crossed by a value below this percentage of the baseline.
    MinPercentOfBaseline(f64),
    /// Crossed by a value above this percentage of the baseline.
    MaxPercentOfBaseline(f64),
}

impl Bound {
    /// The field names of the four kinds of limit in a rule.
    pub(super) const NAMES: [&'static str; 4] =
        ["min", "max", "min_percent_of_baseline", "max_percent_of_baseline"];

    fn is_relative(self) -> bool {
        matches!(self, Self::MinPercentOfBaseline(_) | Self::MaxPercentOfBaseline(_))
    }

    /// The field name of the limit in a rule, and its number.
    pub(super) fn named(self) -> (&'static str, f64) {
        let [min, max, min_percent, max_percent] = Self::NAMES;
        match self {
            Self::Min(number) => (min, number),
            Self::Max(number) => (max, number),
            Self::MinPercentOfBaseline(number) => (min_percent, number),
            Self::MaxPercentOfBaseline(number) => (max_percent, number),
        }
    }

    fn is_crossed(self, measured: f64, baseline: Option<f64>) -> Result<bool, ClassifyError> {
        let of_baseline = |percent: f64| Ok(above_zero(baseline)? * percent / 100.0);
        Ok(match self {
            Self::Min(min) => is_below(measured, min),
            Self::Max(max) => is_below(-measured, -max),
            Self::MinPercentOfBaseline(percent) => is_below(measured, of_baseline(percent)?),
            Self::MaxPercentOfBaseline(percent) => is_below(-measured, -of_baseline(percent)?),
        })
    }
}

/// What crossing a limit amounts to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Consequence {
    /// This class.
    Classification(Classification),
    /// One of the rule's `conditions`, with its class and its predicates.
    Condition(String),
}

/// A condition and its class before the context is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict<'a> {
    pub(super) condition: &'a str,
    pub(super) classification: Classification,
}

impl Verdict<'_> {
    /// An asset has no baseline on record.
    fn baseline_missing(conditions: &BTreeMap<String, Mapping>) -> Self {
        let mapped = conditions.get(BASELINE_MISSING).map(|mapping| mapping.classification);
        let classification = mapped.unwrap_or(Classification::NonConformance);
        Self { condition: BASELINE_MISSING, classification }
    }
}

impl Threshold {
    /// As it decides: what its author noted is left out.
    pub(super) fn without_notes(&self) -> Self {
        let limits = self.limits.iter().map(|limit| Limit { note: None, ..limit.clone() });
        Self { unit: self.unit.clone(), limits: limits.collect() }
    }

    /// Is the measured value compared with a baseline?
    pub fn needs_baseline(&self) -> bool {
        self.limits.iter().any(|limit| limit.bound.is_relative())
    }

    /// What the measured value of `context` amounts to: one verdict for each limit that it crosses, and one where its asset has no baseline
    /// on record that it could be compared with; at least one.
    ///
    /// `name` is the observed condition that led here.
    pub(super) fn judge<'a>(
        &'a self,
        name: &'a str,
        conditions: &'a BTreeMap<String, Mapping>,
        context: &Context,
        units: &Units,
    ) -> Result<Vec<Verdict<'a>>, ClassifyError> {
        let measurement = context
            .measurement()
            .ok_or(ClassifyError::MissingContext { field: "context.measurement".into() })?;
        let measured = self.value_of(measurement, "context.measurement.unit", units)?;
        let baseline = self.baseline_of(context, units)?;
        let is_not_on_record = baseline.is_none() && context.asks_the_record() && self.needs_baseline();

        let mut crossed = Vec::new();
        if is_not_on_record {
            crossed.push(Verdict::baseline_missing(conditions));
        }
        for limit in self.limits.iter().filter(|limit| !(is_not_on_record && limit.bound.is_relative())) {
            if limit.bound.is_crossed(measured, baseline)? {
                crossed.push(limit.consequence.verdict(name, conditions)?);
            }
        }
        if crossed.is_empty() {
            return Err(ClassifyError::WithinLimits {
                condition: name.to_owned(),
                value: measured,
                unit: self.unit.clone(),
            });
        }
        Ok(crossed)
    }

    /// What the measured value is compared with, in the threshold's own unit. A record in a unit that does not convert says nothing of it.
    fn baseline_of(&self, context: &Context, units: &Units) -> Result<Option<f64>, ClassifyError> {
        let Some(baseline) = context.baseline() else { return Ok(None) };
        match self.value_of(baseline, "context.baseline.unit", units) {
            Err(_) if context.asks_the_record() => Ok(None),
            value => value.map(Some),
        }
    }

    /// The value in the threshold's own unit.
    fn value_of(&self, quantity: &Quantity, field: &str, units: &Units) -> Result<f64, ClassifyError> {
        units.convert(quantity.value, &quantity.unit, &self.unit).ok_or_else(|| ClassifyError::UnitMismatch {
            field: field.to_owned(),
            expected: self.unit.clone(),
            found: quantity.unit.clone(),
        })
    }
}

impl Consequence {
    /// A valid rule maps every condition that its own limits name. Those of a performance solution may name others.
    fn verdict<'a>(
        &'a self,
        name: &'a str,
        conditions: &BTreeMap<String, Mapping>,
    ) -> Result<Verdict<'a>, ClassifyError> {
        let (condition, classification) = match self {
            Self::Classification(classification) => (name, Some(*classification)),
            Self::Condition(condition) => {
                (condition.as_str(), conditions.get(condition).map(|mapping| mapping.classification))
            }
        };
        let unknown = || ClassifyError::UnknownConsequence { condition: condition.to_owned() };
        Ok(Verdict { condition, classification: classification.ok_or_else(unknown)? })
    }
}

fn above_zero(baseline: Option<f64>) -> Result<f64, ClassifyError> {
    let baseline = baseline.ok_or(ClassifyError::MissingBaseline)?;
    if baseline > 0.0 {
        Ok(baseline)
    } else {
        let (field, expected) = (ClassifyError::BASELINE.to_owned(), "a baseline above zero".to_owned());
        Err(ClassifyError::InvalidContext { field, expected })
    }
}

fn is_below(measured: f64, limit: f64) -> bool {
    measured < limit - limit.abs() * ROUNDING_FRACTION
}
