//! Works out what a version of a rule would have changed.
//!
//! The classifications of the time that was asked for are read page by page, oldest first, and each that would have come to something else
//! is a row of the report. A run that begins again empties the report; one that has lost the job adds what the other one adds too.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use firemode_domain::audit::AuditEvent;
use firemode_domain::classification::{Impact, Occasion, Receipt, Supposition};
use firemode_storage::StorageError;
use firemode_storage::audit::{self, AuditRow};
use firemode_storage::places::{self, Found, PlaceKey, PlaceOf};
use firemode_storage::rule_impacts::{self, ImpactQuestion, RuleImpact};
use firemode_storage::rules::{self, StoredRule};
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::engine::{Failure, Outcome, Task};
use crate::state::WorkerState;

/// Classifications that are in memory at once.
const PAGE: i64 = 1_000;

/// What was found so far.
#[derive(Debug, Default)]
struct Figures {
    examined: usize,
    not_on_record: usize,
    differing: usize,
}

/// Reports on one version.
pub(crate) async fn run(state: Rc<WorkerState>, task: Rc<Task>) -> Result<Outcome, Failure> {
    let organisation_id =
        task.job.organisation_id.ok_or_else(|| Failure::Refused("It is nobody's.".to_owned()))?;
    let question: ImpactQuestion = serde_json::from_value(task.job.input.clone())
        .map_err(|error| Failure::Refused(format!("The question cannot be read: {error}")))?;
    let supposition = Arc::new(supposition(&state, organisation_id, question.rule_id).await?);
    let job_id = task.hold().job_id;
    let tx = state.database.tenant(organisation_id).transaction().await?;
    rule_impacts::clear(&tx, organisation_id, job_id).await?;
    tx.commit().await?;

    let mut figures = Figures::default();
    let mut after = (question.from, Uuid::nil());
    loop {
        let page = page(&state, organisation_id, &supposition, after, question.to).await?;
        let Some(last) = page.last() else { break };
        after = last.place();
        let found = examine(&state, organisation_id, &supposition, page, &mut figures).await?;
        let tx = state.database.tenant(organisation_id).transaction().await?;
        rule_impacts::add(&tx, organisation_id, job_id, &found).await?;
        tx.commit().await?;
        task.progress(share(&question, after.0));
    }
    let Figures { examined, not_on_record, differing } = figures;
    Ok(Outcome::Done(json!({"examined": examined, "not_on_record": not_on_record, "differing": differing})))
}

async fn supposition(
    state: &WorkerState,
    organisation_id: Uuid,
    rule_id: Uuid,
) -> Result<Supposition, Failure> {
    let tx = state.database.tenant(organisation_id).read().await?;
    let version = rules::find(&tx, organisation_id, rule_id).await?;
    let version = version.ok_or_else(|| Failure::Refused("There is no such version.".to_owned()))?;
    let versions = rules::versions(&tx, organisation_id, &version.rule_code).await?;
    let versions: Vec<_> = versions.into_iter().map(StoredRule::rule).collect::<Result<_, _>>()?;
    let items: BTreeSet<&str> =
        versions.iter().flat_map(|rule| rule.schema.item_codes()).map(String::as_str).collect();
    let items: Vec<&str> = items.into_iter().collect();
    let rules = rules::for_items(&tx, organisation_id, &items).await?;
    Ok(Supposition::new(version.rule()?, items, rules))
}

async fn page(
    state: &WorkerState,
    organisation_id: Uuid,
    supposition: &Supposition,
    after: (OffsetDateTime, Uuid),
    before: OffsetDateTime,
) -> Result<Vec<AuditRow>, StorageError> {
    let tx = state.database.tenant(organisation_id).read().await?;
    audit::classifications(&tx, organisation_id, &supposition.item_codes(), after, before, PAGE).await
}

/// Those of a page that would have come to something else.
async fn examine(
    state: &WorkerState,
    organisation_id: Uuid,
    supposition: &Arc<Supposition>,
    page: Vec<AuditRow>,
    figures: &mut Figures,
) -> Result<Vec<RuleImpact>, Failure> {
    let read =
        move || page.into_iter().filter_map(|row| row.entry().ok()).filter_map(|entry| receipt(entry.event));
    let receipts: Vec<(AuditEvent, Receipt)> = aside(move || read().collect()).await?;
    figures.examined += receipts.len();
    let places = places_of(state, organisation_id, &receipts).await?;
    let supposition = Arc::clone(supposition);
    let judged = aside(move || {
        let judge = |(event, receipt): (AuditEvent, Receipt)| {
            let occasion = receipt.occasion.or_else(|| {
                let place = &places.get(&place_key(organisation_id, &event, &receipt))?.place;
                Some(Occasion::at(place, event.at))
            })?;
            let impact = supposition.impact(&receipt, occasion);
            Some((event, receipt, impact))
        };
        receipts.into_iter().filter_map(judge).collect::<Vec<_>>()
    });
    let mut found = Vec::new();
    for (event, receipt, impact) in judged.await? {
        match impact {
            Impact::None => {}
            Impact::NotOnRecord => figures.not_on_record += 1,
            Impact::Differs { was, would_be } => found.push(RuleImpact {
                id: Uuid::now_v7(),
                audit_log_id: event.id,
                classified_at: event.at,
                item_code: receipt.item_code.unwrap_or_default(),
                observed_condition: receipt.observed_condition.unwrap_or_default(),
                session_id: receipt.session_id,
                was: json!(was),
                would_be: json!(would_be),
            }),
        }
    }
    figures.differing += found.len();
    Ok(found)
}

/// Where those were decided that do not say it themselves, as it was known then.
async fn places_of(
    state: &WorkerState,
    organisation_id: Uuid,
    receipts: &[(AuditEvent, Receipt)],
) -> Result<HashMap<PlaceKey, Found>, StorageError> {
    let keys = receipts
        .iter()
        .filter(|(_, receipt)| receipt.occasion.is_none())
        .map(|(event, receipt)| place_key(organisation_id, event, receipt));
    let keys: HashSet<PlaceKey> = keys.collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let tx = state.database.tenant(organisation_id).read().await?;
    places::find_all(&tx, &keys).await
}

fn place_key(organisation_id: Uuid, event: &AuditEvent, receipt: &Receipt) -> PlaceKey {
    let of = receipt.session_id.map_or(PlaceOf::AnyBuilding, PlaceOf::Session);
    PlaceKey { organisation_id, of, known_at: Some(event.at) }
}

fn receipt(event: AuditEvent) -> Option<(AuditEvent, Receipt)> {
    let receipt = Receipt::of(&event)?;
    Some((event, receipt))
}

/// Work that takes processor time, away from the engine's thread.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Failure::Later("the work broke down".to_owned()))
}

/// How much of the time that was asked for lies behind.
fn share(question: &ImpactQuestion, at: OffsetDateTime) -> f32 {
    ((at - question.from) / (question.to - question.from)) as f32
}
