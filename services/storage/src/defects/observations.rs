//! What was seen of a defect: in sessions, and by people.

use firemode_domain::body;
use firemode_domain::defect::{DefectClass, RuleReference};
use firemode_domain::input::{self, Time};
use firemode_domain::session::LateState;
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::known::{KNOWN_NOW, KNOWN_THEN};
use crate::page::{Keyset, Listing, Page};
use crate::row::{Row as _, row};
use crate::{Executor, StorageError};

row! {
    /// What was seen of a defect once.
    #[derive(Debug, Clone, Serialize, ToSchema)]
    pub struct DefectObservation {
        /// The observation's id.
        pub id: Uuid,
        /// The session in which the item failed; null: a person recorded it.
        pub session_id: Option<Uuid>,
        /// The item in that session.
        pub item_id: Option<String>,
        /// Who recorded it; null: a session has it.
        pub user_id: Option<Uuid>,
        /// When it was seen.
        #[serde(with = "time::serde::rfc3339")]
        pub observed_at: OffsetDateTime,
        /// When that was received.
        #[serde(with = "time::serde::rfc3339")]
        pub received_at: OffsetDateTime,
        /// Could the time that was stated not be right?
        pub clock_suspect: bool,
        /// From when on it is known so: it may have been corrected.
        #[serde(with = "time::serde::rfc3339")]
        pub known_from: OffsetDateTime,
        /// The outcome as it was written.
        #[schema(schema_with = input::any)]
        pub outcome: Value,
        /// The condition that was seen.
        #[schema(example = "pressure_low")]
        pub condition: Option<String>,
        /// What was measured.
        #[schema(schema_with = input::object)]
        pub measurements: Value,
        /// What was written about it.
        pub note: Option<String>,
        /// The class that the rules give; null: a person recorded it.
        pub classification: Option<DefectClass>,
        /// The rule that gave it.
        #[schema(nullable)]
        pub rule: Option<RuleReference>,
        /// Hash of the change that says otherwise and had seen it.
        pub superseded_by: Option<String>,
        /// What became of it where it came after the session was completed.
        pub late: Option<LateState>,
        /// Are there several outcomes, about which nobody has decided?
        pub in_conflict: bool,
        /// Evidence of it.
        pub evidence: Vec<Uuid>,
    }
}

body! {
    /// Which observations are wanted.
    #[derive(Debug, Default)]
    pub struct ObservationFilter {
        /// As they were known then (RFC 3339); left out: now.
        pub as_of: Option<Time>,
    }
}

/// Observations, with the defect that they are of and when that was known. They are worked out again now and then, so that no transaction says
/// since when they are there: all of them are in sight.
const OBSERVATIONS: &str = "(
    select o.organisation_id, v.defect_id, v.known_from as defect_known_from, v.known_to as defect_known_to, o.id, o.known_from, o.known_to,
           o.observed_at as created_at, '0'::xid8 as created_xid, o.session_id, o.item_id, null::uuid as user_id, o.observed_at,
           o.received_at, (o.content ->> 'clock_suspect')::bool as clock_suspect, o.content -> 'outcome' as outcome,
           o.content ->> 'condition' as condition, o.content -> 'measurements' as measurements, o.content ->> 'notes' as note,
           o.classification, nullif(o.content -> 'rule', 'null') as rule, o.content ->> 'superseded_by' as superseded_by,
           o.content ->> 'late' as late, (o.content ->> 'in_conflict')::bool as in_conflict,
           array(select e::uuid from jsonb_array_elements_text(o.content -> 'evidence') e) as evidence
    from defect_versions v cross join lateral unnest(v.observation_ids) as of_defect (id)
    cross join lateral (select * from item_observations i where i.organisation_id = v.organisation_id and i.id = of_defect.id
                        order by i.known_from offset 0) o
    union all
    select a.organisation_id, a.defect_id, a.recorded_at, null, a.id, a.recorded_at, null, a.at, a.created_xid, null, null, a.user_id, a.at,
           a.recorded_at, false, '\"fail\"', null, '{}', a.body ->> 'note', null, null, null, null, false,
           array(select e::uuid from jsonb_array_elements_text(a.body -> 'evidence') e)
    from defect_acts a where a.kind = 'observe') observations";

/// One page of what was seen of a defect, the latest first.
///
/// # Errors
/// The database does not answer.
pub async fn list(
    on: &impl Executor,
    organisation_id: Uuid,
    defect_id: Uuid,
    filter: &ObservationFilter,
    keyset: &Keyset,
) -> Result<Page<DefectObservation>, StorageError> {
    let as_of = filter.as_of.map(Time::get);
    let of_defect = |known: &str| known.replace("known_", "defect_known_");
    Listing::of(OBSERVATIONS, organisation_id, keyset)
        .only("defect_id = {}", defect_id)
        .where_if(as_of.is_none().then_some(KNOWN_NOW))
        .where_if(as_of.is_none().then(|| of_defect(KNOWN_NOW)).as_deref())
        .only_if(KNOWN_THEN, as_of)
        .only_if(&of_defect(KNOWN_THEN), as_of)
        .page_from(on, DefectObservation::read, |page| {
            format!("select {}, created_at from {page} page", DefectObservation::columns())
        })
        .await
}
