//! Jobs: work that is neither a request nor a merge. Each waits in its row until a worker holds it.
//!
//! A worker *claims* jobs for a while (`due_at`) under a name made for the occasion (`holder_id`), renews its hold while it works, and
//! *ends* them. A worker whose hold has run out has lost the job to the worker that claims it next: everything that is said about a
//! running job names the holder, so that one which was frozen and goes on changes nothing any more. Work whose effect must come about
//! once writes it in the transaction that ends the job ([`end()`]); all other work must do no harm when it is done again.

mod claim;
mod figures;
mod hold;
mod list;
mod operate;

use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use crate::{Executor as _, StorageError, Transaction, sql};

pub use claim::{Claimed, GivenUp, KindLimits, Round, claim, next_due};
pub use figures::{JobFigures, figures, last_backup_begun_at};
pub use firemode_domain::job::JobState;
pub use hold::{Ending, Hold, Renewed, end, renew};
pub use list::{Job, JobFilter, find, list};
pub use operate::{ListedJob, Steered, cancel, newest, owner, retry};

/// Jobs of one kind that run for one organisation at the same time, on all instances together. The appliance's own have no such bound:
/// each of them is there once.
pub const RUNNING_MAX: i64 = 2;

/// Jobs of one kind that wait or run for one organisation.
pub const OPEN_MAX: i64 = 100;

/// Key of a job of the appliance that comes again and again: there is one of its kind.
const THE_ONE: &str = "the one";

/// The error of a job whose deadline has passed.
const TOO_LATE: &str = "It was not done in time.";

/// The error of a job that failed at every attempt.
const TOO_OFTEN: &str = "It failed too often.";

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

/// Makes sure that the appliance's job of a kind that comes again and again is there and open.
///
/// # Errors
/// The database does not answer.
pub async fn keep_recurring(tx: &Transaction, kind: &str) -> Result<(), StorageError> {
    tx.run(
        "insert into jobs as j (id, kind, key, input) values ($1, $2, $3, '{}')
         on conflict (coalesce(organisation_id, '00000000-0000-0000-0000-000000000000'), kind, key) do update
             set state = 'waiting', attempts = 0, due_at = now(), error = null
             where j.state in ('done', 'failed', 'cancelled')",
        &[&Uuid::now_v7(), &kind, &THE_ONE],
    )
    .await?;
    Ok(())
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
