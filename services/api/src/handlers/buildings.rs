//! Buildings.

use actix_web::http::StatusCode;
use actix_web::http::header::ETAG;
use actix_web::{HttpResponse, web};
use firemode_domain::audit::{OnRecord, Record};
use firemode_domain::body;
use firemode_domain::input::{Becomes as _, ClientKey, Day, Given, Line, Metadata, Text};
use firemode_domain::place::{Jurisdiction, Stated, TimeZone};
use firemode_storage::buildings::{
    self, Building, BuildingFilter, EXTERNAL_ID_TAKEN, NAME_AND_ADDRESS_TAKEN,
};
use firemode_storage::page::Page;
use firemode_storage::{Executor, Hold, StorageError, Transaction, audit, table};
use firemode_web::{Body, IdempotencyKey, Outcome, Problem, catalogue};
use serde_json::json;
use uuid::Uuid;

use crate::call::Call;
use crate::etag::{self, IfMatch};
use crate::handlers::parties::{self, BuildingWithParties, SentParties};
use crate::list::{Filters, List, Listing};
use crate::object::{Object, on_record};

body! {
    /// A building to be made.
    #[derive(Debug, Clone)]
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
        /// The day of the year on which its statements are due; left out: as the law of its place says.
        statement_anchor_on: Option<Day> = "2026-06-13",
        /// What another system calls it; once in an organisation.
        external_id: Option<ClientKey<200>> = "SITE-0042",
        /// Who has to do with it.
        parties: Option<SentParties>,
        /// Free fields of yours: a JSON object.
        metadata: Option<Metadata>,
    }
}

body! {
    /// New values; what is left out stays.
    #[derive(Debug, Clone)]
    pub(crate) struct UpdateBuilding like {"building_class": "6"} {
        site_name: Given<Line<200>>,
        site_address: Given<Line<500>>,
        /// Null takes it away.
        building_class: Given<Option<Line<50>>>,
        /// Null: that of the organisation.
        jurisdiction: Given<Option<Jurisdiction>>,
        /// Null: by the jurisdiction, else that of the organisation.
        time_zone: Given<Option<TimeZone>>,
        /// Why what it said of its jurisdiction or time zone was wrong: needed where one of them takes the place of another, or is cleared.
        reason: Option<Text<1000>>,
        /// Null: as the law of its place says.
        statement_anchor_on: Given<Option<Day>>,
        /// Null takes it away.
        external_id: Given<Option<ClientKey<200>>>,
        /// Replaces those that were not erased; who has an `id` stays.
        parties: Given<SentParties>,
        /// Replaces the old fields.
        metadata: Given<Metadata>,
        is_active: Given<bool>,
    }
}

impl CreateBuilding {
    /// The building, and its parties, where some were given.
    fn building(self) -> (Building, Option<SentParties>) {
        let building = Building {
            id: Uuid::now_v7(),
            site_name: self.site_name.becomes(),
            site_address: self.site_address.becomes(),
            building_class: self.building_class.becomes(),
            jurisdiction: self.jurisdiction,
            time_zone: self.time_zone,
            statement_anchor_on: self.statement_anchor_on.becomes(),
            external_id: self.external_id.becomes(),
            metadata: self.metadata.becomes(),
            is_active: true,
            created_at: table::BY_DATABASE,
            updated_at: table::BY_DATABASE,
        };
        (building, self.parties)
    }
}

impl UpdateBuilding {
    fn apply(self, building: &mut Building) {
        self.site_name.apply(&mut building.site_name);
        self.site_address.apply(&mut building.site_address);
        self.building_class.apply(&mut building.building_class);
        self.jurisdiction.apply(&mut building.jurisdiction);
        self.time_zone.apply(&mut building.time_zone);
        self.statement_anchor_on.apply(&mut building.statement_anchor_on);
        self.external_id.apply(&mut building.external_id);
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
            Some(EXTERNAL_ID_TAKEN) => {
                Problem::of(catalogue::EXISTS, "There is a building with this external_id already.")
            }
            _ => error.into(),
        }
    }
}

/// What a building says of its place.
struct StatedPlace<'a> {
    stated: Stated,
    reason: Option<&'a str>,
}

impl OnRecord for StatedPlace<'_> {
    fn on_record(&self, record: &mut Record<'_>) {
        record.plain("jurisdiction", self.stated.jurisdiction);
        record.plain("time_zone", self.stated.time_zone.clone());
        if let Some(reason) = self.reason {
            record.text("reason", reason);
        }
    }
}

fn stated(building: &Building) -> Stated {
    Stated { jurisdiction: building.jurisdiction, time_zone: building.time_zone.clone() }
}

/// Keeps what a building has said of its place and why that was wrong, where it says something else from now on.
async fn correct_place(
    tx: &Transaction,
    call: &Call,
    (was, is): (&Building, &Building),
    reason: Option<&str>,
) -> Result<(), Problem> {
    let (said, says) = (stated(was), stated(is));
    if said == says {
        return Ok(());
    }
    let is_replaced = said.jurisdiction.is_some() && said.jurisdiction != says.jurisdiction
        || said.time_zone.is_some() && said.time_zone != says.time_zone;
    if is_replaced && reason.is_none() {
        return Err(Problem::invalid_field(
            "reason",
            "is required where the jurisdiction or the time zone is corrected",
        ));
    }
    buildings::keep_place(tx, call.organisation_id(), was, reason, call.user_id()).await?;
    let commitments = audit::commitments(tx, call.organisation_id(), was.id).await?;
    let before = on_record(&commitments, &StatedPlace { stated: said, reason: None })?;
    let after = on_record(&commitments, &StatedPlace { stated: says, reason })?;
    call.record(tx, "building.correct_place", (Building::NOUN, was.id), before, after).await
}

/// A building with its parties, and its `ETag`.
async fn shown(on: &impl Executor, call: &Call, building: Building) -> Result<HttpResponse, Problem> {
    let tag = etag::of_time(building.updated_at);
    let joined = parties::joined(on, call, vec![building]).await?;
    Ok(HttpResponse::Ok().insert_header((ETAG, tag)).json(joined.first()))
}

impl Filters for BuildingFilter {
    fn scope(&self, path: &str, _: Option<Uuid>) -> (String, String) {
        let mut filters = format!("{:?}", self.is_active);
        if let Some(q) = &self.q {
            filters.push_str(&format!(" q: {:?}", &**q));
        }
        (path.to_owned(), filters)
    }
}

/// Makes a building
#[utoipa::path(post, path = "/v1/buildings", tag = "buildings", request_body = CreateBuilding, params(IdempotencyKey),
    responses((status = 201, description = "Made.", body = BuildingWithParties),
              (status = 409, description = "There is one with this name and address, or with this `external_id`.")))]
pub(crate) async fn create(
    body: Body<CreateBuilding>,
    key: IdempotencyKey,
    call: Call,
) -> Result<HttpResponse, Problem> {
    let make = async |tx: &Transaction| {
        let (building, sent) = body.value.clone().building();
        let building = call.make(tx, &building, "building.create").await?;
        if let Some(sent) = sent {
            parties::replace(tx, &call, building.id, sent).await?;
        }
        // How parties can be reached is stored with no answer.
        Outcome::new(StatusCode::CREATED, &BuildingWithParties { building, parties: Vec::new() })
    };
    let outcome = call.run_once(&key, &body.fingerprint, make).await?;
    let made = outcome.value()?;
    let parties = match made["id"].as_str().and_then(|id| id.parse().ok()) {
        Some(id) => json!(parties::of(&call.read().await?, &call, id).await?),
        None => json!([]),
    };
    call.created(outcome.put("/parties", parties)?, etag::of_body)
}

/// Lists buildings, newest first
#[utoipa::path(get, path = "/v1/buildings", tag = "buildings", params(Listing<BuildingFilter>),
    responses((status = 200, description = "One page.", body = List<BuildingWithParties>)))]
pub(crate) async fn list(list: Listing<BuildingFilter>) -> Result<HttpResponse, Problem> {
    list.answer(async |tx, Listing { call, filter, .. }, keyset| {
        let Page { rows, next } = buildings::list(tx, call.organisation_id(), filter, keyset).await?;
        Ok(Page { rows: parties::joined(tx, call, rows).await?, next })
    })
    .await
}

/// Reads a building
#[utoipa::path(get, path = "/v1/buildings/{building_id}", tag = "buildings", params(("building_id" = Uuid, Path)),
    responses((status = 200, description = "The building.", body = BuildingWithParties,
               headers(("ETag")))))]
pub(crate) async fn get(id: web::Path<Uuid>, call: Call) -> Result<HttpResponse, Problem> {
    let tx = call.read().await?;
    let building: Building = call.find(&tx, *id, Hold::None).await?;
    shown(&tx, &call, building).await
}

/// Changes a building
///
/// Correcting its jurisdiction or its time zone is an act with a `reason`, and on record as one.
#[utoipa::path(patch, path = "/v1/buildings/{building_id}", tag = "buildings", request_body = UpdateBuilding,
    params(("building_id" = Uuid, Path), IfMatch),
    responses((status = 200, description = "Changed, or as it was.", body = BuildingWithParties),
              (status = 409, description = "There is one with this name and address, or with this `external_id`.")))]
pub(crate) async fn update(
    id: web::Path<Uuid>,
    body: Body<UpdateBuilding>,
    call: Call,
) -> Result<HttpResponse, Problem> {
    let tx = call.transaction().await?;
    let before: Building = call.find(&tx, *id, Hold::Alone).await?;
    call.check_if_match(&etag::of_time(before.updated_at))?;
    let UpdateBuilding { parties: Given(sent), reason, .. } = body.value.clone();
    let mut wanted = before.clone();
    body.value.apply(&mut wanted);
    let mut after = call.change_held(&tx, "building.update", &before, &wanted).await?;
    correct_place(&tx, &call, (&before, &wanted), reason.as_deref()).await?;
    if let Some(sent) = sent
        && parties::replace(&tx, &call, before.id, sent).await?
    {
        after = Some(table::touch(&tx, call.organisation_id(), &before).await?);
    }
    let answer = shown(&tx, &call, after.unwrap_or(before)).await?;
    tx.commit().await?;
    Ok(answer)
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
