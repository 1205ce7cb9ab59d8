//! What was seen of a defect, in sessions and by people.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use firemode_domain::body;
use firemode_domain::defect::Deed;
use firemode_domain::defect::recording::TimeOfAct;
use firemode_domain::input::{At, Becomes as _, Faults, Text, Time};
use firemode_storage::defects::observations::{self, DefectObservation, ObservationFilter};
use firemode_web::{Body, IdempotencyKey, Outcome, Problem, refuse};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::held::HeldDefect;
use super::links::{self, EvidenceIds};
use super::{DefectView, known, named};
use crate::call::Call;
use crate::list::{Filters, List, Listing};

body! {
    /// Somebody has seen that a defect is still there.
    #[derive(Debug, Clone)]
    pub(crate) struct AddObservation like {"note": "Still dark."} {
        /// What was seen.
        note: Option<Text<2000>> = "Still dark.",
        /// Evidence of it, of the same building.
        evidence: Option<EvidenceIds>,
        /// When, where that is earlier.
        observed_at: Option<Time>,
    }
}

/// What was seen of a defect once, and what the one is called who recorded it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NamedObservation {
    #[serde(flatten)]
    observation: DefectObservation,
    /// What the user is called who recorded it; null: a session has it.
    #[schema(example = "Technician 3")]
    user_name: Option<String>,
}

impl Filters for ObservationFilter {}

/// Records that a defect was seen again
///
/// Items that fail again are observations by themselves.
#[utoipa::path(post, path = "/v1/defects/{defect_id}/observations", tag = "defects", operation_id = "observe", request_body = AddObservation,
    params(("defect_id" = Uuid, Path), IdempotencyKey),
    responses((status = 201, description = "The defect with it.", body = DefectView)))]
pub(crate) async fn add(
    id: web::Path<Uuid>,
    body: Body<AddObservation>,
    key: IdempotencyKey,
    call: Call,
) -> Result<HttpResponse, Problem> {
    let added = async |tx: &firemode_storage::Transaction| {
        let held = HeldDefect::find(&call, tx, *id).await?;
        let AddObservation { note, evidence, observed_at } = body.value.clone();
        let mut faults = Faults::default();
        if held.defect.status.is_end() {
            let why = format!("the defect is {}; open another one", held.defect.status);
            faults.add(&At::Body, why);
        }
        links::check_evidence(&call, tx, held.defect.building_id, evidence.as_ref(), &mut faults).await?;
        refuse(faults)?;
        let TimeOfAct { at, .. } = TimeOfAct::of(observed_at.map(Time::get), None, held.now);
        let deed = Deed::Observe { note: note.becomes(), evidence: links::ids(evidence) };
        held.record(&deed, at).await?;
        Outcome::new(StatusCode::CREATED, &DefectView::unnamed(held.again().await?))
    };
    let outcome = call.run_once(&key, &body.fingerprint, added).await?;
    Ok(named(&call, outcome).await?.respond())
}

/// Lists what was seen of a defect, the latest first
///
/// One for each session in which the item failed, as that is known now, and one for each time that a person recorded one. With `as_of`: as it
/// was known then.
#[utoipa::path(get, path = "/v1/defects/{defect_id}/observations", tag = "defects", operation_id = "defect_observations",
    params(("defect_id" = Uuid, Path), Listing<ObservationFilter>),
    responses((status = 200, description = "One page.", body = List<NamedObservation>)))]
pub(crate) async fn list(
    id: web::Path<Uuid>,
    list: Listing<ObservationFilter>,
) -> Result<HttpResponse, Problem> {
    list.answer(async |tx, Listing { call, filter, .. }, keyset| {
        let defect = known(call, tx, *id, filter.as_of).await?;
        let page = observations::list(tx, call.organisation_id(), defect.id, filter, keyset).await?;
        let people = call.people(tx, page.rows.iter().map(|seen| seen.user_id)).await?;
        Ok(page
            .map(|observation| NamedObservation { user_name: people.name(observation.user_id), observation }))
    })
    .await
}
