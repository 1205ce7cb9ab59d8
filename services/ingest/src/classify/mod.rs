//! `POST /v1/classify` and `POST /v1/rules/classify_faults`: each fault, classified or not, leaves an entry in the audit log.

mod decide;

use std::collections::BTreeSet;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use firemode_domain::input::List;
use firemode_storage::{Transaction, audit, rules};
use firemode_web::wire::{ClassifyAnswer, ClassifyBody, FaultResult, FaultsAnswer, FaultsBody};
use firemode_web::{Body, IdempotencyKey, Outcome, Problem};

use self::decide::{Decision, Places};
use crate::principal::Principal;
use crate::state::IngestState;

/// Classifies one fault.
pub(crate) async fn one(
    principal: Principal,
    key: IdempotencyKey,
    state: web::Data<IngestState>,
    body: Body<ClassifyBody>,
) -> Result<HttpResponse, Problem> {
    let scope = key.scope(principal.organisation_id, principal.user_id);
    let mut failed = None;
    let result = state
        .run_once(&principal, scope, &body.fingerprint, async |tx| {
            principal.check_token(tx).await?;
            let rules = rules::for_items(tx, principal.organisation_id, &[&body.value.item_code]).await?;
            let decision = Places::default().decide(tx, &principal, &rules, &body.value).await?;
            match decision.outcome {
                Ok(answer) => {
                    audit::record(tx, &[decision.event]).await?;
                    Outcome::new(StatusCode::OK, &answer)
                }
                // A failure is not stored under the key, so this transaction is not the one that records it.
                Err(problem) => {
                    failed = Some(decision.event);
                    Err(problem)
                }
            }
        })
        .await;
    if let Some(event) = failed {
        let tx = state.database.tenant(principal.organisation_id).transaction().await?;
        audit::record(&tx, &[event]).await?;
        tx.commit().await?;
    }
    Ok(result?.respond())
}

/// Classifies a list of faults; one that cannot be classified does not stand in the way of the others.
pub(crate) async fn many(
    principal: Principal,
    key: IdempotencyKey,
    state: web::Data<IngestState>,
    body: Body<FaultsBody>,
) -> Result<HttpResponse, Problem> {
    let scope = key.scope(principal.organisation_id, principal.user_id);
    let List(faults) = body.value;
    let outcome = state
        .run_once(&principal, scope, &body.fingerprint, async |tx| {
            principal.check_token(tx).await?;
            let results = classify_all(tx, &principal, &faults).await?;
            Outcome::new(StatusCode::OK, &FaultsAnswer { results })
        })
        .await?;
    Ok(outcome.respond())
}

async fn classify_all(
    tx: &Transaction,
    principal: &Principal,
    faults: &[ClassifyBody],
) -> Result<Vec<FaultResult>, Problem> {
    let item_codes: BTreeSet<&str> = faults.iter().map(|fault| &*fault.item_code).collect();
    let item_codes: Vec<&str> = item_codes.into_iter().collect();
    let rules = rules::for_items(tx, principal.organisation_id, &item_codes).await?;
    let mut places = Places::default();
    let mut results = Vec::with_capacity(faults.len());
    let mut events = Vec::with_capacity(faults.len());
    for (index, fault) in faults.iter().enumerate() {
        let Decision { outcome, event } = places.decide(tx, principal, &rules, fault).await?;
        results.push(match outcome {
            Ok(answer) => success(index, answer),
            Err(problem) => FaultResult {
                index,
                status: problem.status().as_u16(),
                error_code: Some(problem.error_code()),
                message: Some(problem.detail().to_owned()),
                audit_log_id: event.id,
                ..FaultResult::default()
            },
        });
        events.push(event);
    }
    audit::record(tx, &events).await?;
    Ok(results)
}

fn success(index: usize, answer: ClassifyAnswer) -> FaultResult {
    FaultResult {
        index,
        status: StatusCode::OK.as_u16(),
        classification: Some(answer.classification),
        rule_applied: Some(answer.rule_applied),
        version_applied: Some(answer.version_applied),
        audit_log_id: answer.audit_log_id,
        ..FaultResult::default()
    }
}
