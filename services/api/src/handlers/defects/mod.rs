//! Defects: what was found wrong, and what people do about it until it is closed.

pub(crate) mod changes;
mod held;
pub(crate) mod history;
pub(crate) mod interim_measures;
mod links;
pub(crate) mod observations;
pub(crate) mod opening;
pub(crate) mod transitions;
pub(crate) mod withdrawals;

use actix_web::http::header::ETAG;
use actix_web::{HttpResponse, web};
use firemode_domain::body;
use firemode_domain::defect::InterimMeasure;
use firemode_domain::input::Time;
use firemode_storage::Executor;
use firemode_storage::defects::read::{self, Defect, DefectFilter};
use firemode_web::{Outcome, Params, Problem};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::call::Call;
use crate::etag;
use crate::list::{Filters, List, Listing};
use crate::people::People;

/// What it is in the audit log, and to people.
const NOUN: &str = "defect";

/// A defect.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Defect)]
pub(crate) struct DefectView {
    #[serde(flatten)]
    defect: Defect,
    /// What the user is called who is to see to it.
    #[schema(example = "Ada E.")]
    assigned_to_name: Option<String>,
    /// What the user is called who repaired it.
    #[schema(example = "Technician 3")]
    repaired_by_name: Option<String>,
    /// What the user is called who looked whether it is.
    #[schema(example = "Manager 2")]
    verified_by_name: Option<String>,
    /// What was done until it is repaired.
    interim_measures: Vec<NamedInterimMeasure>,
    /// What is due because of it. There are no duties yet.
    #[schema(value_type = Vec<Object>, max_items = 0)]
    duties: [(); 0],
}

/// Something that was done until a defect is repaired, and what the one is called who did it.
#[derive(Debug, Serialize, ToSchema)]
struct NamedInterimMeasure {
    #[serde(flatten)]
    measure: InterimMeasure,
    /// What the user is called who did it.
    #[schema(example = "Manager 2")]
    by_name: Option<String>,
}

/// Whom a defect names, each beside the name.
const NAMES: [(&str, &str); 3] = [
    ("/assigned_to", "/assigned_to_name"),
    ("/repaired_by", "/repaired_by_name"),
    ("/verified_by", "/verified_by_name"),
];

impl DefectView {
    fn of(mut defect: Defect, people: &People) -> Self {
        let measures = std::mem::take(&mut defect.interim_measures.0);
        let named =
            |measure: InterimMeasure| NamedInterimMeasure { by_name: people.name(measure.by), measure };
        Self {
            assigned_to_name: people.name(defect.assigned_to),
            repaired_by_name: people.name(defect.repaired_by),
            verified_by_name: people.name(defect.verified_by),
            interim_measures: measures.into_iter().map(named).collect(),
            defect,
            duties: [],
        }
    }

    /// As it is kept for repetition, which is without names.
    fn unnamed(defect: Defect) -> Self {
        Self::of(defect, &People::default())
    }
}

/// The people that a defect names.
fn people_of(defect: &Defect) -> impl Iterator<Item = Option<Uuid>> {
    let did = defect.interim_measures.0.iter().map(|measure| Some(measure.by));
    [defect.assigned_to, defect.repaired_by, defect.verified_by].into_iter().chain(did)
}

/// The places in a defect's JSON of all ids of people, each beside that of the name.
fn name_places(defect: &Value) -> Vec<(String, String)> {
    let measures = defect["interim_measures"].as_array().map_or(0, Vec::len);
    let of_measure = |number: usize| {
        let measure = format!("/interim_measures/{number}");
        (format!("{measure}/by"), format!("{measure}/by_name"))
    };
    let of_defect = NAMES.map(|(id, name)| (id.to_owned(), name.to_owned()));
    of_defect.into_iter().chain((0..measures).map(of_measure)).collect()
}

/// An answer that may be stored, with the names of whom it names.
async fn named(call: &Call, outcome: Outcome) -> Result<Outcome, Problem> {
    let places = name_places(&outcome.value()?);
    let places: Vec<(&str, &str)> = places.iter().map(|(id, name)| (id.as_str(), name.as_str())).collect();
    call.with_names(outcome, &places).await
}

impl Filters for DefectFilter {}

body! {
    /// Which moment of a defect is wanted.
    #[derive(Debug)]
    pub(crate) struct KnownThen {
        /// As it was known then (RFC 3339); left out: now.
        as_of: Option<Time>,
    }
}

fn no_such_defect() -> Problem {
    Problem::not_found(NOUN)
}

/// Names what is known of a defect; what people are called is no part of that.
fn tag(defect: &Value) -> Option<String> {
    let mut unnamed = defect.clone();
    for (_, name) in name_places(defect) {
        *unnamed.pointer_mut(&name)? = Value::Null;
    }
    etag::of_json(&unnamed).ok()
}

/// The answer with a defect and its `ETag`.
async fn shown(call: &Call, on: &impl Executor, defect: Defect) -> Result<HttpResponse, Problem> {
    let people = call.people(on, people_of(&defect)).await?;
    let view = serde_json::to_value(DefectView::of(defect, &people)).map_err(Problem::internal)?;
    let mut response = HttpResponse::Ok();
    if let Some(tag) = tag(&view) {
        response.insert_header((ETAG, tag));
    }
    Ok(response.json(view))
}

/// A defect as it is known, or was known at a moment.
async fn known(call: &Call, on: &impl Executor, id: Uuid, as_of: Option<Time>) -> Result<Defect, Problem> {
    let defect = read::find(on, call.organisation_id(), id, as_of.map(Time::get)).await?;
    defect.ok_or_else(no_such_defect)
}

/// Lists defects, newest first
#[utoipa::path(get, path = "/v1/defects", tag = "defects", params(Listing<DefectFilter>),
    responses((status = 200, description = "One page.", body = List<DefectView>)))]
pub(crate) async fn list(list: Listing<DefectFilter>) -> Result<HttpResponse, Problem> {
    list.answer(async |tx, Listing { call, filter, .. }, keyset| {
        let page = read::list(tx, call.organisation_id(), filter, keyset).await?;
        let people = call.people(tx, page.rows.iter().flat_map(people_of)).await?;
        Ok(page.map(|defect| DefectView::of(defect, &people)))
    })
    .await
}

/// Reads a defect
///
/// With `as_of`: as it was known then, whatever arrived later.
#[utoipa::path(get, path = "/v1/defects/{defect_id}", tag = "defects",
    params(("defect_id" = Uuid, Path), Params<KnownThen>),
    responses((status = 200, description = "The defect.", body = DefectView,
               headers(("ETag", description = "Names its state.")))))]
pub(crate) async fn get(
    id: web::Path<Uuid>,
    Params(KnownThen { as_of }): Params<KnownThen>,
    call: Call,
) -> Result<HttpResponse, Problem> {
    let tx = call.read().await?;
    shown(&call, &tx, known(&call, &tx, *id, as_of).await?).await
}
