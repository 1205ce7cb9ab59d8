//! Baselines of assets, in versions that never change.

use std::collections::{BTreeMap, HashMap, HashSet};

use firemode_domain::audit::{OnRecord, Record};
use firemode_domain::classification::{AskedQuantity, BaselineValues};
use serde::Serialize;
use serde_json::{Value, json};
use time::{Date, OffsetDateTime};
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::assets::Asset;
use crate::page::{Keyset, Listing, Page};
use crate::row::{Row as _, row};
use crate::table::Table;
use crate::{Executor, StorageError, iso_date, sql};

/// Most versions of one asset's baseline.
pub const VERSIONS_MAX: i64 = 1_000;

/// Of several versions that count on a day, the one that began last decides; of several that began on one day, the one that was
/// recorded last.
const DECIDING_FIRST: &str = "order by b.valid_from desc, b.created_at desc, b.id desc";

row! {
    /// A version of an asset's baseline.
    #[derive(Debug, Clone, Serialize, ToSchema)]
    #[schema(as = BaselineVersion)]
    pub struct Baseline {
        /// The version's id.
        pub id: Uuid,
        /// The asset.
        pub asset_id: Uuid,
        /// What its values were.
        #[serde(rename = "values")]
        #[schema(value_type = BaselineValues, example = json!({"pressure": {"value": 1200.0, "unit": "kPa"}}))]
        pub quantities: BaselineValues,
        /// Where they are from.
        #[schema(example = "Commissioning report of 1 March 2021")]
        pub source: String,
        /// The first day, at the building, on which they count.
        #[serde(with = "iso_date")]
        #[schema(value_type = String, format = Date, example = "2021-03-01")]
        pub valid_from: Date,
        /// Who recorded them.
        pub recorded_by: Uuid,
        /// When they were recorded.
        #[serde(with = "time::serde::rfc3339")]
        pub created_at: OffsetDateTime = database,
    }
}

impl Table for Baseline {
    const NAME: &'static str = "baselines";

    fn id(&self) -> Uuid {
        self.id
    }

    fn updated_at(&self) -> OffsetDateTime {
        self.created_at
    }
}

impl OnRecord for Baseline {
    fn on_record(&self, record: &mut Record<'_>) {
        record.plain("asset_id", self.asset_id);
        record.free("values", &json!(self.quantities));
        record.text("source", self.source.as_str());
        record.date("valid_from", Some(self.valid_from));
    }
}

/// Which baseline is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BaselineKey {
    /// The tenant.
    pub organisation_id: Uuid,
    /// The asset.
    pub asset_id: Uuid,
    /// The day, at the building, on which it is in force.
    pub day: Date,
    /// What was recorded later does not count; none: all that is on record.
    pub known_at: Option<OffsetDateTime>,
}

/// The version that is in force for each key; nothing where there is none.
///
/// # Errors
/// The database does not answer.
pub async fn in_force(
    on: &impl Executor,
    keys: &HashSet<BaselineKey>,
) -> Result<HashMap<BaselineKey, Baseline>, StorageError> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let keys: Vec<BaselineKey> = keys.iter().copied().collect();
    let column = |of: fn(&BaselineKey) -> Uuid| keys.iter().map(of).collect::<Vec<Uuid>>();
    let (organisations, assets) = (column(|key| key.organisation_id), column(|key| key.asset_id));
    let days: Vec<Date> = keys.iter().map(|key| key.day).collect();
    let moments: Vec<Option<OffsetDateTime>> = keys.iter().map(|key| key.known_at).collect();
    let statement = format!(
        "select w.place, b.* from unnest($1::uuid[], $2::uuid[], $3::date[], $4::timestamptz[])
                                  with ordinality as w (organisation_id, asset_id, day, known_at, place)
         cross join lateral (
             select {} from baselines b
             where b.organisation_id = w.organisation_id and b.asset_id = w.asset_id
               and b.valid_from <= w.day and (w.known_at is null or b.created_at <= w.known_at)
             {DECIDING_FIRST} limit 1
         ) b",
        Baseline::columns()
    );
    let rows = on.rows(&statement, &[&organisations, &assets, &days, &moments]).await?;
    rows.iter().map(|row| Ok((keys[sql::place(row.get("place"))], Baseline::read(row)?))).collect()
}

/// The version that is in force for one asset.
///
/// # Errors
/// The database does not answer.
pub async fn of_asset(on: &impl Executor, key: BaselineKey) -> Result<Option<Baseline>, StorageError> {
    Ok(in_force(on, &HashSet::from([key])).await?.remove(&key))
}

/// The versions of an asset: how many there are, and the one that decides from a day on until another begins.
///
/// # Errors
/// The database does not answer.
pub async fn from_day(
    on: &impl Executor,
    organisation_id: Uuid,
    asset_id: Uuid,
    valid_from: Date,
) -> Result<(i64, Option<Baseline>), StorageError> {
    let count = "select count(*) from baselines where organisation_id = $1 and asset_id = $2";
    let count = sql::one(on, count, &[&organisation_id, &asset_id]).await?.get(0);
    let statement = format!(
        "select {} from baselines b where organisation_id = $1 and asset_id = $2 and valid_from = $3 {DECIDING_FIRST} limit 1",
        Baseline::columns()
    );
    let row = sql::optional(on, &statement, &[&organisation_id, &asset_id, &valid_from]).await?;
    Ok((count, row.as_ref().map(Baseline::read).transpose()?))
}

/// One page of the versions of an asset's baseline, the one recorded last first.
///
/// # Errors
/// The database does not answer.
pub async fn versions(
    on: &impl Executor,
    organisation_id: Uuid,
    asset_id: Uuid,
    keyset: &Keyset,
) -> Result<Page<Baseline>, StorageError> {
    Listing::of(Baseline::NAME, organisation_id, keyset).only("asset_id = {}", asset_id).page(on).await
}

/// What is asked of the baselines of a building's assets.
#[derive(Debug)]
pub struct Asked {
    /// The building.
    pub building_id: Uuid,
    /// The day there.
    pub day: Date,
    /// What is asked of assets with an item code.
    pub quantities: AskedByCode,
    /// The same where a measure's performance solution has something to say of the item code.
    pub by_measure: BTreeMap<Uuid, AskedByCode>,
}

/// What is asked of assets, by their item code.
pub type AskedByCode = BTreeMap<String, Vec<AskedQuantity>>;

/// How many active assets something is asked of, and how many of them say all of it.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct Completeness {
    /// Active assets of which rules ask for a baseline.
    #[schema(example = 12)]
    pub assets: i64,
    /// Those whose baseline says all that is asked for.
    #[schema(example = 10)]
    pub complete: i64,
}

impl Asked {
    /// What is asked of an asset of this measure, if it has one.
    pub fn of(&self, measure_id: Option<Uuid>, item_code: &str) -> &[AskedQuantity] {
        let by_measure = measure_id.and_then(|id| self.by_measure.get(&id)?.get(item_code));
        by_measure.or_else(|| self.quantities.get(item_code)).map_or(&[], Vec::as_slice)
    }

    /// The units in which each quantity may stand: by item code under `any`, and under the ids of measures.
    fn units(&self) -> Value {
        let units = |asked: &AskedQuantity| (asked.quantity.clone(), asked.units().collect::<Value>());
        let of_code = |asked: &Vec<AskedQuantity>| asked.iter().map(units).collect::<Value>();
        let of_codes = |codes: &AskedByCode| {
            codes.iter().map(|(item_code, asked)| (item_code.clone(), of_code(asked))).collect::<Value>()
        };
        let by_measure = self.by_measure.iter().map(|(id, codes)| (id.to_string(), of_codes(codes)));
        by_measure.chain([("any".to_owned(), of_codes(&self.quantities))]).collect()
    }

    /// Of these units those that are asked of an asset; null or empty where nothing is.
    fn of_asset(units: &str) -> String {
        format!(
            "coalesce({units} -> assets.measure_id::text -> assets.item_code, {units} -> 'any' -> assets.item_code)"
        )
    }

    /// The condition that an asset's baseline lacks something; the places of the units and of the day are given.
    fn is_lacking(units: &str, day: &str) -> String {
        let asked = Self::of_asset(units);
        format!(
            "exists (select from jsonb_each({asked}) as asked (quantity, units)
                     where not coalesce(asked.units ? (
                         (select b.quantities from baselines b
                          where b.organisation_id = assets.organisation_id and b.asset_id = assets.id and b.valid_from <= {day}
                          {DECIDING_FIRST} limit 1) -> asked.quantity ->> 'unit'), false))"
        )
    }
}

/// How complete the baselines of a building are, and one page of its active assets whose baselines lack something, newest first. Each of its
/// assets is looked at once, for both.
///
/// # Errors
/// The database does not answer.
pub async fn completeness(
    on: &impl Executor,
    organisation_id: Uuid,
    asked: &Asked,
    keyset: &Keyset,
) -> Result<(Completeness, Page<Asset>), StorageError> {
    let mut list = Listing::of("judged", organisation_id, keyset).holds("is_lacking");
    let (building, units, day) =
        (list.place(asked.building_id), list.place(asked.units()), list.place(asked.day));
    let units = format!("{units}::jsonb");
    let judged = format!(
        "select organisation_id, id, created_at, created_xid, {} as is_lacking from assets
         where organisation_id = $1 and building_id = {building} and is_active and {} <> '{{}}'",
        Asked::is_lacking(&units, &day),
        Asked::of_asset(&units)
    );
    // The counts are there where the page is empty, too.
    let read = |row: &Row| {
        let counts = Completeness { assets: row.get("of_assets"), complete: row.get("of_complete") };
        let asset = row.get::<_, Option<Uuid>>("id").map(|_| Asset::read(row)).transpose()?;
        Ok((counts, asset))
    };
    let page = list.page_from(on, read, |page| {
        format!(
            "with judged as materialized ({judged})
             select of_assets, of_complete, {} from (
                 select count(*) as of_assets, count(*) filter (where not is_lacking) as of_complete from judged
             ) counts
             left join (
                 select asset.* from {page} page cross join lateral (
                     select * from assets where organisation_id = $1 and id = page.id offset 0
                 ) asset
             ) lacking on true",
            Asset::columns()
        )
    });
    let Page { rows, next } = page.await?;
    let counts = rows.first().map_or(Completeness { assets: 0, complete: 0 }, |(counts, _)| *counts);
    Ok((counts, Page { rows: rows.into_iter().filter_map(|(_, asset)| asset).collect(), next }))
}
