//! Figures of jobs for Prometheus: of all instances together, as the database has them.

use std::time::Duration;

use firemode_storage::jobs::{self, JobFigures};
use firemode_storage::{Database, Purpose, StorageError};
use metrics::{describe_gauge, gauge};
use time::OffsetDateTime;
use tokio::time::timeout;

use crate::metrics::whole;

const JOBS: &str = "firemode_jobs";
const RETRYING: &str = "firemode_jobs_retrying";
const OLDEST: &str = "firemode_jobs_oldest_seconds";
const SECONDS: &str = "firemode_jobs_seconds";
const BACKUP_AGE: &str = "firemode_backup_age_seconds";

/// A reader of the figures does not wait longer for these.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// Sets them to what they are now; where the database does not say, they stay what they were.
pub async fn set_job_figures(database: &Database) {
    match timeout(ANSWER_WITHIN, ask(database)).await {
        Ok(Ok((kinds, backup_begun_at))) => {
            kinds.into_iter().for_each(set);
            backup_begun_at.into_iter().for_each(set_backup_age);
        }
        Ok(Err(error)) => tracing::debug!(%error, "the figures of jobs are those of before"),
        Err(_) => tracing::debug!("the figures of jobs are those of before: the database takes its time"),
    }
}

async fn ask(database: &Database) -> Result<(Vec<JobFigures>, Option<OffsetDateTime>), StorageError> {
    let tx = database.across_tenants(Purpose::Work).read().await?;
    Ok((jobs::figures(&tx).await?, jobs::last_backup_begun_at(&tx).await?))
}

fn set_backup_age(begun_at: OffsetDateTime) {
    gauge!(BACKUP_AGE).set((OffsetDateTime::now_utc() - begun_at).as_seconds_f64().max(0.0));
}

fn set(figures: JobFigures) {
    let JobFigures { kind, waiting, running, retrying, failed, oldest_seconds, seconds } = figures;
    for (state, count) in [("waiting", waiting), ("running", running), ("failed", failed)] {
        let count = whole(usize::try_from(count).unwrap_or_default());
        gauge!(JOBS, "kind" => kind.clone(), "state" => state).set(count);
    }
    gauge!(RETRYING, "kind" => kind.clone()).set(whole(usize::try_from(retrying).unwrap_or_default()));
    gauge!(OLDEST, "kind" => kind.clone()).set(oldest_seconds);
    seconds.into_iter().for_each(|seconds| gauge!(SECONDS, "kind" => kind.clone()).set(seconds));
}

/// Says what they are.
pub fn describe_job_figures() {
    describe_gauge!(JOBS, "Jobs of all instances, by kind and state.");
    describe_gauge!(RETRYING, "Waiting jobs whose last attempt failed, of all instances, by kind.");
    describe_gauge!(OLDEST, "How long the one that is due longest has waited, by kind, in seconds.");
    describe_gauge!(
        SECONDS,
        "How long those took on average that were done in the last hour, by kind, in seconds."
    );
    describe_gauge!(BACKUP_AGE, "Time since the last scheduled backup was begun that is whole, in seconds.");
}
