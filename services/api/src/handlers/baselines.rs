//! Baselines of assets: what measured values are compared with, and which assets have none.

use std::collections::HashMap;

use actix_web::http::StatusCode;
use actix_web::http::header::ETAG;
use actix_web::{HttpResponse, web};
use firemode_domain::body;
use firemode_domain::classification::{
    AskedQuantity, BaselineValues, Occasion, SolutionLimits, rules_for_items,
};
use firemode_domain::input::{Becomes as _, Day, Line};
use firemode_domain::place::Place;
use firemode_storage::assets::{self, Asset};
use firemode_storage::baselines::{self, Asked, Baseline, BaselineKey, Completeness, VERSIONS_MAX};
use firemode_storage::buildings::Building;
use firemode_storage::measures;
use firemode_storage::page::{Keyset, Page};
use firemode_storage::places::{self, PlaceKey, PlaceOf};
use firemode_storage::{Executor, Hold, ReadTransaction, rules, table};
use firemode_web::{Body, Problem};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::call::Call;
use crate::etag::{self, IfMatch};
use crate::list::{Everything, List, Listing};
use crate::object::Object as _;
use crate::people::People;

body! {
    /// A version of an asset's baseline.
    #[derive(Debug, Clone)]
    pub(crate) struct SetBaseline like {
        "values": {"pressure": {"value": 1200, "unit": "kPa"}}, "source": "Commissioning report of 1 March 2021",
        "valid_from": "2021-03-01"
    } {
        /// Quantities by the names that rules have for them: a rule's `flow_measured` is compared with `flow`.
        values: BaselineValues,
        /// Where they are from.
        source: Line<200> = "Commissioning report of 1 March 2021",
        /// The first day, at the building, on which they count.
        valid_from: Day = "2021-03-01",
    }
}

/// A version of an asset's baseline, and who recorded it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NamedBaseline {
    #[serde(flatten)]
    baseline: Baseline,
    /// What the user who recorded it is called.
    #[schema(example = "Ada E.")]
    recorded_by_name: Option<String>,
}

/// How complete the baselines of a building are, and which of its assets lack something.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BuildingBaseline {
    #[serde(flatten)]
    completeness: Completeness,
    data: Vec<LackingAsset>,
    /// Pass it as `cursor` to go on; null at the end.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

/// An asset whose baseline lacks something that the rule for its item code asks for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LackingAsset {
    asset_id: Uuid,
    #[schema(example = "EXT-PRESSURE")]
    item_code: String,
    #[schema(example = "Extinguisher 3")]
    label: String,
    #[schema(example = "Level 2, by the lift")]
    location: String,
    /// The version of its baseline that is in force; null: none is.
    #[schema(required = true)]
    baseline_id: Option<Uuid>,
    /// What it lacks, or has in a unit that cannot be compared.
    missing: Vec<AskedQuantity>,
}

impl SetBaseline {
    fn baseline(self, asset_id: Uuid, recorded_by: Uuid) -> Baseline {
        Baseline {
            id: Uuid::now_v7(),
            asset_id,
            quantities: self.values,
            source: self.source.becomes(),
            valid_from: self.valid_from.becomes(),
            recorded_by,
            created_at: table::BY_DATABASE,
        }
    }
}

impl NamedBaseline {
    fn of(baseline: Baseline, people: &People) -> Self {
        Self { recorded_by_name: people.name(baseline.recorded_by), baseline }
    }
}

fn no_baseline() -> Problem {
    Problem::not_found("baseline that is in force today")
}

async fn answer(
    on: &impl Executor,
    call: &Call,
    status: StatusCode,
    baseline: Baseline,
) -> Result<HttpResponse, Problem> {
    let tag = etag::of_time(baseline.created_at);
    let people = call.people(on, [baseline.recorded_by]).await?;
    let named = NamedBaseline::of(baseline, &people);
    Ok(HttpResponse::build(status).insert_header((ETAG, tag)).json(named))
}

/// Where a building stands.
async fn place_of(on: &impl Executor, call: &Call, building_id: Uuid) -> Result<Place, Problem> {
    let place =
        places::find(on, PlaceKey::now(call.organisation_id(), PlaceOf::Building(building_id))).await?;
    place.ok_or_else(|| Problem::not_found(Building::CALLED))
}

/// The version that is in force today, where the asset is.
async fn in_force_today(on: &impl Executor, call: &Call, asset: &Asset) -> Result<Option<Baseline>, Problem> {
    let day = place_of(on, call, asset.building_id).await?.day(OffsetDateTime::now_utc());
    let organisation_id = call.organisation_id();
    let key = BaselineKey { organisation_id, asset_id: asset.id, day, known_at: None };
    Ok(baselines::of_asset(on, key).await?)
}

/// Reads the baseline of an asset that is in force today
#[utoipa::path(get, path = "/v1/buildings/{building_id}/assets/{asset_id}/baseline", tag = "baselines",
    params(("building_id" = Uuid, Path), ("asset_id" = Uuid, Path)),
    responses((status = 200, description = "The version that is in force; `ETag` names it.", body = NamedBaseline),
              (status = 404, description = "There is no such asset, or no version of its baseline is in force.")))]
pub(crate) async fn get(ids: web::Path<(Uuid, Uuid)>, call: Call) -> Result<HttpResponse, Problem> {
    let tx = call.read().await?;
    let asset: Asset = call.find(&tx, *ids, Hold::None).await?;
    let baseline = in_force_today(&tx, &call, &asset).await?.ok_or_else(no_baseline)?;
    answer(&tx, &call, StatusCode::OK, baseline).await
}

/// Records a version of an asset's baseline
///
/// It counts from `valid_from` until another one begins, whichever was recorded first; of two that begin on one day, the one recorded
/// last counts. Versions never change. What says the same as the version that begins on that day is that version.
#[utoipa::path(put, path = "/v1/buildings/{building_id}/assets/{asset_id}/baseline", tag = "baselines",
    request_body = SetBaseline, params(("building_id" = Uuid, Path), ("asset_id" = Uuid, Path), IfMatch),
    responses((status = 200, description = "It is on record already.", body = NamedBaseline),
              (status = 201, description = "Recorded.", body = NamedBaseline),
              (status = 409, description = "The asset has as many versions as it may have."),
              (status = 412, description = "Another version is in force than the one that you read.")))]
pub(crate) async fn set(
    ids: web::Path<(Uuid, Uuid)>,
    body: Body<SetBaseline>,
    call: Call,
) -> Result<HttpResponse, Problem> {
    let tx = call.transaction().await?;
    // Versions of one asset are recorded one after the other.
    let asset: Asset = call.find(&tx, *ids, Hold::Alone).await?;
    let in_force = in_force_today(&tx, &call, &asset).await?;
    call.check_if_match(&in_force.map(|now| etag::of_time(now.created_at)).unwrap_or_default())?;
    let wanted = body.value.baseline(asset.id, call.user_id());
    let (versions, known) =
        baselines::from_day(&tx, call.organisation_id(), asset.id, wanted.valid_from).await?;
    let says =
        |version: &Baseline| version.quantities == wanted.quantities && version.source == wanted.source;
    if let Some(known) = known.filter(says) {
        return answer(&tx, &call, StatusCode::OK, known).await;
    }
    if versions >= VERSIONS_MAX {
        let detail = format!("The asset has {VERSIONS_MAX} versions of its baseline; register it again.");
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    let made = table::insert(&tx, call.organisation_id(), &wanted).await?;
    call.record_made(&tx, "baseline.set", ("baseline", made.id), &made).await?;
    let answer = answer(&tx, &call, StatusCode::CREATED, made).await?;
    tx.commit().await?;
    Ok(answer)
}

/// Lists the versions of an asset's baseline, the one recorded last first
#[utoipa::path(get, path = "/v1/buildings/{building_id}/assets/{asset_id}/baseline/versions", tag = "baselines",
    params(("building_id" = Uuid, Path), ("asset_id" = Uuid, Path), Listing<Everything>),
    responses((status = 200, description = "One page.", body = List<NamedBaseline>)))]
pub(crate) async fn versions(
    ids: web::Path<(Uuid, Uuid)>,
    list: Listing<Everything>,
) -> Result<HttpResponse, Problem> {
    list.answer(async |tx, Listing { call, .. }, keyset| {
        let asset: Asset = call.find(tx, *ids, Hold::None).await?;
        let page = baselines::versions(tx, call.organisation_id(), asset.id, keyset).await?;
        let people = call.people(tx, page.rows.iter().map(|version| version.recorded_by)).await?;
        Ok(page.map(|version| NamedBaseline::of(version, &people)))
    })
    .await
}

/// Which assets of a building lack what of their baselines
///
/// Counted are active assets whose rules compare measured values with a baseline.
#[utoipa::path(get, path = "/v1/buildings/{building_id}/baseline", tag = "baselines",
    params(("building_id" = Uuid, Path), Listing<Everything>),
    responses((status = 200, description = "How many are complete, and one page of those that are not, newest first.",
               body = BuildingBaseline)))]
pub(crate) async fn completeness(
    building_id: web::Path<Uuid>,
    list: Listing<Everything>,
) -> Result<HttpResponse, Problem> {
    let rows = async |tx: &ReadTransaction, Listing { call, .. }: &Listing<_>, keyset: &Keyset| {
        let asked = asked_of(tx, call, *building_id).await?;
        let (completeness, lacking) =
            baselines::completeness(tx, call.organisation_id(), &asked, keyset).await?;
        Ok((lacking_rows(tx, call, &asked, lacking).await?, completeness))
    };
    let body =
        |List { data, next_cursor }, completeness| BuildingBaseline { completeness, data, next_cursor };
    list.answer_with(rows, body).await
}

/// What the rules of today ask of the baselines of a building's assets.
async fn asked_of(on: &impl Executor, call: &Call, building_id: Uuid) -> Result<Asked, Problem> {
    let organisation_id = call.organisation_id();
    let place = place_of(on, call, building_id).await?;
    let occasion = Occasion::at(&place, OffsetDateTime::now_utc());
    let item_codes = assets::item_codes_of(on, organisation_id, building_id).await?;
    let item_codes: Vec<&str> = item_codes.iter().map(String::as_str).collect();
    let rules = rules::for_items(on, organisation_id, &item_codes).await?;
    let decide = rules_for_items(&rules, occasion);
    let asked = |item_code: &str, solution: &SolutionLimits| {
        let schema = &decide.get(item_code)?.schema;
        Some((item_code.to_owned(), schema.asked_of_baseline(item_code, solution)))
    };
    let usual = SolutionLimits::default();
    let solutions = measures::solutions_of(on, organisation_id, building_id).await?;
    let by_code =
        |solution: &SolutionLimits| solution.item_codes().filter_map(|code| asked(code, solution)).collect();
    Ok(Asked {
        building_id,
        day: occasion.day,
        quantities: item_codes.iter().filter_map(|code| asked(code, &usual)).collect(),
        by_measure: solutions.iter().map(|(id, solution)| (*id, by_code(solution))).collect(),
    })
}

/// What each of these assets lacks.
async fn lacking_rows(
    on: &impl Executor,
    call: &Call,
    asked: &Asked,
    page: Page<Asset>,
) -> Result<Page<LackingAsset>, Problem> {
    let (organisation_id, day) = (call.organisation_id(), asked.day);
    let key = |asset: &Asset| BaselineKey { organisation_id, asset_id: asset.id, day, known_at: None };
    let mut known: HashMap<BaselineKey, Baseline> =
        baselines::in_force(on, &page.rows.iter().map(key).collect()).await?;
    Ok(page.map(|asset| {
        let baseline = known.remove(&key(&asset));
        let says =
            |asked: &AskedQuantity| baseline.as_ref().is_some_and(|known| known.quantities.says(asked));
        let asked = asked.of(asset.measure_id, &asset.item_code);
        LackingAsset {
            asset_id: asset.id,
            missing: asked.iter().filter(|asked| !says(asked)).cloned().collect(),
            baseline_id: baseline.as_ref().map(|baseline| baseline.id),
            item_code: asset.item_code,
            label: asset.label,
            location: asset.location,
        }
    }))
}
