//! Figures of this process for Prometheus; on its own port, which stays inside, for anybody.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use firemode_storage::jobs::{self, JobState};
use firemode_storage::{Database, Purpose, StorageError};
use firemode_web::{Metrics, whole};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

const ENDED: &str = "firemode_jobs_ended_total";
const SECONDS: &str = "firemode_job_seconds";
const OPEN: &str = "firemode_jobs";
const OLDEST: &str = "firemode_jobs_oldest_seconds";

/// `GET /metrics`: Prometheus text format. What jobs there are is asked of the database, for all instances together.
pub(crate) async fn report(database: web::Data<Database>, metrics: web::Data<Metrics>) -> HttpResponse {
    if let Err(error) = ask(&database).await {
        tracing::debug!(%error, "the figures of jobs are those of before");
    }
    metrics.respond(&database, "")
}

async fn ask(database: &Database) -> Result<(), StorageError> {
    let tx = database.across_tenants(Purpose::Work).read().await?;
    for figures in jobs::figures(&tx).await? {
        let kind = figures.kind;
        for (state, count) in
            [("waiting", figures.waiting), ("running", figures.running), ("failed", figures.failed)]
        {
            gauge!(OPEN, "kind" => kind.clone(), "state" => state)
                .set(whole(usize::try_from(count).unwrap_or_default()));
        }
        gauge!(OLDEST, "kind" => kind).set(figures.oldest_seconds);
    }
    Ok(())
}

/// Counts an attempt that has ended, by what the job is now. None: it is somebody else's.
pub(crate) fn ended(kind: &str, state: Option<JobState>, took: Duration) {
    let state = state.map_or("lost", JobState::as_str);
    counter!(ENDED, "kind" => kind.to_owned(), "state" => state).increment(1);
    histogram!(SECONDS, "kind" => kind.to_owned()).record(took);
}

/// Says what the figures of this file are.
pub(crate) fn describe() {
    describe_counter!(
        ENDED,
        "Attempts at jobs that ended here, by kind and by what the job was then; waiting: it comes again."
    );
    describe_histogram!(
        SECONDS,
        "Time from the claim of a job to the end of the attempt, by kind, in seconds."
    );
    describe_gauge!(OPEN, "Jobs of all instances, by kind and state.");
    describe_gauge!(OLDEST, "How long the one that is due longest has waited, by kind, in seconds.");
}
