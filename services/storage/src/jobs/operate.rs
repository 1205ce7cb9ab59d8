//! What a person sees of jobs and does about one, whoever works on it.

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
