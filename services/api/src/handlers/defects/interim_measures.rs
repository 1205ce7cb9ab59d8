//! What is done until a defect is repaired.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use firemode_domain::body;
use firemode_domain::defect::Deed;
use firemode_domain::defect::recording::TimeOfAct;
use firemode_domain::input::{Becomes as _, Faults, Text, Time};
use firemode_web::{Body, IdempotencyKey, Outcome, Problem, refuse};
use uuid::Uuid;

use super::held::HeldDefect;
use super::links::{self, EvidenceIds};
use super::{DefectView, named};
use crate::call::Call;

body! {
    /// Something that is done until a defect is repaired.
    #[derive(Debug, Clone)]
    pub(crate) struct AddInterimMeasure like {"text": "A guard walks the floor every hour."} {
        /// What it is.
        text: Text<2000> = "A guard walks the floor every hour.",
        /// Until when it lasts; left out: until the defect is repaired.
        until: Option<Time>,
        /// Evidence of it, of the same building.
        evidence: Option<EvidenceIds>,
        /// When it was done, where that is earlier.
        at: Option<Time>,
    }
}

/// Records what is done until a defect is repaired
///
/// A critical defect is deferred only where there is such a measure that lasts.
#[utoipa::path(post, path = "/v1/defects/{defect_id}/interim_measures", tag = "defects", request_body = AddInterimMeasure,
    params(("defect_id" = Uuid, Path), IdempotencyKey),
    responses((status = 201, description = "The defect with it.", body = DefectView)))]
pub(crate) async fn add(
    id: web::Path<Uuid>,
    body: Body<AddInterimMeasure>,
    key: IdempotencyKey,
    call: Call,
) -> Result<HttpResponse, Problem> {
    let added = async |tx: &firemode_storage::Transaction| {
        let held = HeldDefect::find(&call, tx, *id).await?;
        let AddInterimMeasure { text, until, evidence, at } = body.value.clone();
        let mut faults = Faults::default();
        links::check_evidence(&call, tx, held.defect.building_id, evidence.as_ref(), &mut faults).await?;
        refuse(faults)?;
        let TimeOfAct { at, .. } = TimeOfAct::of(at.map(Time::get), None, held.now);
        let (text, until, evidence) = (text.becomes(), until.becomes(), links::ids(evidence));
        held.record(&Deed::InterimMeasure { text, until, evidence }, at).await?;
        Outcome::new(StatusCode::CREATED, &DefectView::unnamed(held.again().await?))
    };
    let outcome = call.run_once(&key, &body.fingerprint, added).await?;
    Ok(named(&call, outcome).await?.respond())
}
