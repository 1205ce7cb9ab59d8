//! The classes of faults, and what a condition means.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The class of a fault, mildest first, so that the greater of two is the more severe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Classification {
    /// Information or a feature is missing or incorrect; operation is not affected.
    NonConformance,
    /// The system is impaired and would still operate.
    NonCriticalDefect,
    /// The system would not operate.
    CriticalDefect,
}

impl Classification {
    /// Every class, mildest first.
    pub const ALL: [Self; 3] = [Self::NonConformance, Self::NonCriticalDefect, Self::CriticalDefect];

    /// The name on the wire and in the database, such as `critical_defect`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NonConformance => "non_conformance",
            Self::NonCriticalDefect => "non_critical_defect",
            Self::CriticalDefect => "critical_defect",
        }
    }

    /// The class with this name on the wire; `None` for any other text.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == name)
    }
}

impl std::fmt::Display for Classification {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What one observed condition means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Mapping {
    /// The class of the fault when nothing in its context changes it.
    pub classification: Classification,
    /// Guidance for the technician, in the author's own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}
