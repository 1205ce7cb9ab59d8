//! Buildings.

use actix_web::http::StatusCode;
use actix_web::http::header::ETAG;
use actix_web::{HttpRequest, HttpResponse, web};
use firemode_domain::audit::{BuildingOnRecord, Commitments};
use firemode_domain::body;
use firemode_domain::input::{Given, Line, Metadata};
use firemode_storage::buildings::{self, Building, BuildingPatch, NAME_AND_ADDRESS_TAKEN, NewBuilding};
use firemode_storage::{StorageError, audit};
use firemode_web::{Body, Key, Outcome, Params, Problem, ProblemBody, RequestContext, WalkScope, catalogue};
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::acts::{act, on_record};
use crate::etag;
use crate::list::List;
use crate::principal::Principal;
use crate::schema::free_object;
use crate::state::State;

/// A building.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BuildingView {
    id: Uuid,
    #[schema(example = "Harbour Tower")]
    site_name: String,
    #[schema(example = "1 Quay Street, Sydney NSW 2000")]
    site_address: String,
    #[schema(example = "5")]
    building_class: Option<String>,
    #[schema(schema_with = free_object)]
    metadata: Value,
    is_active: bool,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

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
        /// Replaces the old fields.
        metadata: Given<Metadata>,
        is_active: Given<bool>,
    }
}

impl From<Building> for BuildingView {
    fn from(building: Building) -> Self {
        Self {
            id: building.id,
            site_name: building.site_name,
            site_address: building.site_address,
            building_class: building.building_class,
            metadata: building.metadata,
            is_active: building.is_active,
            created_at: building.created_at,
            updated_at: building.updated_at,
        }
    }
}

/// Makes a building
#[utoipa::path(post, path = "/v1/buildings", tag = "buildings", request_body = CreateBuilding,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a retry safe.")),
    responses((status = 201, description = "Made.", body = BuildingView),
              (status = 409, description = "There is one with this name and address.", body = ProblemBody,
               content_type = "application/problem+json")))]
pub(crate) async fn create(
    body: Body<CreateBuilding>,
    key: Key,
    principal: Principal,
    context: RequestContext,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let metadata = Value::Object(body.value.metadata.clone().unwrap_or_default().0);
    let new = NewBuilding {
        site_name: &body.value.site_name,
        site_address: &body.value.site_address,
        building_class: body.value.building_class.as_deref(),
        metadata: &metadata,
    };
    let outcome = state
        .run_once(&principal, &key, &body.fingerprint, async |tx| {
            let building =
                buildings::insert(tx, principal.organisation_id, &new).await.map_err(name_taken)?;
            let commitments = audit::commitments(tx, principal.organisation_id, building.id).await?;
            let made = on_record(&record_of(&commitments, &building)?)?;
            let event = act(&principal, context, "building.create", ("building", building.id), None, made);
            audit::record(tx, &[event]).await?;
            Outcome::new(StatusCode::CREATED, &BuildingView::from(building))
        })
        .await?;
    Ok(outcome.respond())
}

/// Lists buildings, newest first
#[utoipa::path(get, path = "/v1/buildings", tag = "buildings",
    params(("limit" = Option<i64>, Query, description = "Rows on a page, 1 to 100.", example = 20),
           ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
           ("is_active" = Option<bool>, Query, description = "Only active ones, or only deactivated ones.")),
    responses((status = 200, description = "One page.", body = List<BuildingView>),
              (status = 400, description = "The cursor is not of this list.", body = ProblemBody,
               content_type = "application/problem+json"),
              (status = 410, description = "The cursor is from before a restore.", body = ProblemBody,
               content_type = "application/problem+json")))]
pub(crate) async fn list(
    request: HttpRequest,
    principal: Principal,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let mut params = Params::of(&request)?;
    let (page, is_active) = (params.page(), params.optional("is_active"));
    params.finish()?;
    let filters = format!("{is_active:?}");
    let scope =
        WalkScope { organisation_id: principal.organisation_id, list: "/v1/buildings", filters: &filters };
    let tx = state.database.tenant(principal.organisation_id).read().await?;
    let walk = state.cursor_key.walk(&tx, &page, scope).await?;
    let page = buildings::list(&tx, principal.organisation_id, is_active, &walk).await?;
    let next_cursor = page.next.map(|last| state.cursor_key.next(&walk, last, scope)).transpose()?;
    let data = page.rows.into_iter().map(BuildingView::from).collect();
    Ok(List { data, next_cursor }.respond(&request))
}

/// Reads a building
#[utoipa::path(get, path = "/v1/buildings/{building_id}", tag = "buildings", params(("building_id" = Uuid, Path)),
    responses((status = 200, description = "The building; `ETag` names its state.", body = BuildingView)))]
pub(crate) async fn get(
    id: web::Path<Uuid>,
    principal: Principal,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let tx = state.database.tenant(principal.organisation_id).read().await?;
    let building =
        buildings::find(&tx, principal.organisation_id, *id).await?.ok_or_else(no_such_building)?;
    let tag = etag::of_time(building.updated_at);
    Ok(HttpResponse::Ok().insert_header((ETAG, tag)).json(BuildingView::from(building)))
}

/// Changes a building
#[utoipa::path(patch, path = "/v1/buildings/{building_id}", tag = "buildings", request_body = UpdateBuilding,
    params(("building_id" = Uuid, Path),
           ("If-Match" = Option<String>, Header, description = "`ETag` of the state that you read.")),
    responses((status = 200, description = "Changed.", body = BuildingView),
              (status = 409, description = "There is one with this name and address.", body = ProblemBody,
               content_type = "application/problem+json"),
              (status = 412, description = "It has changed since you read it.", body = ProblemBody,
               content_type = "application/problem+json")))]
pub(crate) async fn update(
    id: web::Path<Uuid>,
    request: HttpRequest,
    body: Body<UpdateBuilding>,
    principal: Principal,
    context: RequestContext,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let UpdateBuilding { site_name, site_address, building_class, metadata, is_active } = body.value;
    let patch = BuildingPatch {
        site_name: site_name.0.map(Line::into_string),
        site_address: site_address.0.map(Line::into_string),
        building_class: building_class.0.map(|class| class.map(Line::into_string)),
        metadata: metadata.0.map(|metadata| Value::Object(metadata.0)),
        is_active: is_active.0,
    };
    let view = change(*id, &request, &patch, "building.update", &principal, context, &state).await?;
    let tag = etag::of_time(view.updated_at);
    Ok(HttpResponse::Ok().insert_header((ETAG, tag)).json(view))
}

/// Deactivates a building
///
/// Its sessions and evidence stay.
#[utoipa::path(delete, path = "/v1/buildings/{building_id}", tag = "buildings",
    params(("building_id" = Uuid, Path),
           ("If-Match" = Option<String>, Header, description = "`ETag` of the state that you read.")),
    responses((status = 204, description = "Deactivated."),
              (status = 412, description = "It has changed since you read it.", body = ProblemBody,
               content_type = "application/problem+json")))]
pub(crate) async fn deactivate(
    id: web::Path<Uuid>,
    request: HttpRequest,
    principal: Principal,
    context: RequestContext,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let patch = BuildingPatch { is_active: Some(false), ..BuildingPatch::default() };
    change(*id, &request, &patch, "building.deactivate", &principal, context, &state).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn change(
    id: Uuid,
    request: &HttpRequest,
    patch: &BuildingPatch,
    action: &'static str,
    principal: &Principal,
    context: RequestContext,
    state: &State,
) -> Result<BuildingView, Problem> {
    let organisation_id = principal.organisation_id;
    let tx = state.database.tenant(principal.organisation_id).transaction().await?;
    let before = buildings::find_for_update(&tx, organisation_id, id).await?.ok_or_else(no_such_building)?;
    etag::check_if_match(request, &etag::of_time(before.updated_at))?;
    let after = buildings::update(&tx, organisation_id, &before, patch).await.map_err(name_taken)?;
    let commitments = audit::commitments(&tx, organisation_id, id).await?;
    let (was, is) = (record_of(&commitments, &before)?, record_of(&commitments, &after)?);
    let event = act(principal, context, action, ("building", id), on_record(&was)?, on_record(&is)?);
    audit::record(&tx, &[event]).await?;
    tx.commit().await?;
    Ok(after.into())
}

fn record_of(commitments: &Commitments, building: &Building) -> Result<BuildingOnRecord, Problem> {
    BuildingOnRecord::new(
        commitments,
        (&building.site_name, &building.site_address),
        building.building_class.as_deref(),
        &building.metadata,
        building.is_active,
    )
    .map_err(Problem::internal)
}

pub(crate) fn no_such_building() -> Problem {
    Problem::not_found("building")
}

fn name_taken(error: StorageError) -> Problem {
    match error.constraint() {
        Some(NAME_AND_ADDRESS_TAKEN) => {
            Problem::of(catalogue::EXISTS, "There is a building with this name and address already.")
        }
        _ => error.into(),
    }
}
