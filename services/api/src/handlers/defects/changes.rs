//! Changes of a defect: what it is called, its class, who is to see to it, and its status.

use actix_web::{HttpResponse, web};
use firemode_domain::body;
use firemode_domain::defect::{Deed, DefectClass, DefectStatus};
use firemode_domain::input::{At, Becomes as _, ClientKey, Day, Faults, Given, Line, Metadata, Text};
use firemode_domain::role::Role;
use firemode_web::{Body, Problem, refuse};
use serde_json::Value;
use uuid::Uuid;

use super::held::HeldDefect;
use super::links::{self, EvidenceIds};
use super::opening::check_external_id;
use super::transitions::{self, TakeStep};
use super::{DefectView, shown, tag};
use crate::call::Call;
use crate::etag::IfMatch;

body! {
    /// New values; what is left out stays.
    #[derive(Debug, Clone)]
    pub(crate) struct UpdateDefect like {
        "classification": "critical_defect", "reason": "The pump room is flooded too."
    } {
        /// A step of its life, as `POST …/transitions` takes it.
        status: Given<DefectStatus>,
        /// Another class than the rules give, with a `reason`.
        classification: Given<DefectClass>,
        /// Why the class or the status is to be another one, or what was done.
        reason: Option<Text<2000>> = "The pump room is flooded too.",
        /// When the repair is planned, for `repair_scheduled`.
        scheduled_for: Option<Day>,
        /// Until when it waits, for `deferred`.
        until: Option<Day>,
        /// Who accepts the risk, for `deferred`.
        accepted_by: Option<Line<200>>,
        /// Who is to see to it; null: nobody.
        assigned_to: Given<Option<Uuid>>,
        description: Given<Text<2000>>,
        /// Null takes it away.
        location: Given<Option<Line<500>>>,
        /// What another system calls it, once in the organisation. Null takes it away.
        external_id: Given<Option<ClientKey<200>>>,
        metadata: Given<Metadata>,
        /// Evidence to link, of the same building. What is linked stays.
        evidence: Option<EvidenceIds>,
    }
}

/// Changes a defect
///
/// What is done is put on record one by one: a class, an assignment, other words, links to evidence, and last a step of its life. Technicians
/// record that it is `repaired`, and nothing else.
#[utoipa::path(patch, path = "/v1/defects/{defect_id}", tag = "defects", request_body = UpdateDefect,
    params(("defect_id" = Uuid, Path), IfMatch),
    responses((status = 200, description = "Changed, or as it was. Where a closed defect is taken up again: the new one.", body = DefectView),
              (status = 403, description = "The change is for managers."),
              (status = 409, description = "Another defect has this `external_id`, or the same fault is open already.")))]
pub(crate) async fn update(
    id: web::Path<Uuid>,
    body: Body<UpdateDefect>,
    call: Call,
) -> Result<HttpResponse, Problem> {
    let asked = body.value;
    if call.principal.role == Role::Technician && !asked.is_repair() {
        return Err(Problem::forbidden("a technician records that a defect is repaired, and nothing else"));
    }
    let tx = call.transaction().await?;
    let held = HeldDefect::find(&call, &tx, *id).await?;
    let before = DefectView::unnamed(held.defect.clone());
    let before = serde_json::to_value(before).map_err(Problem::internal)?;
    call.check_if_match(&tag(&before).unwrap_or_default())?;
    let (deeds, step) = asked.deeds(&held).await?;
    if deeds.is_empty() && step.is_none() {
        return shown(&call, &tx, held.defect).await;
    }
    for deed in &deeds {
        held.record(deed, held.now).await?;
    }
    let after = match step {
        None => held.again().await?,
        Some(step) => {
            let held = if deeds.is_empty() { held } else { held.held_again().await? };
            transitions::take(held, step, "status").await?.1
        }
    };
    let answer = shown(&call, &tx, after).await?;
    tx.commit().await?;
    Ok(answer)
}

impl UpdateDefect {
    /// Is this what a technician may do?
    fn is_repair(&self) -> bool {
        let Self {
            status, classification, assigned_to, description, location, external_id, metadata, ..
        } = self;
        let changes_more = classification.0.is_some()
            || assigned_to.0.is_some()
            || description.0.is_some()
            || location.0.is_some()
            || external_id.0.is_some()
            || metadata.0.is_some();
        status.0 == Some(DefectStatus::Repaired) && !changes_more
    }

    /// What of it is not so already, but for the step.
    async fn deeds(self, held: &HeldDefect<'_>) -> Result<(Vec<Deed>, Option<TakeStep>), Problem> {
        let HeldDefect { call, tx, defect, .. } = held;
        let mut faults = Faults::default();
        links::check_evidence(call, tx, defect.building_id, self.evidence.as_ref(), &mut faults).await?;
        let mut deeds = Vec::new();
        if let Some(classification) = self.classification.0.filter(|class| *class != defect.classification) {
            match &self.reason {
                _ if classification == DefectClass::Unclassified => {
                    faults.add(
                        &At::named("classification"),
                        "must be a class; a person does not take one away",
                    );
                }
                Some(reason) => {
                    deeds.push(Deed::Reclassify { classification, reason: reason.to_string() });
                }
                None => faults.add(&At::named("reason"), "is required: why the class is another one"),
            }
        }
        if let Some(assigned_to) = self.assigned_to.0.filter(|user| *user != defect.assigned_to) {
            links::check_assignee(call, tx, assigned_to, &mut faults).await?;
            deeds.push(Deed::Assign { assigned_to });
        }
        refuse(faults)?;
        let description =
            self.description.0.map(Text::into_string).filter(|text| *text != defect.description);
        let location: Option<Option<String>> = self.location.0.map(|location| location.becomes());
        let location = location.filter(|location| *location != defect.location);
        let external_id: Option<Option<String>> = self.external_id.0.map(|id| id.becomes());
        let external_id = external_id.filter(|id| *id != defect.external_id);
        let metadata = self.metadata.0.map(|metadata| metadata.0);
        let metadata = metadata.filter(|fields| defect.metadata != Value::Object(fields.clone()));
        if let Some(Some(external_id)) = &external_id {
            check_external_id(call, tx, external_id, defect.id).await?;
        }
        if description.is_some() || location.is_some() || external_id.is_some() || metadata.is_some() {
            deeds.push(Deed::Describe { description, location, external_id, metadata });
        }
        let mut evidence = links::ids(self.evidence);
        evidence.retain(|id| !defect.evidence.contains(id));
        if !evidence.is_empty() {
            deeds.push(Deed::Evidence { evidence });
        }
        let step =
            self.status.0.filter(|status| *status != defect.status).map(|to| {
                TakeStep::to(to).said(self.reason, self.scheduled_for, self.until, self.accepted_by)
            });
        Ok((deeds, step))
    }
}
