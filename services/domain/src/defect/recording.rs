//! How acts are recorded: when they count as done, and what the audit log keeps of them.

use time::{Duration, OffsetDateTime};

use super::{Deed, Opening, Transition};
use crate::audit::{OnRecord, Record};

/// A time that lies further ahead is that of a clock that runs fast.
const AHEAD_MAX: Duration = Duration::minutes(5);

/// When an act counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeOfAct {
    /// When.
    pub at: OffsetDateTime,
    /// Could the time that was stated not be right? Then the act counts from its receipt.
    pub clock_suspect: bool,
}

impl TimeOfAct {
    /// Where none is stated, an act was done when it was received. It counts as done after what was done before (`not_before`): a step that
    /// was allowed when it was recorded stays the last one.
    pub fn of(
        stated: Option<OffsetDateTime>,
        not_before: Option<OffsetDateTime>,
        received_at: OffsetDateTime,
    ) -> Self {
        let clock_suspect = stated.is_some_and(|stated| stated > received_at + AHEAD_MAX);
        let at = stated.filter(|_| !clock_suspect).unwrap_or(received_at).min(received_at);
        Self { at: not_before.map_or(at, |before| at.max(before)), clock_suspect }
    }
}

impl Deed {
    /// The word for its kind, as its row has it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Open(_) => "open",
            Self::Transition(_) => "transition",
            Self::Observe { .. } => "observe",
            Self::Reclassify { .. } => "reclassify",
            Self::Assign { .. } => "assign",
            Self::Describe { .. } => "describe",
            Self::InterimMeasure { .. } => "interim_measure",
            Self::Evidence { .. } => "evidence",
        }
    }

    /// What it is called in the audit log.
    pub const fn action(&self) -> &'static str {
        match self {
            Self::Open(_) => "defect.open",
            Self::Transition(_) => "defect.transition",
            Self::Observe { .. } => "defect.observe",
            Self::Reclassify { .. } => "defect.reclassify",
            Self::Assign { .. } => "defect.assign",
            Self::Describe { .. } => "defect.describe",
            Self::InterimMeasure { .. } => "defect.add_interim_measure",
            Self::Evidence { .. } => "defect.link_evidence",
        }
    }
}

impl OnRecord for Deed {
    fn on_record(&self, record: &mut Record<'_>) {
        match self {
            Self::Open(opening) => opening.on_record(record),
            Self::Transition(step) => step.on_record(record),
            Self::Observe { note, evidence } => {
                record.text("note", note.as_deref());
                record.plain("evidence", evidence.clone());
            }
            Self::Reclassify { classification, reason } => {
                record.plain("classification", *classification);
                record.text("reason", reason.as_str());
            }
            Self::Assign { assigned_to } => record.plain("assigned_to", *assigned_to),
            Self::Describe { description, location, external_id, metadata } => {
                if let Some(description) = description {
                    record.text("description", description.as_str());
                }
                if let Some(location) = location {
                    record.text("location", location.as_deref());
                }
                if let Some(external_id) = external_id {
                    record.code("external_id", external_id.as_deref());
                }
                if let Some(metadata) = metadata {
                    record.free("metadata", &metadata.clone().into());
                }
            }
            Self::InterimMeasure { text, until, evidence } => {
                record.text("text", text.as_str());
                record.date("until", until.map(OffsetDateTime::date));
                record.plain("evidence", evidence.clone());
            }
            Self::Evidence { evidence } => record.plain("evidence", evidence.clone()),
        }
    }
}

impl Opening {
    fn on_record(&self, record: &mut Record<'_>) {
        record.plain("asset_id", self.asset_id);
        record.code("item_id", self.item_id.as_deref());
        record.plain("session_id", self.session_id);
        record.plain("measure_id", self.measure_id);
        record.code("item_code", self.item_code.as_deref());
        record.code("condition", self.condition.as_deref());
        record.plain("classification", self.classification);
        record.text("description", self.description.as_str());
        record.text("location", self.location.as_deref());
        record.plain("section", self.section);
        record.plain("reopens", self.reopens);
        record.text("reason", self.reason.as_deref());
        record.plain("evidence", self.evidence.clone());
        record.code("external_id", self.external_id.as_deref());
        record.free("metadata", &self.metadata.clone().into());
    }
}

impl Transition {
    fn on_record(&self, record: &mut Record<'_>) {
        record.plain("to", self.to);
        record.text("reason", self.reason.as_deref());
        record.date("scheduled_for", self.scheduled_for);
        record.date("until", self.until);
        record.text("accepted_by", self.accepted_by.as_deref());
        record.plain("evidence", self.evidence.clone());
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn an_act_counts_from_when_it_was_done_where_that_can_be_right() {
        let received_at = datetime!(2026-11-30 12:00 UTC);
        let (earlier, later) = (datetime!(2026-11-23 09:00 UTC), datetime!(2030-01-01 0:00 UTC));
        let of = |stated, not_before| {
            let TimeOfAct { at, clock_suspect } = TimeOfAct::of(stated, not_before, received_at);
            (at, clock_suspect)
        };
        assert_eq!(of(None, None), (received_at, false));
        assert_eq!(of(Some(earlier), None), (earlier, false), "a device was offline for a week");
        assert_eq!(of(Some(later), None), (received_at, true));
        let a_little_fast = received_at + Duration::minutes(4);
        assert_eq!(of(Some(a_little_fast), None), (received_at, false), "nothing is done in the future");
        let before = datetime!(2026-11-25 0:00 UTC);
        assert_eq!(of(Some(earlier), Some(before)), (before, false), "steps keep their order");
        assert_eq!(of(None, Some(before)), (received_at, false));
    }
}
