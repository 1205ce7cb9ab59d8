//! Faults of many requests in one transaction: claim → decide → record and commit.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use actix_web::http::StatusCode;
use firemode_domain::audit::{AuditEvent, Commitments};
use firemode_storage::fault_sites::{self, FaultSite, NoSite, SiteKey};
use firemode_storage::idempotency::{IdempotencyScope, StoredAnswer};
use firemode_storage::{StorageError, Transaction, audit, results};
use firemode_web::wire::{ClassifyAnswer, FaultResult, FaultsAnswer};
use firemode_web::{Outcome, Problem};
use time::OffsetDateTime;
use uuid::Uuid;

use super::decide::Decision;
use super::present_rules::RulesByItem;
use super::queue::{Answer, Faults, Request};
use crate::principal::{self, Principal};
use crate::state::IngestState;

/// Classifies the faults of these requests, records what became of each, and answers all of them, or does nothing.
///
/// # Errors
/// The database does not answer, or refuses what one of them brings.
pub(super) async fn store(
    state: &IngestState,
    requests: &[Arc<Request>],
) -> Result<Vec<Answer>, StorageError> {
    let organisations: BTreeSet<Uuid> =
        requests.iter().map(|request| request.principal.organisation_id).collect();
    let tx = state.database.tenants(organisations).transaction().await?;
    let now = OffsetDateTime::now_utc();
    let mut batch = Batch { requests, now, answers: HashMap::new(), events: Vec::new(), kept: Vec::new() };
    match batch.work_out(&tx, state).await {
        Ok(()) => {
            let days = state.settings.idempotency.days;
            audit::record_and_commit(tx, &batch.events, &batch.kept, days).await?;
            Ok(batch.into_answers())
        }
        Err(error) => {
            // The keys are free before anybody hears of it.
            tx.abandon().await;
            Err(error)
        }
    }
}

/// Requests that are worked on together.
struct Batch<'a> {
    requests: &'a [Arc<Request>],
    /// When they are decided.
    now: OffsetDateTime,
    /// By place among the requests.
    answers: HashMap<usize, Answer>,
    /// What goes on record.
    events: Vec<AuditEvent>,
    /// Answers that are kept under keys.
    kept: Vec<(&'a IdempotencyScope, StoredAnswer)>,
}

impl<'a> Batch<'a> {
    async fn work_out(&mut self, tx: &Transaction, state: &IngestState) -> Result<(), StorageError> {
        self.claim(tx).await?;
        let requests = self.requests;
        let open = requests.iter().enumerate().filter(|(place, _)| !self.answers.contains_key(place));
        let open: Vec<(usize, &'a Arc<Request>)> = open.collect();
        if open.is_empty() {
            return Ok(());
        }
        let now = self.now;
        let faults = open.iter().flat_map(|&(_, request)| {
            let faults = request.faults.as_slice().iter();
            faults.map(move |fault| (request.site(fault, now), request.item(fault)))
        });
        let (sites, items): (HashSet<_>, BTreeSet<_>) = faults.unzip();
        let sites = fault_sites::find_all(tx, &sites).await?;
        let rules = state.rules.for_items(tx, items).await?;
        for (place, request) in open {
            let commitments = if request.has_free_text() {
                let Principal { organisation_id, transaction_id, .. } = request.principal;
                Some(audit::commitments(tx, organisation_id, transaction_id).await?)
            } else {
                None
            };
            let answer = self.answer(request, &rules, &sites, commitments.as_ref());
            if let (Ok(outcome), Some(scope)) = (&answer, &request.scope) {
                self.kept.push((scope, outcome.stored(&request.fingerprint)));
            }
            self.answers.insert(place, answer);
        }
        Ok(())
    }

    /// Claims the keys, and looks at the access tokens once more.
    async fn claim(&mut self, tx: &Transaction) -> Result<(), StorageError> {
        let with_key = self.requests.iter().enumerate();
        let with_key = with_key.filter_map(|(place, request)| Some((place, request.scope.as_ref()?)));
        let (places, scopes): (Vec<usize>, Vec<&IdempotencyScope>) = with_key.unzip();
        let tokens = self.requests.iter().map(|request| request.principal.token()).collect();
        let (claims, valid_tokens) = results::claim(tx, &scopes, tokens).await?;
        for (place, claim) in places.into_iter().zip(claims) {
            let answer = Outcome::of_claim(claim, &self.requests[place].fingerprint).transpose();
            self.answers.extend(answer.map(|answer| (place, answer)));
        }
        for (place, request) in self.requests.iter().enumerate() {
            if !valid_tokens.contains(&request.principal.token()) {
                self.answers.insert(place, Err(principal::revoked()));
            }
        }
        Ok(())
    }

    /// Decides on the faults of a request.
    fn answer(
        &mut self,
        request: &Request,
        rules: &RulesByItem,
        sites: &HashMap<SiteKey, Result<FaultSite, NoSite>>,
        commitments: Option<&Commitments>,
    ) -> Answer {
        let now = self.now;
        let mut decisions = request.faults.as_slice().iter().map(|fault| {
            let site = &sites[&request.site(fault, now)];
            let rules = rules.get(&request.item(fault)).map_or(&[][..], |rules| rules);
            let Decision { outcome, event } =
                Decision::on(&request.principal, rules, site, fault, commitments);
            let audit_log_id = event.id;
            self.events.push(event);
            (outcome, audit_log_id)
        });
        match &request.faults {
            Faults::One(_) => {
                let decision = decisions.next().ok_or_else(|| Problem::internal("a request without a fault"));
                let (outcome, _) = decision?;
                Outcome::new(StatusCode::OK, &outcome?)
            }
            Faults::Many(_) => {
                let result = |(index, (outcome, audit_log_id))| result(index, outcome, audit_log_id);
                let results = decisions.enumerate().map(result).collect();
                Outcome::new(StatusCode::OK, &FaultsAnswer { results })
            }
        }
    }

    fn into_answers(mut self) -> Vec<Answer> {
        let unanswered = || Err(Problem::internal("a batch has left a request out"));
        let places = 0..self.requests.len();
        places.map(|place| self.answers.remove(&place).unwrap_or_else(unanswered)).collect()
    }
}

/// One fault of a list.
fn result(index: usize, outcome: Result<ClassifyAnswer, Problem>, audit_log_id: Uuid) -> FaultResult {
    match outcome {
        Ok(answer) => FaultResult {
            index,
            status: StatusCode::OK.as_u16(),
            classification: Some(answer.classification),
            rule_applied: Some(answer.rule_applied),
            version_applied: Some(answer.version_applied),
            audit_log_id,
            ..FaultResult::default()
        },
        Err(problem) => FaultResult {
            index,
            status: problem.status().as_u16(),
            error_code: Some(problem.error_code()),
            message: Some(problem.detail().to_owned()),
            audit_log_id,
            ..FaultResult::default()
        },
    }
}
