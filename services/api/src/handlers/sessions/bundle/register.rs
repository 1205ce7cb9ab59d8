//! What a bundle says of a building's open defects, of its schedule and of its assets' baselines, within a budget.

use std::collections::HashSet;

use firemode_domain::defect::{DefectClass, DefectStatus};
use firemode_storage::ReadTransaction;
use firemode_storage::assets::Asset;
use firemode_storage::baselines::{self, Baseline, BaselineKey};
use firemode_storage::defects::read::{self, Defect};
use firemode_storage::measures::{self, Measure};
use firemode_storage::places::{self, PlaceKey, PlaceOf};
use firemode_web::Problem;
use serde::Serialize;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// Bytes of JSON for all of it.
const BYTES_MAX: usize = 2 << 20;

/// No measure and no defect has less: so many of them are read at most.
const ROW_BYTES_MIN: usize = 256;

/// Defects, measures and baselines.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BundleRegister)]
pub(super) struct Register {
    /// The defects of the building that are not closed or withdrawn; where assets were asked for, those of these assets.
    defects: Vec<OpenDefect>,
    /// The measures of the building; where assets were asked for, those of these assets.
    measures: Vec<Measure>,
    /// The baselines of the assets that are in force today.
    baselines: Vec<Baseline>,
    /// How much was left out, the oldest first, because it does not fit.
    left_out: LeftOut,
}

impl Register {
    pub(super) fn defects(&self) -> &[OpenDefect] {
        &self.defects
    }
}

/// How many of each kind were left out.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LeftOut {
    #[schema(example = 0)]
    defects: usize,
    #[schema(example = 0)]
    measures: usize,
    #[schema(example = 0)]
    baselines: usize,
}

/// What a technician has to know of an open defect. It names nobody.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BundleDefect)]
pub(super) struct OpenDefect {
    id: Uuid,
    #[schema(example = 17)]
    number: i64,
    asset_id: Option<Uuid>,
    pub(super) item_id: Option<String>,
    /// The session of the first observation.
    pub(super) session_id: Option<Uuid>,
    #[schema(example = "EXT-PRESSURE")]
    item_code: Option<String>,
    #[schema(example = "pressure_low")]
    condition: Option<String>,
    classification: DefectClass,
    #[schema(example = "Extinguisher 4: pressure_low")]
    description: String,
    #[schema(example = "Level 1, east corridor")]
    location: Option<String>,
    #[schema(example = 10)]
    section: Option<i16>,
    status: DefectStatus,
    provisional: bool,
    #[serde(with = "time::serde::rfc3339")]
    observed_at: OffsetDateTime,
    /// How often it was observed.
    #[schema(example = 1)]
    observations: i32,
    needs_review: bool,
    /// What was done until it is repaired.
    interim_measures: Vec<String>,
    evidence: Vec<Uuid>,
}

impl OpenDefect {
    /// What a session's document says of an item that fails so.
    pub(super) fn as_item(&self) -> Value {
        let evidence: Map<String, Value> =
            self.evidence.iter().map(|id| (id.to_string(), true.into())).collect();
        json!({
            "asset_id": self.asset_id, "item_code": self.item_code, "location": self.location, "outcome": "fail",
            "observed_condition": self.condition, "evidence": evidence,
        })
    }
}

impl From<Defect> for OpenDefect {
    fn from(defect: Defect) -> Self {
        Self {
            id: defect.id,
            number: defect.number,
            asset_id: defect.asset_id,
            item_id: defect.item_id,
            session_id: defect.session_id,
            item_code: defect.item_code,
            condition: defect.condition,
            classification: defect.classification,
            description: defect.description,
            location: defect.location,
            section: defect.section,
            status: defect.status,
            provisional: defect.provisional,
            observed_at: defect.observed_at,
            observations: defect.observations,
            needs_review: defect.needs_review,
            interim_measures: defect.interim_measures.0.into_iter().map(|measure| measure.text).collect(),
            evidence: defect.evidence,
        }
    }
}

/// Open defects, measures and baselines of a building and of these of its assets; of all there are, where all assets were asked for.
pub(super) async fn register(
    tx: &ReadTransaction,
    organisation_id: Uuid,
    building_id: Uuid,
    assets: &[Asset],
    has_all_assets: bool,
) -> Result<Register, Problem> {
    let mut room = BYTES_MAX;
    let read_max = BYTES_MAX / ROW_BYTES_MIN;
    let subjects: Vec<Uuid> = assets.iter().map(|asset| asset.id).collect();
    let subjects = (!has_all_assets).then_some(&*subjects);
    let (newest, defects_count) =
        read::newest_open(tx, organisation_id, building_id, subjects, read_max).await?;
    let (defects, _) = fitting(&mut room, newest.into_iter().map(OpenDefect::from).collect())?;
    let all = baselines_of(tx, organisation_id, building_id, assets).await?;
    let (baselines, baselines_left_out) = fitting(&mut room, all)?;
    let ids: Vec<Uuid> = assets.iter().filter_map(|asset| asset.measure_id).collect();
    let ids = (!has_all_assets).then_some(&*ids);
    let (newest, count) = measures::newest(tx, organisation_id, building_id, ids, read_max).await?;
    let (measures, _) = fitting(&mut room, newest)?;
    let left_out = LeftOut {
        defects: defects_count.saturating_sub(defects.len()),
        measures: count.saturating_sub(measures.len()),
        baselines: baselines_left_out,
    };
    Ok(Register { defects, measures, baselines, left_out })
}

/// The baselines that are in force today, the one recorded last first.
async fn baselines_of(
    tx: &ReadTransaction,
    organisation_id: Uuid,
    building_id: Uuid,
    assets: &[Asset],
) -> Result<Vec<Baseline>, Problem> {
    let place = places::find(tx, PlaceKey::now(organisation_id, PlaceOf::Building(building_id))).await?;
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
