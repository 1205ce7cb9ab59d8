//! What a person sees of jobs and does about one, whichever worker has it.

use time::OffsetDateTime;
use uuid::Uuid;

use super::JobState;
use crate::{Executor, StorageError, Transaction, sql};

/// How many jobs of a kind there are.
#[derive(Debug, Clone, PartialEq)]
pub struct JobFigures {
    /// The kind.
    pub kind: String,
    /// Those that wait.
    pub waiting: i64,
    /// Those that run.
    pub running: i64,
    /// Those that were given up and are kept.
    pub failed: i64,
    /// For how many seconds the one has been due that is due longest.
    pub oldest_seconds: f64,
}

/// A job as an operator sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedJob {
    /// The job.
    pub id: Uuid,
    /// Whose it is; none: the appliance's own.
    pub organisation_id: Option<Uuid>,
    /// What is to be done.
    pub kind: String,
    /// Its name among others of its kind.
    pub key: String,
    /// Where it stands.
    pub state: JobState,
    /// From 0 to 1.
    pub progress: f32,
    /// Claims so far.
    pub attempts: i32,
    /// When it may run, or until when it is held.
    pub due_at: OffsetDateTime,
    /// When it ended last.
    pub finished_at: Option<OffsetDateTime>,
    /// What went wrong last.
    pub last_error: Option<String>,
}

/// The newest jobs of a state and of a kind, or of all, at most `limit` of them.
///
/// # Errors
/// The database does not answer.
pub async fn newest(
    on: &impl Executor,
    state: Option<JobState>,
    kind: Option<&str>,
    limit: i64,
) -> Result<Vec<ListedJob>, StorageError> {
    let sql = "select id, organisation_id, kind, key, state, progress, attempts, due_at, finished_at, last_error from jobs
               where ($1::text is null or state = $1) and ($2::text is null or kind = $2)
               order by created_at desc, id desc limit $3";
    let rows = on.rows(sql, &[&state.map(JobState::as_str), &kind, &limit]).await?;
    let read = |row: &tokio_postgres::Row| {
        Ok(ListedJob {
            id: row.get(0),
            organisation_id: row.get(1),
            kind: row.get(2),
            key: row.get(3),
            state: JobState::stored(row.get(4))?,
            progress: row.get(5),
            attempts: row.get(6),
            due_at: row.get(7),
            finished_at: row.get(8),
            last_error: row.get(9),
        })
    };
    rows.iter().map(read).collect()
}

/// The figures of every kind.
///
/// # Errors
/// The database does not answer.
pub async fn figures(on: &impl Executor) -> Result<Vec<JobFigures>, StorageError> {
    let sql = "select kind, count(*) filter (where state = 'waiting'), count(*) filter (where state = 'running'),
                      count(*) filter (where state = 'failed'),
                      coalesce(extract(epoch from now() - min(due_at) filter (where state = 'waiting' and due_at < now())), 0)::float8
               from jobs where state in ('waiting', 'running', 'failed') group by kind order by kind";
    let read = |row: tokio_postgres::Row| JobFigures {
        kind: row.get(0),
        waiting: row.get(1),
        running: row.get(2),
        failed: row.get(3),
        oldest_seconds: row.get(4),
    };
    Ok(on.rows(sql, &[]).await?.into_iter().map(read).collect())
}

/// Takes back a job. One that waits is cancelled; one that runs is stopped by its worker soon; one that has ended stays as it is. Gives
/// where it stands now, if it is there.
///
/// # Errors
/// The database does not answer.
pub async fn cancel(tx: &Transaction, job_id: Uuid) -> Result<Option<JobState>, StorageError> {
    tx.run(
        "update jobs set is_cancel_asked = state = 'running',
             finished_at = case state when 'waiting' then now() else finished_at end,
             state = case state when 'waiting' then 'cancelled' else state end
         where id = $1 and state in ('waiting', 'running')",
        &[&job_id],
    )
    .await?;
    state(tx, job_id).await
}

/// Lets a job run now, that was given up, was cancelled, or waits for a later moment; one that runs or is done stays as it is. Gives where
/// it stands now, if it is there.
///
/// # Errors
/// The database does not answer.
pub async fn retry(tx: &Transaction, job_id: Uuid) -> Result<Option<JobState>, StorageError> {
    tx.run(
        "update jobs set state = 'waiting', attempts = 0, due_at = now(), deadline_at = null, error = null
         where id = $1 and state in ('waiting', 'failed', 'cancelled')",
        &[&job_id],
    )
    .await?;
    state(tx, job_id).await
}

async fn state(tx: &Transaction, job_id: Uuid) -> Result<Option<JobState>, StorageError> {
    let row = sql::optional(tx, "select state from jobs where id = $1", &[&job_id]).await?;
    row.map(|row| JobState::stored(row.get(0))).transpose()
}
