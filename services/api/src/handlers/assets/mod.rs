//! The register of assets in a building.

pub(crate) mod create;

use std::collections::BTreeSet;

use actix_web::http::header::ETAG;
use actix_web::{HttpResponse, web};
use firemode_domain::body;
use firemode_domain::classification::Section;
use firemode_domain::input::{Day, Given, Line, Metadata};
use firemode_domain::measure::{SECTION_NEEDED, has_sections};
use firemode_storage::assets::{self, Asset, AssetFilter};
use firemode_storage::buildings::Building;
use firemode_storage::measures::Measure;
use firemode_storage::{Hold, Transaction, table};
use firemode_web::{Body, Problem};
use uuid::Uuid;

use crate::call::Call;
use crate::coverage::{Coverage, Warning};
use crate::etag::{self, IfMatch};
use crate::handlers::assets::create::WrittenAsset;
use crate::list::{Filters, List, Listing};
use crate::object::Object;

body! {
    /// New values; what is left out stays.
    #[derive(Debug)]
    pub(crate) struct UpdateAsset like {"location": "Level 3, by the stairs"} {
        item_code: Given<Line<64>>,
        /// Null where its measure is maintained by another standard than AS 1851-2012.
        section: Given<Option<Section>>,
        label: Given<Line<200>>,
        location: Given<Line<500>>,
        /// Null takes it away.
        installed_on: Given<Option<Day>>,
        /// A measure of the building; null takes it away.
        measure_id: Given<Option<Uuid>>,
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
        self.measure_id.apply(&mut asset.measure_id);
        self.metadata.apply(&mut asset.metadata);
        self.is_active.apply(&mut asset.is_active);
    }
}

impl Object for Asset {
    const NOUN: &'static str = "asset";

    fn parent(&self) -> Option<Uuid> {
        Some(self.building_id)
    }

    /// Its measure is one of its building, and says whether it needs a section.
    async fn check(&self, tx: &Transaction, organisation_id: Uuid) -> Result<(), Problem> {
        let measure: Option<Measure> = match self.measure_id {
            Some(id) => table::find(tx, organisation_id, id, Hold::AgainstChange).await?,
            None => None,
        };
        let measure = measure.filter(|measure| measure.building_id == self.building_id);
        if self.measure_id.is_some() && measure.is_none() {
            return Err(Problem::invalid_field("measure_id", "is no measure of this building"));
        }
        let may_be_null = measure.is_some_and(|measure| !has_sections(&measure.maintenance_standard));
        if self.section.is_none() && !may_be_null {
            return Err(Problem::invalid_field("section", SECTION_NEEDED));
        }
        Ok(())
    }
}

impl Filters for AssetFilter {
    fn scope(&self, _: &str, building_id: Option<Uuid>) -> (String, String) {
        let building_id = building_id.unwrap_or_default();
        let measure = self.measure_id.map(|id| format!(" {id}")).unwrap_or_default();
        ("/v1/buildings/assets".to_owned(), format!("{building_id} {:?}{measure}", self.is_active))
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
               headers(("ETag")))))]
pub(crate) async fn get(ids: web::Path<(Uuid, Uuid)>, call: Call) -> Result<HttpResponse, Problem> {
    call.show::<Asset>(*ids).await
}

/// Changes an asset
///
/// A new `item_code` that no rule covers is taken with a warning, or refused where the organisation says so (`strict_item_codes`).
#[utoipa::path(patch, path = "/v1/buildings/{building_id}/assets/{asset_id}", tag = "assets",
    request_body = UpdateAsset,
    params(("building_id" = Uuid, Path), ("asset_id" = Uuid, Path), IfMatch),
    responses((status = 200, description = "Changed, or as it was.", body = WrittenAsset)))]
pub(crate) async fn update(
    ids: web::Path<(Uuid, Uuid)>,
    body: Body<UpdateAsset>,
    call: Call,
) -> Result<HttpResponse, Problem> {
    let warnings = warnings(&call, *ids, &body.value.item_code).await?;
    let asset: Asset = call.change(*ids, "asset.update", |asset| body.value.apply(asset)).await?;
    let tag = etag::of_time(asset.updated_at);
    Ok(HttpResponse::Ok().insert_header((ETAG, tag)).json(WrittenAsset { asset, warnings }))
}

/// What is to be said of an asset's new code; nothing of the one that it has.
async fn warnings(call: &Call, ids: (Uuid, Uuid), given: &Given<Line<64>>) -> Result<Vec<Warning>, Problem> {
    let Some(item_code) = &given.0 else { return Ok(Vec::new()) };
    let tx = call.read().await?;
    let asset: Asset = call.find(&tx, ids, Hold::None).await?;
    if asset.item_code == **item_code {
        return Ok(Vec::new());
    }
    let building: Building = call.find(&tx, asset.building_id, Hold::None).await?;
    let coverage = Coverage::of(&tx, call, &building, BTreeSet::from([&**item_code])).await?;
    let warning = coverage.check("item_code", item_code);
    Ok(warning.map_err(|fault| Problem::invalid(vec![fault]))?.into_iter().collect())
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
