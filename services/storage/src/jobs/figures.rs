//! Figures of jobs, for all instances together.

use time::OffsetDateTime;

use super::THE_ONE;
use crate::{Executor, StorageError, sql};

/// How many jobs of a kind there are, and how they fare.
#[derive(Debug, Clone, PartialEq)]
pub struct JobFigures {
    /// The kind.
    pub kind: String,
    /// Those that wait.
    pub waiting: i64,
    /// Those that run.
    pub running: i64,
    /// Those of them whose last attempt failed, and that wait for another.
    pub retrying: i64,
    /// Those that were given up and are kept.
    pub failed: i64,
    /// For how many seconds the one has been due that is due longest.
    pub oldest_seconds: f64,
    /// How long those took on average that were done in the last hour; none where none was.
    pub seconds: Option<f64>,
}

/// The figures of every kind that has an open or a failed job, or had one that was done in the last hour.
///
/// # Errors
/// The database does not answer.
pub async fn figures(on: &impl Executor) -> Result<Vec<JobFigures>, StorageError> {
    // One that comes again waits when it is done, and has begun before it was.
    let sql = "select kind, count(*) filter (where state = 'waiting'), count(*) filter (where state = 'running'),
                      count(*) filter (where state = 'waiting' and attempts > 0 and last_error is not null),
                      count(*) filter (where state = 'failed'),
                      coalesce(extract(epoch from now() - min(due_at) filter (where state = 'waiting' and due_at < now())), 0)::float8,
                      (avg(extract(epoch from finished_at - begun_at))
                           filter (where state in ('waiting', 'done') and finished_at >= begun_at
                                     and finished_at > now() - interval '1 hour'))::float8
               from (select * from jobs where state in ('waiting', 'running')
                     union all select * from jobs where state = 'failed'
                     union all select * from jobs where state = 'done'
                                 and finished_at > now() - interval '1 hour') known
               group by kind order by kind";
    let read = |row: tokio_postgres::Row| JobFigures {
        kind: row.get(0),
        waiting: row.get(1),
        running: row.get(2),
        retrying: row.get(3),
        failed: row.get(4),
        oldest_seconds: row.get(5),
        seconds: row.get(6),
    };
    Ok(on.rows(sql, &[]).await?.into_iter().map(read).collect())
}

/// When the last scheduled backup was begun that is known to be whole; none where there is none.
///
/// # Errors
/// The database does not answer.
pub async fn last_backup_begun_at(on: &impl Executor) -> Result<Option<OffsetDateTime>, StorageError> {
    let sql = "select (result ->> 'begun_at')::timestamptz from jobs
               where organisation_id is null and kind = 'backup' and key = $1 and result ? 'begun_at'";
    Ok(sql::optional(on, sql, &[&THE_ONE]).await?.map(|row| row.get(0)))
}
