//! Background work, for those who started it.

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::{HttpResponse, web};
use firemode_storage::Transaction;
use firemode_storage::jobs::{self, Enqueued, Job, JobFilter, NewJob, OPEN_MAX};
use firemode_web::{Outcome, Problem};
use serde_json::Value;
use uuid::Uuid;

use crate::call::Call;
use crate::list::{Filters, List, Listing};

/// Until one of so many jobs may have ended.
const FULL_RETRY_SECONDS: u32 = 60;

impl Filters for JobFilter {}

/// Starts background work for the caller, once the transaction commits.
///
/// # Errors
/// 429 where the organisation has too many jobs of this kind open.
pub(crate) async fn start(
    call: &Call,
    tx: &Transaction,
    kind: &'static str,
    input: &Value,
) -> Result<Job, Problem> {
    let (organisation_id, user_id) = (call.organisation_id(), call.user_id());
    let job = NewJob {
        organisation_id: Some(organisation_id),
        created_by: Some(user_id),
        kind,
        key: &Uuid::now_v7().to_string(),
        input,
        time_max: None,
    };
    let (Enqueued::New(job_id) | Enqueued::Known(job_id)) = jobs::enqueue(tx, &job).await? else {
        let detail = format!("{OPEN_MAX} such jobs are open already. Wait until some have ended.");
        return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).retry_after(FULL_RETRY_SECONDS));
    };
    let job = jobs::find(tx, organisation_id, user_id, job_id).await?;
    job.ok_or_else(|| Problem::internal("a job that was just made is not there"))
}

/// The answer to a request that has started a job: `Location` names it.
pub(crate) fn accepted(outcome: Outcome) -> Result<HttpResponse, Problem> {
    let job: Value = outcome.value()?;
    let mut response = outcome.respond();
    if let Some(location) = job["id"].as_str().and_then(|id| format!("/v1/jobs/{id}").try_into().ok()) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// Lists the background work that you started, newest first
#[utoipa::path(get, path = "/v1/jobs", tag = "jobs", params(Listing<JobFilter>),
    responses((status = 200, description = "One page.", body = List<Job>)))]
pub(crate) async fn list(list: Listing<JobFilter>) -> Result<HttpResponse, Problem> {
    list.answer(async |tx, Listing { call, filter, .. }, keyset| {
        Ok(jobs::list(tx, call.organisation_id(), call.user_id(), filter, keyset).await?)
    })
    .await
}

/// Reads where background work stands that you started
#[utoipa::path(get, path = "/v1/jobs/{job_id}", tag = "jobs", params(("job_id" = Uuid, Path)),
    responses((status = 200, description = "The job as it is now.", body = Job)))]
pub(crate) async fn get(id: web::Path<Uuid>, call: Call) -> Result<HttpResponse, Problem> {
    let tx = call.read().await?;
    let job = jobs::find(&tx, call.organisation_id(), call.user_id(), *id).await?;
    Ok(HttpResponse::Ok().json(job.ok_or_else(|| Problem::not_found("job"))?))
}
