//! Where faults were seen, and what is on record of the assets on which they were.

use std::collections::{HashMap, HashSet};

use firemode_domain::classification::{
    AssetRecord, Occasion, RecordedBaseline, RecordedSolution, SolutionLimits,
};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::baselines::{self, Baseline, BaselineKey};
use crate::places::{self, Found, PlaceKey, PlaceOf};
use crate::row::{Row as _, row};
use crate::{Executor, StorageError, sql};

/// What is said of where a fault was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SiteKey {
    /// The tenant.
    pub organisation_id: Uuid,
    /// The session in which it was seen.
    pub session_id: Option<Uuid>,
    /// The asset on which it was seen. One that was deactivated, or is in a building that was, is as good: what was seen on it was seen.
    pub asset_id: Option<Uuid>,
    /// When.
    pub at: OffsetDateTime,
    /// What was recorded later does not count; none: all that is on record.
    pub known_at: Option<OffsetDateTime>,
}

/// Where a fault was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultSite {
    /// The day there, and whose law applies.
    pub occasion: Occasion,
    /// What is on record of the asset; none where none is named.
    pub asset: Option<AssetRecord>,
}

/// Why there is no such site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoSite {
    /// The organisation does not have the session.
    NoSession,
    /// The organisation does not have the asset.
    NoAsset,
    /// The asset is not in the building of the session.
    OtherBuilding,
}

/// Which asset is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct AssetKey {
    organisation_id: Uuid,
    id: Uuid,
    known_at: Option<OffsetDateTime>,
}

row! {
    /// What is registered of an asset.
    struct Registered {
        pub building_id: Uuid,
        pub measure_id: Option<Uuid>,
        /// Of the performance solution of that measure.
        pub overrides: Option<Value>,
    }
}

type Assets = HashMap<AssetKey, Registered>;

impl Registered {
    fn solution(&self) -> Option<RecordedSolution> {
        let (measure_id, overrides) = (self.measure_id?, self.overrides.as_ref()?);
        Some(RecordedSolution { measure_id, limits: SolutionLimits::of_stored(overrides) })
    }
}

impl SiteKey {
    fn asset(&self) -> Option<AssetKey> {
        let Self { organisation_id, known_at, .. } = *self;
        Some(AssetKey { organisation_id, id: self.asset_id?, known_at })
    }

    /// A session says where it was; without one, the asset does.
    fn place(&self, assets: &Assets) -> PlaceKey {
        let of_asset = || Some(PlaceOf::Building(assets.get(&self.asset()?)?.building_id));
        let of = self.session_id.map(PlaceOf::Session).or_else(of_asset).unwrap_or(PlaceOf::AnyBuilding);
        PlaceKey { organisation_id: self.organisation_id, of, known_at: self.known_at }
    }

    /// When and where it was, if there is such a place.
    fn occasion(&self, assets: &Assets, places: &HashMap<PlaceKey, Found>) -> Result<Occasion, NoSite> {
        let found = places.get(&self.place(assets)).ok_or(NoSite::NoSession)?;
        if let Some(asset) = self.asset() {
            let building_id = assets.get(&asset).ok_or(NoSite::NoAsset)?.building_id;
            if found.building_id != Some(building_id) {
                return Err(NoSite::OtherBuilding);
            }
        }
        Ok(Occasion::at(&found.place, self.at))
    }

    fn baseline(&self, occasion: Occasion) -> Option<BaselineKey> {
        let asset_id = self.asset_id?;
        let Self { organisation_id, known_at, .. } = *self;
        Some(BaselineKey { organisation_id, asset_id, day: occasion.day, known_at })
    }
}

/// The site for each key, or why there is none. Takes one statement for places, and one each for assets and for their baselines where assets
/// are named.
///
/// # Errors
/// The database does not answer.
pub async fn find_all(
    on: &impl Executor,
    keys: &HashSet<SiteKey>,
) -> Result<HashMap<SiteKey, Result<FaultSite, NoSite>>, StorageError> {
    let assets = registered(on, keys).await?;
    let places = keys.iter().map(|key| key.place(&assets)).collect();
    let places = places::find_all(on, &places).await?;
    let occasions: HashMap<SiteKey, Result<Occasion, NoSite>> =
        keys.iter().map(|key| (*key, key.occasion(&assets, &places))).collect();
    let wanted = occasions.iter().filter_map(|(key, occasion)| key.baseline((*occasion).ok()?)).collect();
    let baselines = baselines::in_force(on, &wanted).await?;
    let record = |key: &SiteKey, occasion: Occasion| {
        let baseline = key.baseline(occasion).and_then(|wanted| baselines.get(&wanted)).map(recorded);
        Some(AssetRecord { baseline, solution: assets.get(&key.asset()?)?.solution() })
    };
    let site = |key: &SiteKey, occasion| FaultSite { occasion, asset: record(key, occasion) };
    Ok(occasions.into_iter().map(|(key, occasion)| (key, occasion.map(|at| site(&key, at)))).collect())
}

fn recorded(baseline: &Baseline) -> RecordedBaseline {
    RecordedBaseline { id: baseline.id, values: baseline.quantities.clone() }
}

/// What is registered of the assets of these keys; nothing for one that the organisation does not have.
async fn registered(on: &impl Executor, keys: &HashSet<SiteKey>) -> Result<Assets, StorageError> {
    let keys: HashSet<AssetKey> = keys.iter().filter_map(SiteKey::asset).collect();
    if keys.is_empty() {
        return Ok(Assets::new());
    }
    let keys: Vec<AssetKey> = keys.into_iter().collect();
    let organisations: Vec<Uuid> = keys.iter().map(|key| key.organisation_id).collect();
    let ids: Vec<Uuid> = keys.iter().map(|key| key.id).collect();
    let moments: Vec<Option<OffsetDateTime>> = keys.iter().map(|key| key.known_at).collect();
    // `limit 1` makes each of them a look into an index, whatever is known of the tables. A measure that the asset had then may be gone,
    // and one that had no solution then has `null` as its former one.
    let statement = "select w.place, a.building_id, its.measure_id,
                            nullif(case when fm.former is null then m.overrides else fm.former -> 'overrides' end, 'null') as overrides
                     from unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) with ordinality as w (organisation_id, id, known_at, place)
                     cross join lateral (
                         select building_id, measure_id from assets where organisation_id = w.organisation_id and id = w.id limit 1
                     ) a
                     left join lateral (
                         select former from former_values
                         where organisation_id = w.organisation_id and subject_id = w.id and known_to > w.known_at
                         order by known_to limit 1
                     ) fa on true
                     cross join lateral (
                         select case when fa.former is null then a.measure_id else (fa.former ->> 'measure_id')::uuid end as measure_id
                     ) its
                     left join lateral (
                         select performance_solution -> 'overrides' as overrides from measures
                         where organisation_id = w.organisation_id and id = its.measure_id limit 1
                     ) m on true
                     left join lateral (
                         select former from former_values
                         where organisation_id = w.organisation_id and subject_id = its.measure_id and known_to > w.known_at
                         order by known_to limit 1
                     ) fm on true";
    let rows = on.rows(statement, &[&organisations, &ids, &moments]).await?;
    rows.iter().map(|row| Ok((keys[sql::place(row.get("place"))], Registered::read(row)?))).collect()
}
