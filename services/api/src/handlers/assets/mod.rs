//! The register of assets in a building.

pub(crate) mod create;

use actix_web::http::header::ETAG;
use actix_web::{HttpRequest, HttpResponse, web};
use firemode_domain::audit::{AssetOnRecord, Commitments};
use firemode_domain::body;
use firemode_domain::input::{Day, Given, Line, Metadata, Whole};
use firemode_storage::assets::{self, Asset, AssetPatch};
use firemode_storage::{audit, buildings};
use firemode_web::{Body, Params, Problem, ProblemBody, RequestContext, WalkScope};
use serde::Serialize;
use serde_json::Value;
use time::{Date, OffsetDateTime};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::acts::{act, on_record};
use crate::etag;
use crate::handlers::buildings::no_such_building;
use crate::list::List;
use crate::principal::Principal;
use crate::schema::free_object;
use crate::state::State;

time::serde::format_description!(iso_date, Date, "[year]-[month]-[day]");

/// A section of AS 1851-2012.
pub(crate) type Section = Whole<2, 14>;

/// An asset.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AssetView {
    pub(super) id: Uuid,
    building_id: Uuid,
    /// Which rule applies to it.
    #[schema(example = "EXT-PRESSURE")]
    item_code: String,
    /// Section of AS 1851-2012.
    #[schema(example = 10, minimum = 2, maximum = 14)]
    section: i16,
    #[schema(example = "Extinguisher 3")]
    label: String,
    #[schema(example = "Level 2, by the lift")]
    location: String,
    #[serde(with = "iso_date::option")]
    #[schema(value_type = Option<String>, format = Date, example = "2021-03-01")]
    installed_on: Option<Date>,
    #[schema(schema_with = free_object)]
    metadata: Value,
    is_active: bool,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

body! {
    /// New values; what is left out stays.
    #[derive(Debug)]
    pub(crate) struct UpdateAsset like {"location": "Level 3, by the stairs"} {
        item_code: Given<Line<64>>,
        section: Given<Section>,
        label: Given<Line<200>>,
        location: Given<Line<500>>,
        /// Null takes it away.
        installed_on: Given<Option<Day>>,
        /// Replaces the old fields.
        metadata: Given<Metadata>,
        is_active: Given<bool>,
    }
}

impl From<Asset> for AssetView {
    fn from(asset: Asset) -> Self {
        Self {
            id: asset.id,
            building_id: asset.building_id,
            item_code: asset.item_code,
            section: asset.section,
            label: asset.label,
            location: asset.location,
            installed_on: asset.installed_on,
            metadata: asset.metadata,
            is_active: asset.is_active,
            created_at: asset.created_at,
            updated_at: asset.updated_at,
        }
    }
}

/// Lists a building's assets, newest first
#[utoipa::path(get, path = "/v1/buildings/{building_id}/assets", tag = "assets",
    params(("building_id" = Uuid, Path),
           ("limit" = Option<i64>, Query, description = "Rows on a page, 1 to 100.", example = 20),
           ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
           ("is_active" = Option<bool>, Query, description = "Only active ones, or only deactivated ones.")),
    responses((status = 200, description = "One page.", body = List<AssetView>),
              (status = 400, description = "The cursor is not of this list.", body = ProblemBody,
               content_type = "application/problem+json"),
              (status = 410, description = "The cursor is from before a restore.", body = ProblemBody,
               content_type = "application/problem+json")))]
pub(crate) async fn list(
    building_id: web::Path<Uuid>,
    request: HttpRequest,
    principal: Principal,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let mut params = Params::of(&request)?;
    let (page, is_active) = (params.page(), params.optional("is_active"));
    params.finish()?;
    let organisation_id = principal.organisation_id;
    let tx = state.database.tenant(organisation_id).read().await?;
    buildings::find(&tx, organisation_id, *building_id).await?.ok_or_else(no_such_building)?;
    let filters = format!("{building_id} {is_active:?}");
    let scope = WalkScope { organisation_id, list: "/v1/buildings/assets", filters: &filters };
    let walk = state.cursor_key.walk(&tx, &page, scope).await?;
    let page = assets::list(&tx, organisation_id, *building_id, is_active, &walk).await?;
    let next_cursor = page.next.map(|last| state.cursor_key.next(&walk, last, scope)).transpose()?;
    let data = page.rows.into_iter().map(AssetView::from).collect();
    Ok(List { data, next_cursor }.respond(&request))
}

/// Reads an asset
#[utoipa::path(get, path = "/v1/buildings/{building_id}/assets/{asset_id}", tag = "assets",
    params(("building_id" = Uuid, Path), ("asset_id" = Uuid, Path)),
    responses((status = 200, description = "The asset; `ETag` names its state.", body = AssetView)))]
pub(crate) async fn get(
    ids: web::Path<(Uuid, Uuid)>,
    principal: Principal,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let tx = state.database.tenant(principal.organisation_id).read().await?;
    let asset = assets::find(&tx, principal.organisation_id, ids.0, ids.1).await?;
    let asset = asset.ok_or_else(no_such_asset)?;
    let tag = etag::of_time(asset.updated_at);
    Ok(HttpResponse::Ok().insert_header((ETAG, tag)).json(AssetView::from(asset)))
}

/// Changes an asset
#[utoipa::path(patch, path = "/v1/buildings/{building_id}/assets/{asset_id}", tag = "assets",
    request_body = UpdateAsset,
    params(("building_id" = Uuid, Path), ("asset_id" = Uuid, Path),
           ("If-Match" = Option<String>, Header, description = "`ETag` of the state that you read.")),
    responses((status = 200, description = "Changed.", body = AssetView),
              (status = 412, description = "It has changed since you read it.", body = ProblemBody,
               content_type = "application/problem+json")))]
pub(crate) async fn update(
    ids: web::Path<(Uuid, Uuid)>,
    request: HttpRequest,
    body: Body<UpdateAsset>,
    principal: Principal,
    context: RequestContext,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let UpdateAsset { item_code, section, label, location, installed_on, metadata, is_active } = body.value;
    let patch = AssetPatch {
        item_code: item_code.0.map(Line::into_string),
        section: section.0.map(Section::to_i16),
        label: label.0.map(Line::into_string),
        location: location.0.map(Line::into_string),
        installed_on: installed_on.0.map(|day| day.map(Day::get)),
        metadata: metadata.0.map(|metadata| Value::Object(metadata.0)),
        is_active: is_active.0,
    };
    let view = change(*ids, &request, &patch, "asset.update", &principal, context, &state).await?;
    let tag = etag::of_time(view.updated_at);
    Ok(HttpResponse::Ok().insert_header((ETAG, tag)).json(view))
}

/// Deactivates an asset
///
/// Sessions that name it stay as they are; new ones leave it out.
#[utoipa::path(delete, path = "/v1/buildings/{building_id}/assets/{asset_id}", tag = "assets",
    params(("building_id" = Uuid, Path), ("asset_id" = Uuid, Path),
           ("If-Match" = Option<String>, Header, description = "`ETag` of the state that you read.")),
    responses((status = 204, description = "Deactivated."),
              (status = 412, description = "It has changed since you read it.", body = ProblemBody,
               content_type = "application/problem+json")))]
pub(crate) async fn deactivate(
    ids: web::Path<(Uuid, Uuid)>,
    request: HttpRequest,
    principal: Principal,
    context: RequestContext,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let patch = AssetPatch { is_active: Some(false), ..AssetPatch::default() };
    change(*ids, &request, &patch, "asset.deactivate", &principal, context, &state).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn change(
    (building_id, id): (Uuid, Uuid),
    request: &HttpRequest,
    patch: &AssetPatch,
    action: &'static str,
    principal: &Principal,
    context: RequestContext,
    state: &State,
) -> Result<AssetView, Problem> {
    let organisation_id = principal.organisation_id;
    let tx = state.database.tenant(organisation_id).transaction().await?;
    let before = assets::find_for_update(&tx, organisation_id, building_id, id).await?;
    let before = before.ok_or_else(no_such_asset)?;
    etag::check_if_match(request, &etag::of_time(before.updated_at))?;
    let after = assets::update(&tx, organisation_id, building_id, id, patch).await?;
    let commitments = audit::commitments(&tx, organisation_id, id).await?;
    let (was, is) = (record_of(&commitments, &before)?, record_of(&commitments, &after)?);
    let event = act(principal, context, action, ("asset", id), on_record(&was)?, on_record(&is)?);
    audit::record(&tx, &[event]).await?;
    tx.commit().await?;
    Ok(after.into())
}

/// What the audit log says of an asset.
pub(super) fn record_of(commitments: &Commitments, asset: &Asset) -> Result<AssetOnRecord, Problem> {
    Ok(AssetOnRecord {
        building_id: asset.building_id,
        item_code: commitments.to_all_but_code("item_code", &asset.item_code),
        section: asset.section,
        label: commitments.to_text("label", &asset.label),
        location: commitments.to_text("location", &asset.location),
        installed_on: asset.installed_on,
        metadata: commitments.to("metadata", &asset.metadata).map_err(Problem::internal)?,
        is_active: asset.is_active,
    })
}

fn no_such_asset() -> Problem {
    Problem::not_found("asset")
}
