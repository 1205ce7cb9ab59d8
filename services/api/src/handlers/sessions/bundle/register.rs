//! What a bundle says of a building's schedule and of its assets' baselines, within a budget.

use std::collections::HashSet;

use firemode_storage::assets::Asset;
use firemode_storage::baselines::{self, Baseline, BaselineKey};
use firemode_storage::measures::{self, Measure};
use firemode_storage::{ReadTransaction, organisations};
use firemode_web::Problem;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// Bytes of JSON for all of it.
const BYTES_MAX: usize = 2 << 20;

/// No measure has less: so many of them are read at most.
const MEASURE_BYTES_MIN: usize = 256;

/// Measures and baselines.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BundleRegister)]
pub(super) struct Register {
    /// The measures of the building; where assets were asked for, those of these assets.
    measures: Vec<Measure>,
    /// The baselines of the assets that are in force today.
    baselines: Vec<Baseline>,
    /// How much was left out, the oldest first, because it does not fit.
    left_out: LeftOut,
}

/// How many of each kind were left out.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LeftOut {
    #[schema(example = 0)]
    measures: usize,
    #[schema(example = 0)]
    baselines: usize,
}

/// Measures and baselines of a building and of these of its assets; of all measures, where all assets were asked for.
pub(super) async fn register(
    tx: &ReadTransaction,
    organisation_id: Uuid,
    building_id: Uuid,
    assets: &[Asset],
    has_all_assets: bool,
) -> Result<Register, Problem> {
    let mut room = BYTES_MAX;
    let all = baselines_of(tx, organisation_id, building_id, assets).await?;
    let (baselines, baselines_left_out) = fitting(&mut room, all)?;
    let ids: Vec<Uuid> = assets.iter().filter_map(|asset| asset.measure_id).collect();
    let ids = (!has_all_assets).then_some(&*ids);
    let read_max = BYTES_MAX / MEASURE_BYTES_MIN;
    let (newest, count) = measures::newest(tx, organisation_id, building_id, ids, read_max).await?;
    let (measures, _) = fitting(&mut room, newest)?;
    let left_out = LeftOut { measures: count - measures.len(), baselines: baselines_left_out };
    Ok(Register { measures, baselines, left_out })
}

/// The baselines that are in force today, the one recorded last first.
async fn baselines_of(
    tx: &ReadTransaction,
    organisation_id: Uuid,
    building_id: Uuid,
    assets: &[Asset],
) -> Result<Vec<Baseline>, Problem> {
    let place = organisations::place_of_building(tx, organisation_id, building_id).await?;
    let Some(place) = place else { return Ok(Vec::new()) };
    let day = place.day(OffsetDateTime::now_utc());
    let key = |asset: &Asset| BaselineKey { organisation_id, asset_id: asset.id, day, known_at: None };
    let keys: HashSet<BaselineKey> = assets.iter().map(key).collect();
    let mut found: Vec<Baseline> = baselines::in_force(tx, &keys).await?.into_values().collect();
    found.sort_by_key(|baseline| std::cmp::Reverse((baseline.created_at, baseline.id)));
    Ok(found)
}

/// Those that fit into the room that is left, and how many do not.
fn fitting<T: Serialize>(room: &mut usize, newest_first: Vec<T>) -> Result<(Vec<T>, usize), Problem> {
    let count = newest_first.len();
    let mut kept = Vec::new();
    for row in newest_first {
        let bytes = serde_json::to_vec(&row).map_err(Problem::internal)?.len();
        let Some(left) = room.checked_sub(bytes) else { break };
        *room = left;
        kept.push(row);
    }
    let left_out = count - kept.len();
    Ok((kept, left_out))
}
