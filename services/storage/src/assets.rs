//! The register of what is tested in a building.

use firemode_domain::audit::{OnRecord, Record};
use firemode_domain::body;
use firemode_domain::input;
use serde::Serialize;
use serde_json::Value;
use time::{Date, OffsetDateTime};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::page::{Keyset, Listing, Page};
use crate::row::{Row as _, row};
use crate::table::Table;
use crate::{Executor, StorageError, iso_date};

row! {
    /// An asset.
    #[derive(Debug, Clone, Serialize, ToSchema)]
    #[schema(as = AssetView)]
    pub struct Asset {
        /// The asset's id.
        pub id: Uuid,
        /// The building that it is in.
        pub building_id: Uuid,
        /// Which rule applies to it.
        #[schema(example = "EXT-PRESSURE")]
        pub item_code: String,
        /// Section of AS 1851-2012; null where its measure is maintained by another standard.
        #[schema(example = 10, minimum = 2, maximum = 14)]
        pub section: Option<i16>,
        /// What is written on it.
        #[schema(example = "Extinguisher 3")]
        pub label: String,
        /// Where in the building it is.
        #[schema(example = "Level 2, by the lift")]
        pub location: String,
        /// When it was put in.
        #[serde(with = "iso_date::option")]
        #[schema(value_type = Option<String>, format = Date, example = "2021-03-01")]
        pub installed_on: Option<Date>,
        /// The measure of the building that it belongs to.
        pub measure_id: Option<Uuid>,
        /// Free fields of the customer.
        #[schema(schema_with = input::object)]
        pub metadata: Value,
        /// False once deactivated.
        pub is_active: bool,
        /// When it was made.
        #[serde(with = "time::serde::rfc3339")]
        pub created_at: OffsetDateTime = database,
        /// When it last changed.
        #[serde(with = "time::serde::rfc3339")]
        pub updated_at: OffsetDateTime = database,
    }
}

body! {
    /// Which assets of a building are wanted.
    #[derive(Debug, Default)]
    pub struct AssetFilter {
        /// Only active ones, or only deactivated ones.
        pub is_active: Option<bool>,
        /// Only those of one measure.
        pub measure_id: Option<Uuid>,
    }
}

/// The constraint that an asset has a measure of its own building, and that a measure stays while an asset has it.
pub const MEASURE_OF_BUILDING: &str = "assets_measure_fkey";

impl Table for Asset {
    const NAME: &'static str = "assets";

    fn id(&self) -> Uuid {
        self.id
    }

    fn updated_at(&self) -> OffsetDateTime {
        self.updated_at
    }
}

impl OnRecord for Asset {
    fn on_record(&self, record: &mut Record<'_>) {
        record.plain("building_id", self.building_id);
        record.code("item_code", self.item_code.as_str());
        record.plain("section", self.section);
        record.text("label", self.label.as_str());
        record.text("location", self.location.as_str());
        record.date("installed_on", self.installed_on);
        record.plain("measure_id", self.measure_id);
        record.free("metadata", &self.metadata);
        record.plain("is_active", self.is_active);
    }
}

/// One page of a building's assets, newest first.
///
/// # Errors
/// The database does not answer.
pub async fn list(
    on: &impl Executor,
    organisation_id: Uuid,
    building_id: Uuid,
    filter: &AssetFilter,
    keyset: &Keyset,
) -> Result<Page<Asset>, StorageError> {
    let list = Listing::of(Asset::NAME, organisation_id, keyset).only("building_id = {}", building_id);
    list.active_if(filter.is_active).only_if("measure_id = {}", filter.measure_id).page(on).await
}

/// The item codes of a building's active assets.
///
/// # Errors
/// The database does not answer.
pub async fn item_codes_of(
    on: &impl Executor,
    organisation_id: Uuid,
    building_id: Uuid,
) -> Result<Vec<String>, StorageError> {
    let sql =
        "select distinct item_code from assets where organisation_id = $1 and building_id = $2 and is_active";
    let rows = on.rows(sql, &[&organisation_id, &building_id]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The active assets of a building, in the order in which they were registered; `ids` narrows it.
///
/// # Errors
/// The database does not answer.
pub async fn active_of(
    on: &impl Executor,
    organisation_id: Uuid,
    building_id: Uuid,
    ids: Option<&[Uuid]>,
) -> Result<Vec<Asset>, StorageError> {
    let (columns, narrowed) = (Asset::columns(), ids.map_or("", |_| "and id = any ($3)"));
    let sql = format!(
        "select {columns} from assets where organisation_id = $1 and building_id = $2 and is_active {narrowed}
         order by created_at, id"
    );
    let rows = match &ids {
        Some(ids) => on.rows(&sql, &[&organisation_id, &building_id, ids]).await?,
        None => on.rows(&sql, &[&organisation_id, &building_id]).await?,
    };
    Asset::read_all(&rows)
}
