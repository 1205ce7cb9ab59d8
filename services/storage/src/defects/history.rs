//! What happened to a defect.

use firemode_domain::input;
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::page::{Keyset, Listing, Page};
use crate::row::{Row as _, row};
use crate::{Executor, StorageError};

row! {
    /// Something that a person did about a defect, or that became known of one of its observations.
    #[derive(Debug, Clone, Serialize, ToSchema)]
    pub struct DefectEvent {
        /// Id of the act or of the observation. An observation is there once for each state that it was in.
        pub id: Uuid,
        /// `open`, `transition`, `observe`, `reclassify`, `assign`, `describe`, `interim_measure` or `evidence` for what a person did;
        /// `observation` for what a session says.
        #[schema(example = "transition")]
        pub kind: String,
        /// When it was done or observed.
        #[serde(with = "time::serde::rfc3339")]
        pub at: OffsetDateTime,
        /// When it was recorded.
        #[serde(with = "time::serde::rfc3339")]
        pub recorded_at: OffsetDateTime,
        /// Who did it; null: a session says it.
        pub user_id: Option<Uuid>,
        /// The session that says it.
        pub session_id: Option<Uuid>,
        /// The item in that session.
        pub item_id: Option<String>,
        /// What was done, or what the session says of the item.
        #[schema(schema_with = input::object)]
        pub body: Value,
    }
}

/// What happened to defects. States of observations are worked out again now and then, so that no transaction says since when they are
/// there: all of them are in sight.
const EVENTS: &str = "(
    select a.organisation_id, a.defect_id, a.recorded_at as created_at, a.created_xid, a.id, a.kind, a.at, a.recorded_at, a.user_id,
           null::uuid as session_id, null::text as item_id, a.body
    from defect_acts a
    union all
    select o.organisation_id, v.defect_id, o.known_from, '0'::xid8, o.id, 'observation', o.observed_at, o.known_from, null, o.session_id,
           o.item_id, o.content
    from defect_versions v cross join lateral unnest(v.observation_ids) as of_defect (id)
    cross join lateral (select * from item_observations i where i.organisation_id = v.organisation_id and i.id = of_defect.id
                        order by i.known_from offset 0) o
    where v.known_to is null) events";

/// One page of what happened to a defect, what was recorded last first.
///
/// # Errors
/// The database does not answer.
pub async fn list(
    on: &impl Executor,
    organisation_id: Uuid,
    defect_id: Uuid,
    keyset: &Keyset,
) -> Result<Page<DefectEvent>, StorageError> {
    Listing::of(EVENTS, organisation_id, keyset)
        .only("defect_id = {}", defect_id)
        .page_from(on, DefectEvent::read, |page| {
            format!("select {}, created_at from {page} page", DefectEvent::columns())
        })
        .await
}
