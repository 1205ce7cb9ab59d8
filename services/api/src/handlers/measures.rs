//! The measures of a building: its fire safety schedule.

use actix_web::{HttpResponse, web};
use firemode_domain::body;
use firemode_domain::classification::Section;
use firemode_domain::input::{Becomes as _, ClientKey, Given, Line, Whole};
use firemode_domain::measure::{NewPerformanceSolution, SECTION_NEEDED, USUAL_STANDARD, has_sections};
use firemode_storage::assets::MEASURE_OF_BUILDING;
use firemode_storage::buildings::Building;
use firemode_storage::measures::{self, EXTERNAL_ID_TAKEN, Measure};
use firemode_storage::{StorageError, Transaction, table};
use firemode_web::{Body, IdempotencyKey, Problem, catalogue};
use uuid::Uuid;

use crate::call::Call;
use crate::etag::IfMatch;
use crate::list::{Everything, List, Listing};
use crate::object::{Object, shown};

/// Months between two statements.
type Months = Whole<1, 120>;

body! {
    /// A measure to be made.
    #[derive(Debug)]
    pub(crate) struct CreateMeasure like {
        "name": "Fire hydrant systems", "section": 4, "standard_of_performance": "AS 2419.1-2005", "is_critical": true
    } {
        /// What the schedule calls it.
        name: Line<200> = "Fire hydrant systems",
        /// Section of AS 1851-2012; may be left out where another standard says how it is maintained.
        section: Option<Section> = 4,
        /// What it has to meet.
        standard_of_performance: Line<500> = "AS 2419.1-2005",
        /// By which standard it is maintained; left out: AS 1851-2012.
        maintenance_standard: Option<Line<200>> = "AS 1851-2012",
        /// What was agreed on in the place of what the standard asks for.
        performance_solution: Option<NewPerformanceSolution>,
        /// Does the building's use depend on it? Left out: no.
        is_critical: Option<bool>,
        /// Months from one statement about it to the next; left out: as the law of its place says.
        statement_interval_months: Option<Months> = 6,
        /// What another system calls it; once in a building.
        external_id: Option<ClientKey<200>> = "FSM-0012",
    }
}

body! {
    /// New values; what is left out stays.
    #[derive(Debug)]
    pub(crate) struct UpdateMeasure like {"is_critical": true} {
        name: Given<Line<200>>,
        /// Null where another standard than AS 1851-2012 says how it is maintained.
        section: Given<Option<Section>>,
        standard_of_performance: Given<Line<500>>,
        maintenance_standard: Given<Line<200>>,
        /// Null takes it away.
        performance_solution: Given<Option<NewPerformanceSolution>>,
        is_critical: Given<bool>,
        /// Null: as the law of its place says.
        statement_interval_months: Given<Option<Months>>,
        /// Null takes it away.
        external_id: Given<Option<ClientKey<200>>>,
    }
}

impl CreateMeasure {
    fn measure(self, building_id: Uuid) -> Measure {
        let usual = || USUAL_STANDARD.to_owned();
        Measure {
            id: Uuid::now_v7(),
            building_id,
            name: self.name.becomes(),
            section: self.section.becomes(),
            standard_of_performance: self.standard_of_performance.becomes(),
            maintenance_standard: self.maintenance_standard.map_or_else(usual, Line::into_string),
            performance_solution: self.performance_solution.becomes(),
            is_critical: self.is_critical.unwrap_or_default(),
            statement_interval_months: self.statement_interval_months.becomes(),
            external_id: self.external_id.becomes(),
            created_at: table::BY_DATABASE,
            updated_at: table::BY_DATABASE,
        }
    }
}

impl UpdateMeasure {
    fn apply(self, measure: &mut Measure) {
        self.name.apply(&mut measure.name);
        self.section.apply(&mut measure.section);
        self.standard_of_performance.apply(&mut measure.standard_of_performance);
        self.maintenance_standard.apply(&mut measure.maintenance_standard);
        self.performance_solution.apply(&mut measure.performance_solution);
        self.is_critical.apply(&mut measure.is_critical);
        self.statement_interval_months.apply(&mut measure.statement_interval_months);
        self.external_id.apply(&mut measure.external_id);
    }
}

impl Object for Measure {
    const NOUN: &'static str = "measure";

    fn parent(&self) -> Option<Uuid> {
        Some(self.building_id)
    }

    /// It has a section where its standard has them, and then its assets have one too.
    async fn check(&self, tx: &Transaction, organisation_id: Uuid) -> Result<(), Problem> {
        if !has_sections(&self.maintenance_standard) {
            return Ok(());
        }
        if self.section.is_none() {
            return Err(Problem::invalid_field("section", SECTION_NEEDED));
        }
        match measures::assets_of(tx, organisation_id, self.id).await? {
            (_, 0) => Ok(()),
            (_, without_section) => Err(Problem::invalid_field(
                "maintenance_standard",
                format!(
                    "{without_section} assets of this measure have no section, which this standard needs; give them one first"
                ),
            )),
        }
    }

    fn refused(error: StorageError) -> Problem {
        match error.constraint() {
            Some(EXTERNAL_ID_TAKEN) => {
                Problem::of(catalogue::EXISTS, "The building has a measure with this external_id already.")
            }
            Some(MEASURE_OF_BUILDING) => in_use(),
            _ => error.into(),
        }
    }
}

fn in_use() -> Problem {
    Problem::of(
        catalogue::IN_USE,
        "Assets have this measure: GET …/assets?measure_id= lists them. Give each another one, or null, by PATCH; then delete it.",
    )
}

/// Makes a measure
#[utoipa::path(post, path = "/v1/buildings/{building_id}/measures", tag = "measures", request_body = CreateMeasure,
    params(("building_id" = Uuid, Path), IdempotencyKey),
    responses((status = 201, description = "Made.", body = Measure),
              (status = 409, description = "The building has one with this `external_id`.")))]
pub(crate) async fn create(
    building_id: web::Path<Uuid>,
    body: Body<CreateMeasure>,
    key: IdempotencyKey,
    call: Call,
) -> Result<HttpResponse, Problem> {
    let measure = body.value.measure(*building_id);
    call.create_in::<Building, _>(&key, &body.fingerprint, *building_id, &measure, "measure.create").await
}

/// Lists a building's measures, newest first
#[utoipa::path(get, path = "/v1/buildings/{building_id}/measures", tag = "measures",
    params(("building_id" = Uuid, Path), Listing<Everything>),
    responses((status = 200, description = "One page.", body = List<Measure>)))]
pub(crate) async fn list(
    building_id: web::Path<Uuid>,
    list: Listing<Everything>,
) -> Result<HttpResponse, Problem> {
    list.answer_within::<Building, _>(*building_id, async |tx, Listing { call, .. }, keyset| {
        Ok(measures::list(tx, call.organisation_id(), *building_id, keyset).await?)
    })
    .await
}

/// Reads a measure
#[utoipa::path(get, path = "/v1/buildings/{building_id}/measures/{measure_id}", tag = "measures",
    params(("building_id" = Uuid, Path), ("measure_id" = Uuid, Path)),
    responses((status = 200, description = "The measure.", body = Measure,
               headers(("ETag")))))]
pub(crate) async fn get(ids: web::Path<(Uuid, Uuid)>, call: Call) -> Result<HttpResponse, Problem> {
    call.show::<Measure>(*ids).await
}

/// Changes a measure
#[utoipa::path(patch, path = "/v1/buildings/{building_id}/measures/{measure_id}", tag = "measures",
    request_body = UpdateMeasure,
    params(("building_id" = Uuid, Path), ("measure_id" = Uuid, Path), IfMatch),
    responses((status = 200, description = "Changed, or as it was.", body = Measure),
              (status = 409, description = "The building has one with this `external_id`.")))]
pub(crate) async fn update(
    ids: web::Path<(Uuid, Uuid)>,
    body: Body<UpdateMeasure>,
    call: Call,
) -> Result<HttpResponse, Problem> {
    Ok(shown(&call.change(*ids, "measure.update", |measure| body.value.apply(measure)).await?))
}

/// Deletes a measure
///
/// The audit log keeps what it was.
#[utoipa::path(delete, path = "/v1/buildings/{building_id}/measures/{measure_id}", tag = "measures",
    params(("building_id" = Uuid, Path), ("measure_id" = Uuid, Path), IfMatch),
    responses((status = 204, description = "Deleted."),
              (status = 409, description = "Assets have it; give them another one first.")))]
pub(crate) async fn delete(ids: web::Path<(Uuid, Uuid)>, call: Call) -> Result<HttpResponse, Problem> {
    call.remove::<Measure>(*ids, "measure.delete").await?;
    Ok(HttpResponse::NoContent().finish())
}
