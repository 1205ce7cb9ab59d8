//! What surrounds an observation: a measured value, its baseline, and plain facts.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::asset::LookedUp;
use super::limit::Threshold;
use super::problem::{Invalid, Members, RuleProblems, number};
use super::receipt::Inputs;
use super::units;

/// A number with its unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Quantity {
    /// The number, in `unit`.
    pub value: f64,
    /// A unit that is known, such as `kPa`; it is converted to that of the rule.
    pub unit: String,
}

/// The context of an observation, read from a JSON object:
///
/// ```json
/// {
///   "measurement": { "value": 8.2, "unit": "L/s" },
///   "baseline": { "value": 10, "unit": "L/s" },
///   "only_in_area": true
/// }
/// ```
///
/// - `measurement`: the value that the device measured; needed by conditions that are judged by a number.
/// - `baseline`: what the value was when the asset was good, above zero and in a unit of the same quantity; needed where a limit is
///   relative, and asked of the asset's record where it is left out ([`Context::on_asset`]).
/// - every other member is a fact that the predicates of a rule can test: `true`/`false`, a number or text. Facts
///   that no predicate asks for have no effect.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(try_from = "Value")]
pub struct Context {
    measurement: Option<Quantity>,
    pub(super) baseline: Option<Quantity>,
    facts: Map<String, Value>,
    /// What was looked up of the asset; none where no asset was named.
    pub(super) asset: Option<LookedUp>,
}

impl Context {
    /// Names that predicates cannot test, because they are quantities.
    pub(super) const QUANTITIES: [&'static str; 2] = ["measurement", "baseline"];

    /// Reads the `context` of a request.
    ///
    /// # Errors
    /// Every problem at once, each with the pointer of its field, which starts with `/context`.
    pub fn parse(value: Value) -> Result<Self, Invalid> {
        let mut problems = RuleProblems::default();
        let context = Members::open(value, "/context", &mut problems).map(|mut members| {
            let measurement = members.optional("measurement", &mut problems, quantity);
            let baseline = members.optional("baseline", &mut problems, quantity);
            Self { measurement, baseline, facts: members.rest(), asset: None }
        });
        problems.into_result(context)
    }

    /// The measured value, if there is one.
    pub fn measurement(&self) -> Option<&Quantity> {
        self.measurement.as_ref()
    }

    /// The baseline of the measured quantity, if there is one.
    pub fn baseline(&self) -> Option<&Quantity> {
        self.baseline.as_ref()
    }

    /// A fact by its name.
    pub fn fact(&self, name: &str) -> Option<&Value> {
        self.facts.get(name)
    }

    /// Was the asset's record asked for the baseline? Then it is not the client's fault that it does not say it.
    pub(super) fn asks_the_record(&self) -> bool {
        self.asset.as_ref().is_some_and(|asset| asset.baseline_id.is_some() || self.baseline.is_none())
    }

    /// Limits that take the place of those of the rule.
    pub(super) fn overriding_limits(&self) -> Option<&Threshold> {
        Some(&self.asset.as_ref()?.performance_solution.as_ref()?.threshold)
    }

    pub(super) fn facts(&self) -> &Map<String, Value> {
        &self.facts
    }
}

impl From<Inputs> for Context {
    fn from(Inputs { measurement, baseline, facts, asset }: Inputs) -> Self {
        let facts = facts.into_iter().map(|(name, fact)| (name, fact.into())).collect();
        Self { measurement, baseline, facts, asset }
    }
}

impl TryFrom<Value> for Context {
    type Error = Invalid;

    fn try_from(value: Value) -> Result<Self, Invalid> {
        Self::parse(value)
    }
}

fn quantity(value: Value, path: &str, problems: &mut RuleProblems) -> Option<Quantity> {
    let mut members = Members::open(value, path, problems)?;
    let value = members.required("value", problems, number);
    let unit = members.required("unit", problems, unit);
    members.close(problems);
    Some(Quantity { value: value?, unit: unit? })
}

/// A unit that is known.
pub(super) fn unit(value: Value, path: &str, problems: &mut RuleProblems) -> Option<String> {
    let known = value.as_str().filter(|unit| units::is_known(unit)).map(str::to_owned);
    if known.is_none() {
        let all: Vec<_> = units::units().collect();
        problems.add(path, format_args!("must be one of the units {}", all.join(", ")));
    }
    known
}
