//! Defects: what follows from items that fail and from what people do about them.
//!
//! Nothing here is kept up to date by events. What is known of a thing is a set of facts: what was observed, what passed, and what people
//! did, each with when it became known. [`fold`] makes the defects of the thing of all of them, for each moment at which something became
//! known. So the order in which facts arrive, and who works them out, make no difference.

mod act;
mod fact;
mod fold;
pub mod lifecycle;
mod members;
pub mod recording;
mod review;
mod version;

pub use act::{Act, Deed, Opening, Transition};
pub use fact::{
    ItemPass, ItemState, Known, Observation, SubjectFacts, defect_of_observation, observation_id, subject_of,
};
pub use fold::fold;
pub use version::{DefectVersion, Deferral, InterimMeasure, InterimMeasures, RuleReference};

use crate::classification::Classification;

// Days, as they are stored and sent.
time::serde::format_description!(iso_date, Date, "[year]-[month]-[day]");

crate::words! {
    /// Where a defect is in its life.
    pub enum DefectStatus {
        /// It was found.
        Open = "open",
        /// Somebody knows of it.
        Acknowledged = "acknowledged",
        /// The repair is planned.
        RepairScheduled = "repair_scheduled",
        /// It was repaired, as somebody says.
        Repaired = "repaired",
        /// Somebody else has looked whether it is.
        Verified = "verified",
        /// It is dealt with.
        Closed = "closed",
        /// It waits, and somebody accepts the risk.
        Deferred = "deferred",
        /// It was none.
        Withdrawn = "withdrawn",
    }
}

impl DefectStatus {
    /// Nothing more happens to it: what is observed later is another defect.
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Closed | Self::Withdrawn)
    }
}

crate::words! {
    /// The class of a defect.
    pub enum DefectClass {
        /// The system would not operate.
        CriticalDefect = "critical_defect",
        /// The system is impaired and would still operate.
        NonCriticalDefect = "non_critical_defect",
        /// Information or a feature is missing or incorrect; operation is not affected.
        NonConformance = "non_conformance",
        /// No rule has said.
        Unclassified = "unclassified",
    }
}

impl DefectClass {
    /// The greater, the more severe. What nobody has classified is less than what somebody has.
    pub const fn severity(self) -> u8 {
        match self {
            Self::Unclassified => 0,
            Self::NonConformance => 1,
            Self::NonCriticalDefect => 2,
            Self::CriticalDefect => 3,
        }
    }
}

impl From<Classification> for DefectClass {
    fn from(class: Classification) -> Self {
        match class {
            Classification::CriticalDefect => Self::CriticalDefect,
            Classification::NonCriticalDefect => Self::NonCriticalDefect,
            Classification::NonConformance => Self::NonConformance,
        }
    }
}

crate::words! {
    /// Where a defect comes from.
    pub enum DefectSource {
        /// An item of a session failed.
        Result = "result",
        /// A fault was classified.
        Classification = "classification",
        /// A person opened it.
        Manual = "manual",
        /// It was brought from elsewhere.
        Import = "import",
        /// A service was missed.
        Schedule = "schedule",
    }
}
