//! Fire safety measures: how a building's systems have to perform, and by which standard they are maintained.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::input::{self, Becomes, Line, Metadata, comparison_key};

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
    /// What takes the place of the usual frequencies and limits.
    #[schema(schema_with = input::object)]
    pub overrides: Value,
}

crate::body! {
    /// A solution that was agreed on in the place of what the standard asks for.
    #[derive(Debug)]
    pub struct NewPerformanceSolution like {
        "reference": "Fire engineering report FER-2019-07", "overrides": {"frequency": "yearly"}
    } {
        /// Where it is agreed on.
        pub reference: Line<200> = "Fire engineering report FER-2019-07",
        /// What takes the place of the usual frequencies and limits: a JSON object.
        pub overrides: Option<Metadata>,
    }
}

impl Becomes<PerformanceSolution> for NewPerformanceSolution {
    fn becomes(self) -> PerformanceSolution {
        PerformanceSolution { reference: self.reference.becomes(), overrides: self.overrides.becomes() }
    }
}
