//! Organisations: the tenants, and what each says for all of its buildings.

use std::collections::{HashMap, HashSet};

use firemode_domain::audit::{OnRecord, Record};
use firemode_domain::place::{Jurisdiction, Place, Stated, TimeZone};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::row::{Row as _, row};
use crate::table::Table;
use crate::{Executor, StorageError, sql};

row! {
    /// An organisation.
    #[derive(Debug, Clone, Serialize, ToSchema)]
    #[schema(as = OrganisationView)]
    pub struct Organisation {
        /// The organisation's id.
        pub id: Uuid,
        /// What people call it.
        #[schema(example = "Example Fire Services")]
        pub name: String,
        /// Whose law applies to buildings that do not say so; null: nobody said.
        #[schema(example = "NSW")]
        pub default_jurisdiction: Option<Jurisdiction>,
        /// In which zone their days are; null: by the default jurisdiction.
        #[schema(value_type = Option<String>, example = "Australia/Sydney")]
        pub default_time_zone: Option<TimeZone>,
        /// Are items refused that no rule covers? Otherwise they are taken with a warning.
        pub strict_item_codes: bool,
        /// When it was made.
        #[serde(with = "time::serde::rfc3339")]
        pub created_at: OffsetDateTime = database,
        /// When it last changed.
        #[serde(with = "time::serde::rfc3339")]
        pub updated_at: OffsetDateTime = database,
    }
}

impl Table for Organisation {
    const NAME: &'static str = "organisations";
    const OF_TENANT: &'static str = "id";

    fn id(&self) -> Uuid {
        self.id
    }

    fn updated_at(&self) -> OffsetDateTime {
        self.updated_at
    }
}

impl OnRecord for Organisation {
    fn on_record(&self, record: &mut Record<'_>) {
        record.text("name", self.name.as_str());
        record.plain("default_jurisdiction", self.default_jurisdiction);
        record.plain("default_time_zone", self.default_time_zone.clone());
        record.plain("strict_item_codes", self.strict_item_codes);
    }
}

row! {
    /// What a session's building and the organisation say of where it stands.
    struct StatedPlaces {
        pub organisation_id: Uuid,
        pub session_id: Option<Uuid>,
        pub default_jurisdiction: Option<Jurisdiction>,
        pub default_time_zone: Option<TimeZone>,
        pub jurisdiction: Option<Jurisdiction>,
        pub time_zone: Option<TimeZone>,
    }
}

impl StatedPlaces {
    fn place(self) -> Place {
        let building = Stated { jurisdiction: self.jurisdiction, time_zone: self.time_zone };
        let organisation =
            Stated { jurisdiction: self.default_jurisdiction, time_zone: self.default_time_zone };
        Place::of(building, organisation)
    }
}

/// An organisation, and a session of it, or none: anywhere in the organisation.
pub type PlaceKey = (Uuid, Option<Uuid>);

/// The place of each session's building, and that of a building that says nothing of it; nothing for a session that the organisation
/// does not have.
///
/// # Errors
/// The database does not answer.
pub async fn places(
    on: &impl Executor,
    keys: &HashSet<PlaceKey>,
) -> Result<HashMap<PlaceKey, Place>, StorageError> {
    let (organisations, sessions): (Vec<Uuid>, Vec<Option<Uuid>>) = keys.iter().copied().unzip();
    let sql = "select w.organisation_id, w.session_id, o.default_jurisdiction, o.default_time_zone, b.jurisdiction, b.time_zone
               from unnest($1::uuid[], $2::uuid[]) as w (organisation_id, session_id)
               join organisations o on o.id = w.organisation_id
               left join test_sessions s on s.organisation_id = w.organisation_id and s.id = w.session_id
               left join buildings b on b.organisation_id = s.organisation_id and b.id = s.building_id
               where w.session_id is null or s.id is not null";
    let rows = StatedPlaces::read_all(&on.rows(sql, &[&organisations, &sessions]).await?)?;
    Ok(rows.into_iter().map(|row| ((row.organisation_id, row.session_id), row.place())).collect())
}

/// The place of a building.
///
/// # Errors
/// The database does not answer.
pub async fn place_of_building(
    on: &impl Executor,
    organisation_id: Uuid,
    building_id: Uuid,
) -> Result<Option<Place>, StorageError> {
    let sql = "select o.id as organisation_id, null::uuid as session_id, o.default_jurisdiction, o.default_time_zone,
                      b.jurisdiction, b.time_zone
               from buildings b join organisations o on o.id = b.organisation_id
               where b.organisation_id = $1 and b.id = $2";
    let row = sql::optional(on, sql, &[&organisation_id, &building_id]).await?;
    Ok(row.as_ref().map(StatedPlaces::read).transpose()?.map(StatedPlaces::place))
}

/// One of these places.
///
/// # Errors
/// The database does not answer.
pub async fn place(on: &impl Executor, key: PlaceKey) -> Result<Option<Place>, StorageError> {
    Ok(places(on, &HashSet::from([key])).await?.remove(&key))
}
