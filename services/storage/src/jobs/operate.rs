//! What an operator sees of jobs and does about one, whichever worker has it.

use time::OffsetDateTime;
use uuid::Uuid;

use super::{JobState, THE_ONE};
use crate::row::Column as _;
use crate::{Executor, StorageError, Transaction, sql};

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
            state: JobState::read(row, "state")?,
            progress: row.get(5),
            attempts: row.get(6),
            due_at: row.get(7),
            finished_at: row.get(8),
            last_error: row.get(9),
        })
    };
    rows.iter().map(read).collect()
}

/// What became of a job that an operator steers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steered {
    /// Where it stands now.
    pub state: JobState,
    /// Is anything other than before?
    pub is_changed: bool,
    /// It comes again and again, and is never cancelled: something that the appliance needs would not be done any more.
    pub is_recurring: bool,
}

/// Whose a job is, if it is there: an organisation's, or the appliance's own (none).
///
/// # Errors
/// The database does not answer.
pub async fn owner(on: &impl Executor, job_id: Uuid) -> Result<Option<Option<Uuid>>, StorageError> {
    let row = sql::optional(on, "select organisation_id from jobs where id = $1", &[&job_id]).await?;
    Ok(row.map(|row| row.get(0)))
}

/// Takes back a job. One that waits is cancelled; one that runs is stopped by its worker soon; one that has ended, or comes again and
/// again, stays as it is. None where it is not there.
///
/// # Errors
/// The database does not answer.
pub async fn cancel(tx: &Transaction, job_id: Uuid) -> Result<Option<Steered>, StorageError> {
    let cancelled = "update jobs set is_cancel_asked = state = 'running',
             finished_at = case state when 'waiting' then now() else finished_at end,
             state = case state when 'waiting' then 'cancelled' else state end
         where id = $1 and state in ('waiting', 'running') and not is_cancel_asked
           and not (organisation_id is null and key = $2)";
    let changed = tx.run(cancelled, &[&job_id, &THE_ONE]).await?;
    steered(tx, job_id, changed).await
}

/// Lets a job run now, that was given up, was cancelled, or waits for a later moment; one that runs or is done stays as it is. None where
/// it is not there.
///
/// # Errors
/// The database does not answer.
pub async fn retry(tx: &Transaction, job_id: Uuid) -> Result<Option<Steered>, StorageError> {
    let retried =
        "update jobs set state = 'waiting', attempts = 0, due_at = now(), deadline_at = null, error = null,
             finished_at = case when key = $2 then finished_at end
         where id = $1 and state in ('waiting', 'failed', 'cancelled')";
    let changed = tx.run(retried, &[&job_id, &THE_ONE]).await?;
    steered(tx, job_id, changed).await
}

async fn steered(tx: &Transaction, job_id: Uuid, changed: u64) -> Result<Option<Steered>, StorageError> {
    let sql = "select state, organisation_id is null and key = $2 from jobs where id = $1";
    let Some(row) = sql::optional(tx, sql, &[&job_id, &THE_ONE]).await? else { return Ok(None) };
    let state = JobState::read(&row, "state")?;
    Ok(Some(Steered { state, is_changed: changed > 0, is_recurring: row.get(1) }))
}
