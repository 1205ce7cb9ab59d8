//! What a worker says of a job that it holds. None of it counts once somebody else does.

use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use super::{JobState, TOO_OFTEN};
use crate::row::Column as _;
use crate::{Executor as _, StorageError, Transaction, sql};

/// The right to end a job, until its time runs out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hold {
    /// The job.
    pub job_id: Uuid,
    /// Names this claim of it.
    pub holder_id: Uuid,
}

/// A job that is held for longer now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewed {
    /// The hold.
    pub hold: Hold,
    /// Somebody does not want it any more: it should be stopped.
    pub is_cancel_asked: bool,
}

/// How the work on a job ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ending<'a> {
    /// It did what it was for.
    Done(&'a Value),
    /// So did one that comes again and again, and is due after this time. Where it shows nothing, what it showed before stays.
    Again(Duration, Option<&'a Value>),
    /// It failed and may be tried again after `pause`, unless it `is_last`. `why` is for operators.
    Failed {
        /// What went wrong.
        why: &'a str,
        /// How long to wait.
        pause: Duration,
        /// Is it given up?
        is_last: bool,
    },
    /// It cannot be done; the user who started it is told why.
    Refused(&'a str),
    /// It was stopped because somebody asked for it.
    Cancelled,
    /// Nothing was wrong with it: another worker may go on at once, and this was no attempt.
    GivenBack,
}

/// Holds jobs for so long from now on and notes how far they are. One that is not among the answers is held by somebody else, or by nobody.
///
/// # Errors
/// The database does not answer.
pub async fn renew(
    tx: &Transaction,
    holds: &[(Hold, f32)],
    time: Duration,
) -> Result<Vec<Renewed>, StorageError> {
    let job_ids: Vec<Uuid> = holds.iter().map(|(hold, _)| hold.job_id).collect();
    let holder_ids: Vec<Uuid> = holds.iter().map(|(hold, _)| hold.holder_id).collect();
    let progress: Vec<f32> = holds.iter().map(|(_, progress)| progress.clamp(0.0, 1.0)).collect();
    let rows = tx
        .rows(
            "update jobs j set due_at = now() + make_interval(secs => $4), progress = h.progress
             from unnest($1::uuid[], $2::uuid[], $3::float4[]) as h (job_id, holder_id, progress)
             where j.id = h.job_id and j.holder_id = h.holder_id
             returning j.id, j.holder_id, j.is_cancel_asked",
            &[&job_ids, &holder_ids, &progress, &time.as_secs_f64()],
        )
        .await?;
    let read = |row: &tokio_postgres::Row| Renewed {
        hold: Hold { job_id: row.get(0), holder_id: row.get(1) },
        is_cancel_asked: row.get(2),
    };
    Ok(rows.iter().map(read).collect())
}

/// Ends the work on a job. None where somebody else holds it by now: then nothing of the transaction may be committed.
///
/// # Errors
/// The database does not answer.
pub async fn end(tx: &Transaction, hold: Hold, ending: Ending<'_>) -> Result<Option<JobState>, StorageError> {
    let (result, error, why, pause, resets_attempts) = match ending {
        Ending::Done(result) => (Some(result), None, None, None, false),
        Ending::Again(pause, result) => (result, None, None, Some(pause), true),
        Ending::Failed { why, pause, is_last } => {
            (None, is_last.then_some(TOO_OFTEN), Some(why), Some(pause), false)
        }
        Ending::Refused(why) => (None, Some(why), Some(why), None, false),
        Ending::Cancelled | Ending::GivenBack => (None, None, None, None, false),
    };
    let state = ending.state();
    let ended = sql::optional(
        tx,
        "with held as (
             select id, case when $3 = 'waiting' and is_cancel_asked then 'cancelled' else $3 end as state from jobs
             where id = $1 and holder_id = $2 for update
         )
         update jobs j set
             state = h.state, holder_id = null, is_cancel_asked = false, error = $5,
             result = coalesce($4, case when h.state = 'waiting' then j.result end),
             last_error = coalesce($6, case when $3 in ('waiting', 'cancelled') and not $8 then j.last_error end),
             progress = case when h.state = 'done' then 1 when $8 then 0 else j.progress end,
             attempts = case when $8 then 0 when $9 then j.attempts - 1 else j.attempts end,
             due_at = least(now() + make_interval(secs => $7), j.deadline_at),
             finished_at = case when h.state <> 'waiting' or $8 then now() else j.finished_at end
         from held h where j.id = h.id returning j.state",
        &[
            &hold.job_id,
            &hold.holder_id,
            &state.as_str(),
            &result,
            &error,
            &why,
            &pause.unwrap_or_default().as_secs_f64(),
            &resets_attempts,
            &matches!(ending, Ending::GivenBack),
        ],
    )
    .await?;
    ended.map(|row| JobState::read(&row, "state")).transpose()
}

impl Ending<'_> {
    /// What the job is afterwards, where nobody asked for its end.
    fn state(&self) -> JobState {
        match self {
            Self::Done(_) => JobState::Done,
            Self::Again(..) | Self::GivenBack | Self::Failed { is_last: false, .. } => JobState::Waiting,
            Self::Failed { is_last: true, .. } | Self::Refused(_) => JobState::Failed,
            Self::Cancelled => JobState::Cancelled,
        }
    }
}
