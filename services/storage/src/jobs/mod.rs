//! Jobs: work that is neither a request nor a merge. Each waits in its row until a worker holds it.
//!
//! A worker *claims* jobs for a while (`due_at`) under a name made for the occasion (`holder_id`), renews its hold while it works, and
//! *ends* them. A worker whose hold has run out has lost the job to the worker that claims it next: everything that is said about a
//! running job names the holder, so that one which was frozen and goes on changes nothing any more. Work whose effect must come about
//! once writes it in the transaction that ends the job ([`end()`]); all other work must do no harm when it is done again.

mod claim;
mod hold;
mod operate;

use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use crate::{Executor as _, StorageError, Transaction, sql};

pub use claim::{Claimed, GivenUp, KindLimits, Round, claim, next_due};
pub use hold::{Ending, Hold, Renewed, end, renew};
pub use operate::{JobFigures, ListedJob, cancel, figures, newest, retry};

/// Jobs of one kind that run for one organisation at the same time, on all instances together. The appliance's own have no such bound:
/// each of them is there once.
pub const RUNNING_MAX: i64 = 2;

/// Jobs of one kind that wait or run for one organisation.
pub const OPEN_MAX: i64 = 100;

/// The error of a job whose deadline has passed.
const TOO_LATE: &str = "It was not done in time.";

/// The error of a job that failed at every attempt.
const TOO_OFTEN: &str = "It failed too often.";

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// Until it is due and a worker is free.
    Waiting,
    /// A worker holds it.
    Running,
    /// It did what it was for.
    Done,
    /// It was given up.
    Failed,
    /// Somebody did not want it any more.
    Cancelled,
}

/// A job to be done.
#[derive(Debug, Clone, Copy)]
pub struct NewJob<'a> {
    /// Whose it is; none: the appliance's own.
    pub organisation_id: Option<Uuid>,
    /// Who started it.
    pub created_by: Option<Uuid>,
    /// What is to be done.
    pub kind: &'a str,
    /// Its name among others of its kind and organisation: a second one with the same key is the first.
    pub key: &'a str,
    /// What it needs to know.
    pub input: &'a Value,
    /// How long it may take from now on, waiting and all attempts included.
    pub time_max: Option<Duration>,
}

/// What became of a new job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// It waits.
    New(Uuid),
    /// There is one with its key.
    Known(Uuid),
    /// The organisation has [`OPEN_MAX`] of its kind.
    Full,
}

impl JobState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Waiting, Self::Running, Self::Done, Self::Failed, Self::Cancelled];

    /// The name that is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    fn stored(name: &str) -> Result<Self, StorageError> {
        let known = Self::ALL.into_iter().find(|state| state.as_str() == name);
        known.ok_or_else(|| StorageError::Damaged(format!("a job's state '{name}'")))
    }
}

/// Adds a job, to be done once the transaction commits.
///
/// # Errors
/// The database does not answer.
pub async fn enqueue(tx: &Transaction, job: &NewJob<'_>) -> Result<Enqueued, StorageError> {
    let NewJob { organisation_id, created_by, kind, key, input, time_max } = job;
    if let Some(organisation_id) = organisation_id {
        // Those that count at the same time would each find room for one more.
        let lock = "select pg_advisory_xact_lock(hashtextextended($1 || ' ' || $2::text, 0))";
        tx.rows(lock, &[kind, &organisation_id.to_string()]).await?;
    }
    let added = sql::optional(
        tx,
        "insert into jobs (id, organisation_id, created_by, kind, key, input, deadline_at)
         select $1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7)
         where $2::uuid is null
            or (select count(*) from jobs
                where organisation_id = $2 and kind = $4 and state in ('waiting', 'running')) < $8
         on conflict (coalesce(organisation_id, '00000000-0000-0000-0000-000000000000'), kind, key) do nothing
         returning id",
        &[
            &Uuid::now_v7(),
            organisation_id,
            created_by,
            kind,
            key,
            input,
            &time_max.map(|time| time.as_secs_f64()),
            &OPEN_MAX,
        ],
    )
    .await?;
    if let Some(row) = added {
        return Ok(Enqueued::New(row.get(0)));
    }
    let known = sql::optional(
        tx,
        "select id from jobs
         where coalesce(organisation_id, '00000000-0000-0000-0000-000000000000')
               = coalesce($1, '00000000-0000-0000-0000-000000000000'::uuid) and kind = $2 and key = $3",
        &[organisation_id, kind, key],
    )
    .await?;
    Ok(known.map_or(Enqueued::Full, |row| Enqueued::Known(row.get(0))))
}

/// Removes jobs that ended so long ago, at most `limit` of them.
///
/// # Errors
/// The database does not answer.
pub async fn sweep(tx: &Transaction, keep_days: u32, limit: i64) -> Result<u64, StorageError> {
    tx.run(
        "delete from jobs where id in
             (select id from jobs where state in ('done', 'failed', 'cancelled')
                and finished_at < now() - make_interval(days => $1) limit $2 for update skip locked)",
        &[&i32::try_from(keep_days).unwrap_or(i32::MAX), &limit],
    )
    .await
}
