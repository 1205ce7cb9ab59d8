//! Figures of this process for Prometheus; on its own port, which stays inside, for anybody.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use firemode_storage::Database;
use firemode_storage::jobs::JobState;
use firemode_web::{Metrics, describe_job_figures, set_job_figures};
use metrics::{counter, describe_counter, describe_histogram, histogram};

const ENDED: &str = "firemode_jobs_ended_total";
const SECONDS: &str = "firemode_job_seconds";

/// `GET /metrics`: Prometheus text format. What jobs there are is asked of the database, for all instances together.
pub(crate) async fn report(database: web::Data<Database>, metrics: web::Data<Metrics>) -> HttpResponse {
    set_job_figures(&database).await;
    metrics.respond(&database, "")
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
    describe_job_figures();
}
