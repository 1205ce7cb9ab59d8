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
use firemode_domain::input::Time;
use firemode_storage::Executor;
use firemode_storage::defects::read::{self, Defect, DefectFilter};
use firemode_web::{Params, Problem};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::call::Call;
use crate::etag;
use crate::list::{Filters, List, Listing};

/// What it is in the audit log, and to people.
const NOUN: &str = "defect";

/// A defect.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Defect)]
pub(crate) struct DefectView {
    #[serde(flatten)]
    defect: Defect,
    /// What is due because of it. There are no duties yet.
    #[schema(value_type = Vec<Object>, max_items = 0)]
    duties: [(); 0],
}

impl From<Defect> for DefectView {
    fn from(defect: Defect) -> Self {
        Self { defect, duties: [] }
    }
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

/// Names what is known of a defect.
fn tag(defect: &Value) -> Option<String> {
    etag::of_json(defect).ok()
}

/// The answer with a defect and its `ETag`.
fn shown(defect: Defect) -> Result<HttpResponse, Problem> {
    let view = serde_json::to_value(DefectView::from(defect)).map_err(Problem::internal)?;
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
        Ok(read::list(tx, call.organisation_id(), filter, keyset).await?.map(DefectView::from))
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
    shown(known(&call, &tx, *id, as_of).await?)
}
