//! The register of assets in a building.

pub(crate) mod create;

use actix_web::{HttpResponse, web};
use firemode_domain::body;
use firemode_domain::classification::Section;
use firemode_domain::input::{Day, Given, Line, Metadata};
use firemode_storage::assets::{self, Asset, AssetFilter};
use firemode_storage::buildings::Building;
use firemode_web::{Body, Problem};
use uuid::Uuid;

use crate::call::Call;
use crate::etag::IfMatch;
use crate::list::{Filters, List, Listing};
use crate::object::{Object, shown};

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

impl UpdateAsset {
    fn apply(self, asset: &mut Asset) {
        self.item_code.apply(&mut asset.item_code);
        self.section.apply(&mut asset.section);
        self.label.apply(&mut asset.label);
        self.location.apply(&mut asset.location);
        self.installed_on.apply(&mut asset.installed_on);
        self.metadata.apply(&mut asset.metadata);
        self.is_active.apply(&mut asset.is_active);
    }
}

impl Object for Asset {
    const NOUN: &'static str = "asset";

    fn parent(&self) -> Option<Uuid> {
        Some(self.building_id)
    }
}

impl Filters for AssetFilter {
    fn scope(&self, _: &str, building_id: Option<Uuid>) -> (String, String) {
        let building_id = building_id.unwrap_or_default();
        ("/v1/buildings/assets".to_owned(), format!("{building_id} {:?}", self.is_active))
    }
}

/// Lists a building's assets, newest first
#[utoipa::path(get, path = "/v1/buildings/{building_id}/assets", tag = "assets",
    params(("building_id" = Uuid, Path), Listing<AssetFilter>),
    responses((status = 200, description = "One page.", body = List<Asset>)))]
pub(crate) async fn list(
    building_id: web::Path<Uuid>,
    list: Listing<AssetFilter>,
) -> Result<HttpResponse, Problem> {
    list.answer_within::<Building, _>(*building_id, async |tx, Listing { call, filter, .. }, keyset| {
        Ok(assets::list(tx, call.organisation_id(), *building_id, filter, keyset).await?)
    })
    .await
}

/// Reads an asset
#[utoipa::path(get, path = "/v1/buildings/{building_id}/assets/{asset_id}", tag = "assets",
    params(("building_id" = Uuid, Path), ("asset_id" = Uuid, Path)),
    responses((status = 200, description = "The asset.", body = Asset,
               headers(("ETag", description = "Names its state.")))))]
pub(crate) async fn get(ids: web::Path<(Uuid, Uuid)>, call: Call) -> Result<HttpResponse, Problem> {
    call.show::<Asset>(*ids).await
}

/// Changes an asset
#[utoipa::path(patch, path = "/v1/buildings/{building_id}/assets/{asset_id}", tag = "assets",
    request_body = UpdateAsset,
    params(("building_id" = Uuid, Path), ("asset_id" = Uuid, Path), IfMatch),
    responses((status = 200, description = "Changed, or as it was.", body = Asset)))]
pub(crate) async fn update(
    ids: web::Path<(Uuid, Uuid)>,
    body: Body<UpdateAsset>,
    call: Call,
) -> Result<HttpResponse, Problem> {
    Ok(shown(&call.change(*ids, "asset.update", |asset| body.value.apply(asset)).await?))
}

/// Deactivates an asset
///
/// Sessions that name it stay as they are; new ones leave it out.
#[utoipa::path(delete, path = "/v1/buildings/{building_id}/assets/{asset_id}", tag = "assets",
    params(("building_id" = Uuid, Path), ("asset_id" = Uuid, Path), IfMatch),
    responses((status = 204, description = "Deactivated.")))]
pub(crate) async fn deactivate(ids: web::Path<(Uuid, Uuid)>, call: Call) -> Result<HttpResponse, Problem> {
    call.change(*ids, "asset.deactivate", |asset: &mut Asset| asset.is_active = false).await?;
    Ok(HttpResponse::NoContent().finish())
}
