//! Figures of this process for Prometheus; on its own port, which stays inside, for anybody.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use firemode_storage::Database;
use firemode_storage::jobs::JobState;
use firemode_web::{Metrics, describe_job_figures, set_job_figures};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

const ENDED: &str = "firemode_jobs_ended_total";
const SECONDS: &str = "firemode_job_seconds";
const PROJECTION_LAG: &str = "firemode_projection_lag_seconds";
const PROJECTION_WAITS: &str = "firemode_projection_waiting_seconds";
const PROJECTION_ROWS: &str = "firemode_projection_rows_total";
const PROJECTION_FAILURES: &str = "firemode_projection_failures_total";

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

/// Counts rows of observations and defects that were written.
pub(crate) fn projected(rows: u64) {
    counter!(PROJECTION_ROWS).increment(rows);
}

/// Notes how long after the oldest change that was new a session was worked out.
pub(crate) fn projection_lag(lag: time::Duration) {
    histogram!(PROJECTION_LAG).record(lag.as_seconds_f64().max(0.0));
}

/// Notes how old the oldest change is that waits to be worked out; none: nothing waits.
pub(crate) fn projection_waits(age: Option<time::Duration>) {
    gauge!(PROJECTION_WAITS).set(age.map_or(0.0, |age| age.as_seconds_f64().max(0.0)));
}

/// Counts an attempt to work a session out that failed.
pub(crate) fn projection_failed() {
    counter!(PROJECTION_FAILURES).increment(1);
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
    describe_histogram!(
        PROJECTION_LAG,
        "Time from a change of a session to the observations and defects that follow from it, in seconds."
    );
    describe_gauge!(
        PROJECTION_WAITS,
        "Age of the oldest change whose observations and defects are not worked out yet, in seconds."
    );
    describe_counter!(PROJECTION_ROWS, "Rows of observations and defects that were written.");
    describe_counter!(PROJECTION_FAILURES, "Attempts to work out the observations of a session that failed.");
    describe_job_figures();
}
