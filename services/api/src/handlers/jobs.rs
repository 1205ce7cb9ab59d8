//! Background work, for those who started it.

use actix_web::{HttpResponse, web};
use firemode_storage::jobs::{self, Job, JobFilter};
use firemode_web::Problem;
use uuid::Uuid;

use crate::call::Call;
use crate::list::{Filters, List, Listing};

impl Filters for JobFilter {}

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
