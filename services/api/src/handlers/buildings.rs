//! Buildings.

use actix_web::{HttpResponse, web};
use firemode_domain::body;
use firemode_domain::input::{Becomes as _, Given, Line, Metadata};
use firemode_domain::place::{Jurisdiction, TimeZone};
use firemode_storage::buildings::{self, Building, BuildingFilter, NAME_AND_ADDRESS_TAKEN};
use firemode_storage::{StorageError, table};
use firemode_web::{Body, IdempotencyKey, Problem, catalogue};
use uuid::Uuid;

use crate::call::Call;
use crate::etag::IfMatch;
use crate::list::{Filters, List, Listing};
use crate::object::{Object, shown};

body! {
    /// A building to be made.
    #[derive(Debug)]
    pub(crate) struct CreateBuilding like {
        "site_name": "Harbour Tower", "site_address": "1 Quay Street, Sydney NSW 2000", "building_class": "5",
        "metadata": {"levels": 12}
    } {
        site_name: Line<200> = "Harbour Tower",
        site_address: Line<500> = "1 Quay Street, Sydney NSW 2000",
        /// Class of the National Construction Code.
        building_class: Option<Line<50>> = "5",
        /// Whose law applies; left out: that of the organisation.
        jurisdiction: Option<Jurisdiction> = "NSW",
        /// An IANA time zone; left out: by the jurisdiction, else that of the organisation.
        time_zone: Option<TimeZone> = "Australia/Sydney",
        /// Free fields of yours: a JSON object.
        metadata: Option<Metadata>,
    }
}

body! {
    /// New values; what is left out stays.
    #[derive(Debug)]
    pub(crate) struct UpdateBuilding like {"building_class": "6"} {
        site_name: Given<Line<200>>,
        site_address: Given<Line<500>>,
        /// Null takes it away.
        building_class: Given<Option<Line<50>>>,
        /// Null: that of the organisation.
        jurisdiction: Given<Option<Jurisdiction>>,
        /// Null: by the jurisdiction, else that of the organisation.
        time_zone: Given<Option<TimeZone>>,
        /// Replaces the old fields.
        metadata: Given<Metadata>,
        is_active: Given<bool>,
    }
}

impl CreateBuilding {
    fn building(self) -> Building {
        Building {
            id: Uuid::now_v7(),
            site_name: self.site_name.becomes(),
            site_address: self.site_address.becomes(),
            building_class: self.building_class.becomes(),
            jurisdiction: self.jurisdiction,
            time_zone: self.time_zone,
            metadata: self.metadata.becomes(),
            is_active: true,
            created_at: table::BY_DATABASE,
            updated_at: table::BY_DATABASE,
        }
    }
}

impl UpdateBuilding {
    fn apply(self, building: &mut Building) {
        self.site_name.apply(&mut building.site_name);
        self.site_address.apply(&mut building.site_address);
        self.building_class.apply(&mut building.building_class);
        self.jurisdiction.apply(&mut building.jurisdiction);
        self.time_zone.apply(&mut building.time_zone);
        self.metadata.apply(&mut building.metadata);
        self.is_active.apply(&mut building.is_active);
    }
}

impl Object for Building {
    const NOUN: &'static str = "building";

    fn refused(error: StorageError) -> Problem {
        match error.constraint() {
            Some(NAME_AND_ADDRESS_TAKEN) => {
                Problem::of(catalogue::EXISTS, "There is a building with this name and address already.")
            }
            _ => error.into(),
        }
    }
}

impl Filters for BuildingFilter {
    fn scope(&self, path: &str, _: Option<Uuid>) -> (String, String) {
        (path.to_owned(), format!("{:?}", self.is_active))
    }
}

/// Makes a building
#[utoipa::path(post, path = "/v1/buildings", tag = "buildings", request_body = CreateBuilding, params(IdempotencyKey),
    responses((status = 201, description = "Made.", body = Building),
              (status = 409, description = "There is one with this name and address.")))]
pub(crate) async fn create(
    body: Body<CreateBuilding>,
    key: IdempotencyKey,
    call: Call,
) -> Result<HttpResponse, Problem> {
    call.create(&key, &body.fingerprint, &body.value.building(), "building.create").await
}

/// Lists buildings, newest first
#[utoipa::path(get, path = "/v1/buildings", tag = "buildings", params(Listing<BuildingFilter>),
    responses((status = 200, description = "One page.", body = List<Building>)))]
pub(crate) async fn list(list: Listing<BuildingFilter>) -> Result<HttpResponse, Problem> {
    list.answer(async |tx, Listing { call, filter, .. }, keyset| {
        Ok(buildings::list(tx, call.organisation_id(), filter, keyset).await?)
    })
    .await
}

/// Reads a building
#[utoipa::path(get, path = "/v1/buildings/{building_id}", tag = "buildings", params(("building_id" = Uuid, Path)),
    responses((status = 200, description = "The building.", body = Building,
               headers(("ETag", description = "Names its state.")))))]
pub(crate) async fn get(id: web::Path<Uuid>, call: Call) -> Result<HttpResponse, Problem> {
    call.show::<Building>(*id).await
}

/// Changes a building
#[utoipa::path(patch, path = "/v1/buildings/{building_id}", tag = "buildings", request_body = UpdateBuilding,
    params(("building_id" = Uuid, Path), IfMatch),
    responses((status = 200, description = "Changed, or as it was.", body = Building),
              (status = 409, description = "There is one with this name and address.")))]
pub(crate) async fn update(
    id: web::Path<Uuid>,
    body: Body<UpdateBuilding>,
    call: Call,
) -> Result<HttpResponse, Problem> {
    Ok(shown(&call.change(*id, "building.update", |building| body.value.apply(building)).await?))
}

/// Deactivates a building
///
/// Its sessions and evidence stay.
#[utoipa::path(delete, path = "/v1/buildings/{building_id}", tag = "buildings",
    params(("building_id" = Uuid, Path), IfMatch),
    responses((status = 204, description = "Deactivated.")))]
pub(crate) async fn deactivate(id: web::Path<Uuid>, call: Call) -> Result<HttpResponse, Problem> {
    call.change(*id, "building.deactivate", |building: &mut Building| building.is_active = false).await?;
    Ok(HttpResponse::NoContent().finish())
}
