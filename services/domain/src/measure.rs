//! Fire safety measures: how a building's systems have to perform, and by which standard they are maintained.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use crate::classification::SolutionLimits;
use crate::input::{self, At, Becomes, Faults, Input, Line, comparison_key};

/// By which most measures are maintained. Its sections are those that assets and rules have.
pub const USUAL_STANDARD: &str = "AS 1851-2012";

/// Does this standard have the sections that assets and rules have?
pub fn has_sections(maintenance_standard: &str) -> bool {
    comparison_key(maintenance_standard) == comparison_key(USUAL_STANDARD)
}

/// Why a measure, or an asset of it, needs a section.
pub const SECTION_NEEDED: &str =
    "is required, from 2 to 14, unless the measure is maintained by another standard than AS 1851-2012";

/// A solution that was agreed on in the place of what the standard asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PerformanceSolution {
    /// Where it is agreed on.
    #[schema(example = "Fire engineering report FER-2019-07")]
    pub reference: String,
    /// What takes the place of the usual frequency and limits. Any JSON where it was made before that had a form; then it overrides nothing.
    #[schema(schema_with = input::object)]
    pub overrides: Value,
}

crate::words! {
    /// How often a measure is serviced.
    pub enum ServiceLevel {
        /// Each month.
        Monthly = "monthly",
        /// Each quarter.
        ThreeMonthly = "three_monthly",
        /// Twice a year.
        SixMonthly = "six_monthly",
        /// Each year.
        Yearly = "yearly",
        /// Each five years.
        FiveYearly = "five_yearly",
        /// Each ten years.
        TenYearly = "ten_yearly",
        /// Each 25 years.
        TwentyFiveYearly = "twenty_five_yearly",
        /// Each 30 years.
        ThirtyYearly = "thirty_yearly",
    }
}

type Levels = input::List<ServiceLevel, 1, { ServiceLevel::ALL.len() }>;

/// One or several levels, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frequency(Vec<ServiceLevel>);

crate::body! {
    /// What takes the place of the usual frequency and limits.
    #[derive(Debug)]
    pub struct NewOverrides like {
        "frequency": ["yearly"],
        "limits": {"HYD-FLOW": {"flow_measured": {"unit": "L/s", "limits": [{"min": 8, "classification": "critical_defect"}]}}}
    } {
        /// At which levels the measure is serviced: one, or a list of them.
        pub frequency: Option<Frequency>,
        /// By item code, and by the condition that a rule judges by a measured value: `{unit, limits}` as in a rule's `thresholds`, which take the
        /// place of the rule's for assets of the measure. A limit leads to a `classification`, or to a `condition` of the rule.
        pub limits: Option<SolutionLimits>,
    }
}

crate::body! {
    /// A solution that was agreed on in the place of what the standard asks for.
    #[derive(Debug)]
    pub struct NewPerformanceSolution like {
        "reference": "Fire engineering report FER-2019-07", "overrides": {"frequency": ["yearly"]}
    } {
        /// Where it is agreed on.
        pub reference: Line<200> = "Fire engineering report FER-2019-07",
        /// What takes the place of the usual frequency and limits.
        pub overrides: Option<NewOverrides>,
    }
}

impl Input for Frequency {
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let levels = match value {
            Value::Array(_) => Levels::read(value, at, faults)?.0,
            level => vec![ServiceLevel::read(level, at, faults)?],
        };
        let twice = (1..levels.len()).find(|index| levels[..*index].contains(&levels[*index]));
        if let Some(index) = twice {
            faults.add(&At::Entry(at, index), "is there twice");
            return None;
        }
        Some(Self(levels))
    }

    fn schema() -> RefOr<Schema> {
        <Levels as Input>::schema()
    }
}

impl Becomes<Value> for NewOverrides {
    fn becomes(self) -> Value {
        let frequency = self.frequency.map(|Frequency(levels)| json!(levels));
        let limits = self.limits.map(|limits| json!(limits));
        let members = [("frequency", frequency), ("limits", limits)];
        let said = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        said.collect::<Map<String, Value>>().into()
    }
}

impl Becomes<PerformanceSolution> for NewPerformanceSolution {
    fn becomes(self) -> PerformanceSolution {
        let overrides = self.overrides.map_or_else(|| json!({}), NewOverrides::becomes);
        PerformanceSolution { reference: self.reference.becomes(), overrides }
    }
}
