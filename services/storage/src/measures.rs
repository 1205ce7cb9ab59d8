//! The measures of buildings: their fire safety schedules.

use firemode_domain::audit::{OnRecord, Record};
use firemode_domain::classification::SolutionLimits;
use firemode_domain::measure::PerformanceSolution;
use serde::Serialize;
use serde_json::json;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::page::{Keyset, Listing, Page};
use crate::row::{Row as _, row};
use crate::table::Table;
use crate::{Executor, StorageError, sql};

row! {
    /// A measure.
    #[derive(Debug, Clone, Serialize, ToSchema)]
    #[schema(as = MeasureView)]
    pub struct Measure {
        /// The measure's id.
        pub id: Uuid,
        /// The building.
        pub building_id: Uuid,
        /// What the schedule calls it.
        #[schema(example = "Fire hydrant systems")]
        pub name: String,
        /// Section of AS 1851-2012; null where it is maintained by another standard.
        #[schema(example = 4, minimum = 2, maximum = 14)]
        pub section: Option<i16>,
        /// What it has to meet.
        #[schema(example = "AS 2419.1-2005")]
        pub standard_of_performance: String,
        /// By which standard it is maintained.
        #[schema(example = "AS 1851-2012")]
        pub maintenance_standard: String,
        /// A solution that was agreed on in the place of what the standard asks for.
        #[schema(nullable)]
        pub performance_solution: Option<PerformanceSolution>,
        /// Is it critical: does the building's use depend on it?
        pub is_critical: bool,
        /// Months from one statement about it to the next; null: as the law of its place says.
        #[schema(example = 6)]
        pub statement_interval_months: Option<i16>,
        /// What another system calls it.
        #[schema(example = "FSM-0012")]
        pub external_id: Option<String>,
        /// When it was made.
        #[serde(with = "time::serde::rfc3339")]
        pub created_at: OffsetDateTime = database,
        /// When it last changed.
        #[serde(with = "time::serde::rfc3339")]
        pub updated_at: OffsetDateTime = database,
    }
}

/// The constraint that refuses a second measure of a building that another system calls the same.
pub const EXTERNAL_ID_TAKEN: &str = "idx_measures_external_id";

impl Table for Measure {
    const NAME: &'static str = "measures";

    fn id(&self) -> Uuid {
        self.id
    }

    fn updated_at(&self) -> OffsetDateTime {
        self.updated_at
    }
}

impl OnRecord for Measure {
    fn on_record(&self, record: &mut Record<'_>) {
        record.plain("building_id", self.building_id);
        record.text("name", self.name.as_str());
        record.plain("section", self.section);
        record.text("standard_of_performance", self.standard_of_performance.as_str());
        record.text("maintenance_standard", self.maintenance_standard.as_str());
        record.free("performance_solution", &json!(self.performance_solution));
        record.plain("is_critical", self.is_critical);
        record.plain("statement_interval_months", self.statement_interval_months);
        record.code("external_id", self.external_id.as_deref());
    }
}

/// One page of a building's measures, newest first.
///
/// # Errors
/// The database does not answer.
pub async fn list(
    on: &impl Executor,
    organisation_id: Uuid,
    building_id: Uuid,
    keyset: &Keyset,
) -> Result<Page<Measure>, StorageError> {
    Listing::of(Measure::NAME, organisation_id, keyset).only("building_id = {}", building_id).page(on).await
}

/// How many assets have a measure, deactivated ones too, and how many of them have no section.
///
/// # Errors
/// The database does not answer.
pub async fn assets_of(
    on: &impl Executor,
    organisation_id: Uuid,
    measure_id: Uuid,
) -> Result<(i64, i64), StorageError> {
    let sql = "select count(*), count(*) filter (where section is null) from assets
               where organisation_id = $1 and measure_id = $2";
    let row = sql::one(on, sql, &[&organisation_id, &measure_id]).await?;
    Ok((row.get(0), row.get(1)))
}

/// The measures of a building whose performance solutions override limits, with these.
///
/// # Errors
/// The database does not answer.
pub async fn solutions_of(
    on: &impl Executor,
    organisation_id: Uuid,
    building_id: Uuid,
) -> Result<Vec<(Uuid, SolutionLimits)>, StorageError> {
    let sql = "select id, performance_solution -> 'overrides' as overrides from measures
               where organisation_id = $1 and building_id = $2 and performance_solution -> 'overrides' ? 'limits'";
    let rows = on.rows(sql, &[&organisation_id, &building_id]).await?;
    Ok(rows.iter().map(|row| (row.get("id"), SolutionLimits::of_stored(&row.get("overrides")))).collect())
}

/// The newest measures of a building, at most so many, and how many there are; only those with these ids, where some are given.
///
/// # Errors
/// The database does not answer.
pub async fn newest(
    on: &impl Executor,
    organisation_id: Uuid,
    building_id: Uuid,
    ids: Option<&[Uuid]>,
    limit: usize,
) -> Result<(Vec<Measure>, usize), StorageError> {
    let of_building = "from measures where organisation_id = $1 and building_id = $2 and ($3::uuid[] is null or id = any ($3))";
    let count: i64 =
        sql::one(on, &format!("select count(*) {of_building}"), &[&organisation_id, &building_id, &ids])
            .await?
            .get(0);
    let columns = Measure::columns();
    let newest = format!("select {columns} {of_building} order by created_at desc, id desc limit $4");
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = on.rows(&newest, &[&organisation_id, &building_id, &ids, &limit]).await?;
    Ok((Measure::read_all(&rows)?, usize::try_from(count).unwrap_or_default()))
}
