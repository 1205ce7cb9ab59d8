//! Taking jobs that are due.

use std::time::Duration;

use serde_json::Value;
use tokio_postgres::Row;
use uuid::Uuid;

use super::hold::Hold;
use super::{JobState, RUNNING_MAX, TOO_LATE, TOO_OFTEN};
use crate::row::Column as _;
use crate::sql::{self, Statement, params};
use crate::{Executor, StorageError, Transaction};

/// Key of the advisory lock under which jobs are claimed: a worker that counts what runs must see what others have just claimed.
const LOCK_KEY: i64 = 0x4649_5245_4a4f_4253;

/// Rows that are looked at for each that may be claimed: those of an organisation that has enough running are passed over.
const LOOKED_AT: i64 = 4;

/// A kind of job that the caller knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindLimits {
    /// Its name.
    pub name: &'static str,
    /// It is given up after so many attempts; none: never.
    pub attempts_max: Option<i32>,
}

/// A job that the caller holds from now on.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// The hold on it.
    pub hold: Hold,
    /// Whose it is; none: the appliance's own.
    pub organisation_id: Option<Uuid>,
    /// What is to be done.
    pub kind: String,
    /// Its name among others of its kind.
    pub key: String,
    /// What it needs to know.
    pub input: Value,
    /// How many times it was tried, this one included.
    pub attempt: i32,
    /// What is left until its deadline.
    pub time_left: Option<Duration>,
}

/// A job that was due and is not tried any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenUp {
    /// The job.
    pub id: Uuid,
    /// Its kind.
    pub kind: String,
    /// What it is now.
    pub state: JobState,
    /// Why.
    pub last_error: Option<String>,
}

/// What a claim came to.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Round {
    /// Jobs to work on.
    pub claimed: Vec<Claimed>,
    /// Jobs that are over.
    pub given_up: Vec<GivenUp>,
}

/// How long it is until a job of these kinds is due; none where none is open. What is due already may have to wait for others all the same.
///
/// # Errors
/// The database does not answer.
pub async fn next_due(on: &impl Executor, kinds: &[&str]) -> Result<Option<Duration>, StorageError> {
    let sql = "select extract(epoch from min(due_at) - now())::float8 from jobs
               where state in ('waiting', 'running') and kind = any($1)";
    let seconds: Option<f64> = sql::one(on, sql, &[&kinds]).await?.get(0);
    Ok(seconds.map(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)))
}

/// Claims at most so many jobs of these kinds, those that are due longest first, for so long. Jobs whose holder did not renew its hold
/// are due too. The transaction is one of the purpose `Work`, and ends.
///
/// Claims are made one after the other on all instances. Nothing of one waits for its caller: all of it is sent at once.
///
/// # Errors
/// The database does not answer. Jobs that were claimed all the same are due again after the time.
pub async fn claim(
    tx: Transaction,
    kinds: &[KindLimits],
    jobs_max: usize,
    time: Duration,
) -> Result<Round, StorageError> {
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name).collect();
    let attempts_max: Vec<Option<i32>> = kinds.iter().map(|kind| kind.attempts_max).collect();
    let jobs_max = i64::try_from(jobs_max).unwrap_or(i64::MAX / LOOKED_AT);
    // A claim that is lost with the database is made again. The count comes after the lock, in a statement and so a snapshot of its own.
    let lock = "select set_config('synchronous_commit', 'off', true),
                       set_config('idle_in_transaction_session_timeout', '5000', true), pg_advisory_xact_lock($1)";
    let statements = vec![
        Statement::new(lock, params![LOCK_KEY]),
        Statement::new(
            CLAIM,
            params![
                names,
                attempts_max,
                RUNNING_MAX,
                jobs_max,
                jobs_max.saturating_mul(LOOKED_AT),
                time.as_secs_f64(),
                TOO_LATE,
                TOO_OFTEN,
            ],
        ),
    ];
    let mut round = Round::default();
    for row in tx.commit_with(statements).await?.iter().skip(1).flatten() {
        match JobState::read(row, "state")? {
            JobState::Running => round.claimed.push(claimed(row)),
            state => round.given_up.push(GivenUp {
                id: row.get("id"),
                kind: row.get("kind"),
                state,
                last_error: row.get("last_error"),
            }),
        }
    }
    Ok(round)
}

/// Looks at what is due, passes over those whose organisation has enough running, and takes those that are still due once they are locked.
/// A worker that ends or renews one meanwhile puts it out of the way: into a later moment or another state.
const CLAIM: &str = "
    with known as (
        select * from unnest($1::text[], $2::int4[]) as k (kind, attempts_max)
    ), due as (
        select j.id, j.organisation_id, j.kind, j.due_at, r.running, j.state = 'running' as is_abandoned,
               j.is_cancel_asked or coalesce(j.deadline_at <= now(), false)
                   or (j.state = 'running' and coalesce(j.attempts >= k.attempts_max, false)) as is_over
        from jobs j join known k on k.kind = j.kind
        cross join lateral (
            select count(*) as running from jobs r
            where r.organisation_id = j.organisation_id and r.kind = j.kind and r.state = 'running'
        ) r
        where j.state in ('waiting', 'running') and j.due_at <= now()
          and (j.state = 'running' or j.deadline_at <= now() or r.running < $3)
        order by j.due_at, j.id limit $5
    ), placed as (
        select *, row_number() over (partition by organisation_id, kind, is_abandoned, is_over order by due_at, id) as place from due
    ), chosen as (
        select id, is_abandoned, is_over from placed
        where is_over or is_abandoned or organisation_id is null or running + place <= $3
        order by due_at, id limit $4
    ), locked as (
        select j.id, c.is_abandoned, c.is_over from jobs j join chosen c on c.id = j.id
        where j.state in ('waiting', 'running') and j.due_at <= now()
        for update of j skip locked
    )
    update jobs j set
        state = case when not l.is_over then 'running' when j.is_cancel_asked then 'cancelled' else 'failed' end,
        holder_id = case when not l.is_over then gen_random_uuid() end,
        attempts = case when l.is_over then j.attempts else j.attempts + 1 end,
        due_at = now() + make_interval(secs => $6),
        begun_at = case when l.is_over then j.begun_at else now() end,
        finished_at = case when l.is_over then now() else j.finished_at end,
        error = case when l.is_over and not j.is_cancel_asked
                     then case when j.deadline_at <= now() then $7 else $8 end end,
        last_error = case when l.is_over and j.deadline_at <= now() then 'its deadline has passed'
                          when l.is_abandoned then 'its worker let it go without a word' else j.last_error end
    from locked l where j.id = l.id
    returning j.id, j.organisation_id, j.kind, j.key, j.input, j.state, j.holder_id, j.attempts, j.last_error,
              extract(epoch from j.deadline_at - now())::float8 as seconds_left";

fn claimed(row: &Row) -> Claimed {
    let seconds_left: Option<f64> = row.get("seconds_left");
    Claimed {
        hold: Hold { job_id: row.get("id"), holder_id: row.get("holder_id") },
        organisation_id: row.get("organisation_id"),
        kind: row.get("kind"),
        key: row.get("key"),
        input: row.get("input"),
        attempt: row.get("attempts"),
        time_left: seconds_left.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default()),
    }
}
