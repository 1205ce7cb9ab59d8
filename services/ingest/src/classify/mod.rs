//! `POST /v1/classify` and `POST /v1/rules/classify_faults`: each fault, classified or not, leaves an entry in the audit log. What
//! arrives at once is decided and recorded together.

mod batch;
mod decide;
mod present_rules;
pub(crate) mod queue;

use actix_web::{HttpResponse, web};
use firemode_domain::input::List;
use firemode_web::wire::{ClassifyBody, FaultsBody};
use firemode_web::{Body, IdempotencyKey, Problem};

pub(crate) use self::present_rules::PresentRules;
use self::queue::{Faults, Request};
use crate::principal::Principal;
use crate::state::IngestState;

/// Classifies one fault.
pub(crate) async fn one(
    principal: Principal,
    key: IdempotencyKey,
    state: web::Data<IngestState>,
    body: Body<ClassifyBody>,
) -> Result<HttpResponse, Problem> {
    let Body { value, fingerprint, byte_count } = body;
    classify(principal, &key, &state, Body { value: Faults::One(value), fingerprint, byte_count }).await
}

/// Classifies a list of faults; one that cannot be classified does not stand in the way of the others.
pub(crate) async fn many(
    principal: Principal,
    key: IdempotencyKey,
    state: web::Data<IngestState>,
    body: Body<FaultsBody>,
) -> Result<HttpResponse, Problem> {
    let Body { value: List(faults), fingerprint, byte_count } = body;
    classify(principal, &key, &state, Body { value: Faults::Many(faults), fingerprint, byte_count }).await
}

async fn classify(
    principal: Principal,
    key: &IdempotencyKey,
    state: &IngestState,
    body: Body<Faults>,
) -> Result<HttpResponse, Problem> {
    let answer = state.classifications.push(Request {
        scope: key.scope(principal.organisation_id, principal.user_id),
        fingerprint: body.fingerprint,
        faults: body.value,
        byte_count: body.byte_count,
        principal,
    })?;
    Ok(answer.await.map_err(Problem::internal)??.respond())
}
