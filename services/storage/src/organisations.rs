//! Organisations: the tenants, and what each says for all of its buildings.

use firemode_domain::audit::{OnRecord, Record};
use firemode_domain::place::{Jurisdiction, Place, Stated, TimeZone};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::row::row;
use crate::sql::{self, Params};
use crate::table::Table;
use crate::{Executor, StorageError};

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
    }
}

row! {
    /// What a building and its organisation say of where it stands.
    struct StatedPlaces {
        pub default_jurisdiction: Option<Jurisdiction>,
        pub default_time_zone: Option<TimeZone>,
        pub jurisdiction: Option<Jurisdiction>,
        pub time_zone: Option<TimeZone>,
    }
}

impl From<StatedPlaces> for Place {
    fn from(stated: StatedPlaces) -> Self {
        Self::of(
            Stated { jurisdiction: stated.jurisdiction, time_zone: stated.time_zone },
            Stated { jurisdiction: stated.default_jurisdiction, time_zone: stated.default_time_zone },
        )
    }
}

/// The place of a building that says nothing of it.
///
/// # Errors
/// The database does not answer.
pub async fn place(on: &impl Executor, organisation_id: Uuid) -> Result<Place, StorageError> {
    let sql =
        "select default_jurisdiction, default_time_zone, null::text as jurisdiction, null::text as time_zone
               from organisations where id = $1";
    let place = place_of(on, sql, &[&organisation_id]).await?;
    place.ok_or_else(|| StorageError::Damaged("an organisation is not there".to_owned()))
}

/// The place of a session's building; none where the organisation has no such session.
///
/// # Errors
/// The database does not answer.
pub async fn place_of_session(
    on: &impl Executor,
    organisation_id: Uuid,
    session_id: Uuid,
) -> Result<Option<Place>, StorageError> {
    let sql = "select o.default_jurisdiction, o.default_time_zone, b.jurisdiction, b.time_zone
               from test_sessions s
               join buildings b on b.organisation_id = s.organisation_id and b.id = s.building_id
               join organisations o on o.id = s.organisation_id
               where s.organisation_id = $1 and s.id = $2";
    place_of(on, sql, &[&organisation_id, &session_id]).await
}

async fn place_of(on: &impl Executor, sql: &str, params: Params<'_>) -> Result<Option<Place>, StorageError> {
    let row = sql::optional(on, sql, params).await?;
    Ok(row.as_ref().map(<StatedPlaces as crate::row::Row>::read).transpose()?.map(Place::from))
}
