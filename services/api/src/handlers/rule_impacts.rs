//! What a version of a rule would have changed.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use firemode_domain::body;
use firemode_domain::classification::{RuleCode, RuleVersion};
use firemode_domain::input::Time;
use firemode_storage::jobs::Job;
use firemode_storage::rule_impacts::{self, ImpactQuestion, JOB_KIND, RuleImpact};
use firemode_storage::{Transaction, rules};
use firemode_web::{Body, IdempotencyKey, Outcome, Problem};
use serde_json::json;
use uuid::Uuid;

use crate::call::Call;
use crate::handlers::jobs::{self, accepted};
use crate::list::{Everything, List, Listing};

body! {
    /// A version of a rule, and the time whose classifications are to be looked at.
    #[derive(Debug)]
    pub(crate) struct ImpactRequest like {
        "rule_code": "AS1851-10-EXT-PRESSURE", "version": "1.0.0",
        "from": "2026-01-01T00:00:00Z", "to": "2027-01-01T00:00:00Z"
    } {
        rule_code: RuleCode = "AS1851-10-EXT-PRESSURE",
        version: RuleVersion = "1.0.0",
        /// The first moment.
        from: Time,
        /// The moment behind the last.
        to: Time,
    }
}

/// Asks what a version of a rule would have changed
///
/// Each classification of the time is decided again as if the version had been the one in force of its code, beside the other rules as they
/// are now. Nothing is changed by it. The job's `result` has the figures: `examined`, `differing`, and `not_on_record` where inputs are not;
/// `GET /v1/rules/impact/{job_id}` has the rows.
#[utoipa::path(post, path = "/v1/rules/impact", tag = "rules", request_body = ImpactRequest, params(IdempotencyKey),
    responses((status = 202, description = "The job; `Location` names it.", body = Job),
              (status = 404, description = "There is no such version of a rule."),
              (status = 429, description = "Too many such jobs are open.")))]
pub(crate) async fn impact(
    body: Body<ImpactRequest>,
    key: IdempotencyKey,
    call: Call,
) -> Result<HttpResponse, Problem> {
    let asked = &body.value;
    if asked.from >= asked.to {
        return Err(Problem::invalid_field("to", "must be behind `from`"));
    }
    let start = async |tx: &Transaction| Outcome::new(StatusCode::ACCEPTED, &start(tx, &call, asked).await?);
    accepted(call.run_once(&key, &body.fingerprint, start).await?)
}

async fn start(tx: &Transaction, call: &Call, asked: &ImpactRequest) -> Result<Job, Problem> {
    let versions = rules::versions(tx, call.organisation_id(), asked.rule_code.as_str()).await?;
    let of_version = versions.iter().filter(|rule| rule.version == asked.version.to_string());
    // Where there is an own one and a shipped one, the own one is meant: it stands before the other.
    let rule = of_version.max_by_key(|rule| rule.organisation_id.is_some());
    let rule_id = rule.ok_or_else(|| Problem::not_found("rule"))?.id;
    let question = json!(ImpactQuestion { rule_id, from: asked.from.get(), to: asked.to.get() });
    let job = jobs::start(call, tx, JOB_KIND, &question).await?;
    let after = json!({"job_id": job.id, "from": question["from"], "to": question["to"]});
    call.record(tx, "rule.impact", ("rule", rule_id), None, Some(after)).await?;
    Ok(job)
}

/// Lists the classifications that a version of a rule would have changed
///
/// While the job runs, those that it has found so far.
#[utoipa::path(get, path = "/v1/rules/impact/{job_id}", tag = "rules", params(("job_id" = Uuid, Path), Listing<Everything>),
    responses((status = 200, description = "One page.", body = List<RuleImpact>)))]
pub(crate) async fn impact_report(
    job_id: web::Path<Uuid>,
    list: Listing<Everything>,
) -> Result<HttpResponse, Problem> {
    list.answer(async |tx, Listing { call, .. }, keyset| {
        let page = rule_impacts::list(tx, call.organisation_id(), *job_id, keyset).await?;
        page.ok_or_else(|| Problem::not_found("report"))
    })
    .await
}
