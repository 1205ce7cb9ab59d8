//! The steps of a defect's life.

use actix_web::http::StatusCode;
use actix_web::http::header::{ETAG, LOCATION};
use actix_web::{HttpResponse, web};
use firemode_domain::body;
use firemode_domain::defect::lifecycle::{self, Step, StepFault, Stepper};
use firemode_domain::defect::recording::TimeOfAct;
use firemode_domain::defect::{Deed, DefectClass, DefectStatus, Opening, Transition};
use firemode_domain::input::{Becomes as _, Day, Faults, Line, Text, Time};
use firemode_storage::defects::acts;
use firemode_storage::defects::read::Defect;
use firemode_storage::organisations::Organisation;
use firemode_storage::{Hold, Transaction};
use firemode_web::{Body, IdempotencyKey, Outcome, Problem, catalogue, refuse};
use uuid::Uuid;

use super::held::{self, HeldDefect, Subject};
use super::links::{self, EvidenceIds};
use super::{DefectView, named, tag};
use crate::call::Call;

body! {
    /// A step of a defect's life.
    #[derive(Debug, Clone)]
    pub(crate) struct TakeStep like {"to": "repaired", "reason": "Recharged on the spot."} {
        /// Where it leads: `open → acknowledged → repair_scheduled → repaired → verified → closed`.
        to: DefectStatus,
        /// Why, or what was done. For `deferred`, `withdrawn`, a repair that was not scheduled, a repair that did not hold, and a closed defect
        /// that is `open` again.
        reason: Option<Text<2000>> = "Recharged on the spot.",
        /// Evidence of it, of the same building.
        evidence: Option<EvidenceIds>,
        /// When the repair is planned, for `repair_scheduled`.
        scheduled_for: Option<Day>,
        /// Until when it waits, for `deferred`.
        until: Option<Day>,
        /// Who accepts the risk, for `deferred`.
        accepted_by: Option<Line<200>>,
        /// When it was done, where that is earlier, as on a device that was offline.
        at: Option<Time>,
    }
}

impl TakeStep {
    /// To a status, with nothing said of it.
    pub(super) fn to(to: DefectStatus) -> Self {
        let (reason, evidence, scheduled_for, until, accepted_by, at) = Default::default();
        Self { to, reason, evidence, scheduled_for, until, accepted_by, at }
    }

    /// The same with what is said of it.
    pub(super) fn said(
        self,
        reason: Option<Text<2000>>,
        scheduled_for: Option<Day>,
        until: Option<Day>,
        accepted_by: Option<Line<200>>,
    ) -> Self {
        Self { reason, scheduled_for, until, accepted_by, ..self }
    }

    fn step(&self) -> Step<'_> {
        Step {
            to: self.to,
            reason: self.reason.as_deref(),
            scheduled_for: self.scheduled_for.map(Day::get),
            until: self.until.map(Day::get),
            accepted_by: self.accepted_by.as_deref(),
        }
    }
}

/// Takes a step of a defect's life
///
/// A step that leaves one out is 422 and names those that there are. Technicians record `repaired` alone. Where a repair did not hold, what is
/// `repaired` or `verified` becomes `acknowledged`. A closed defect that is `open` again is a new one, which names it in `reopens`. `PATCH` of
/// `status` does the same.
#[utoipa::path(post, path = "/v1/defects/{defect_id}/transitions", tag = "defects", request_body = TakeStep,
    params(("defect_id" = Uuid, Path), IdempotencyKey),
    responses((status = 200, description = "The defect after it.", body = DefectView),
              (status = 201, description = "The new defect that takes the closed one up again; `Location` names it.", body = DefectView),
              (status = 403, description = "The step is for managers."),
              (status = 409, description = "The same fault is open as another defect already.")))]
pub(crate) async fn transition(
    id: web::Path<Uuid>,
    body: Body<TakeStep>,
    key: IdempotencyKey,
    call: Call,
) -> Result<HttpResponse, Problem> {
    let outcome = call
        .run_once(&key, &body.fingerprint, async |tx| {
            let held = HeldDefect::find(&call, tx, *id).await?;
            let (status, after) = take(held, body.value.clone(), "to").await?;
            Outcome::new(status, &DefectView::unnamed(after))
        })
        .await?;
    named(&call, outcome).await?.respond_created(|body| {
        let location = body["id"].as_str().map(|id| format!("/v1/defects/{id}"));
        [(LOCATION, location), (ETAG, tag(body))]
    })
}

/// Takes a step, and gives the defect after it: the new one, where a closed one is taken up again. `field` names the step in the request.
pub(super) async fn take(
    held: HeldDefect<'_>,
    asked: TakeStep,
    field: &str,
) -> Result<(StatusCode, Defect), Problem> {
    check(&held, &asked, field).await?;
    if held.defect.status == DefectStatus::Closed {
        return Ok((StatusCode::CREATED, reopen(held, asked).await?));
    }
    let last = acts::last_step_at(held.tx, held.call.organisation_id(), held.defect.id).await?;
    let not_before = last.into_iter().chain([held.defect.observed_at]).max();
    let TimeOfAct { at, .. } = TimeOfAct::of(asked.at.map(Time::get), not_before, held.now);
    let transition = Transition {
        to: asked.to,
        reason: asked.reason.becomes(),
        scheduled_for: asked.scheduled_for.becomes(),
        until: asked.until.becomes(),
        accepted_by: asked.accepted_by.becomes(),
        evidence: links::ids(asked.evidence),
    };
    held.record(&Deed::Transition(transition), at).await?;
    Ok((StatusCode::OK, held.again().await?))
}

async fn check(held: &HeldDefect<'_>, asked: &TakeStep, field: &str) -> Result<(), Problem> {
    let HeldDefect { call, tx, defect, now } = held;
    let organisation: Organisation = call.find(*tx, call.organisation_id(), Hold::None).await?;
    let lasts = |until: Option<time::OffsetDateTime>| until.is_none_or(|until| until >= *now);
    let standing = lifecycle::Standing {
        status: defect.status,
        deferred_from: defect.deferral.as_ref().map(|deferral| deferral.from),
        is_critical: defect.classification == DefectClass::CriticalDefect,
        has_interim_measure: defect.interim_measures.0.iter().any(|measure| lasts(measure.until)),
        repaired_by: defect.repaired_by,
    };
    let by = Stepper {
        user_id: call.user_id(),
        role: call.principal.role,
        may_verify_own_repair: organisation.allow_own_verification,
        today: held.today().await?,
    };
    match standing.check(&asked.step(), &by) {
        Ok(()) => {}
        Err(fault @ StepFault::NotAllowed(_)) => return Err(Problem::forbidden(fault.to_string())),
        Err(fault) => return Err(Problem::invalid_field(fault.field(field), fault.to_string())),
    }
    let mut faults = Faults::default();
    links::check_evidence(call, tx, defect.building_id, asked.evidence.as_ref(), &mut faults).await?;
    refuse(faults)
}

/// Makes the defect that takes a closed one up again.
async fn reopen(held: HeldDefect<'_>, asked: TakeStep) -> Result<Defect, Problem> {
    let local_date = held.today().await?;
    let HeldDefect { call, tx, defect: closed, now } = held;
    if let Some(condition) = &closed.condition {
        check_is_alone(call, tx, closed.subject_id, condition).await?;
    }
    let subject = Subject { subject_id: closed.subject_id, building_id: closed.building_id };
    let TimeOfAct { at, clock_suspect } =
        TimeOfAct::of(asked.at.map(Time::get), Some(closed.observed_at), now);
    let opening = Opening {
        source: closed.source,
        asset_id: closed.asset_id,
        item_id: closed.item_id,
        session_id: None,
        measure_id: closed.measure_id,
        item_code: closed.item_code,
        condition: closed.condition,
        classification: closed.classification,
        description: closed.description,
        location: closed.location,
        section: closed.section,
        local_date,
        clock_suspect,
        reopens: Some(closed.id),
        reason: asked.reason.becomes(),
        evidence: links::ids(asked.evidence),
        external_id: None,
        metadata: serde_json::Map::new(),
    };
    let id = Uuid::now_v7();
    held::record(call, tx, (id, id), subject, &Deed::Open(Box::new(opening)), at, None).await?;
    held::worked_out(call, tx, id, subject.subject_id).await
}

/// A thing has one open defect of a condition.
pub(super) async fn check_is_alone(
    call: &Call,
    tx: &Transaction,
    subject_id: Uuid,
    condition: &str,
) -> Result<(), Problem> {
    match acts::open_with_condition(tx, call.organisation_id(), subject_id, condition).await? {
        None => Ok(()),
        Some((id, number)) => Err(Problem::of(
            catalogue::EXISTS,
            format!(
                "Defect {number} ({id}) is open for the same condition of the same thing. Record an observation of it."
            ),
        )),
    }
}
