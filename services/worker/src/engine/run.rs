//! One job from its claim to its end.

use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_web::rt;
use firemode_runtime::backoff;
use firemode_storage::jobs::{self, Claimed, Ending, GivenUp, JobState};
use firemode_storage::{Purpose, StorageError};
use tokio::time::sleep;

use super::held::{Order, Orders};
use super::{Engine, Failure, Kind, Outcome, Task};
use crate::figures;

/// The longest pause before another attempt.
const PAUSE_MAX: Duration = Duration::from_secs(600);

/// Until saying what became of a job is tried again.
const SAY_AGAIN: Duration = Duration::from_millis(500);

/// How the work stopped.
enum Stopped {
    /// By itself.
    Finished(Result<Outcome, Failure>),
    /// It broke down.
    Panicked,
    /// By an order.
    Ordered(Order),
    /// Its deadline has passed: the next claim gives it up.
    Late,
}

impl<C: 'static> Engine<C> {
    /// Does a job and says what became of it.
    pub(super) async fn carry_out(
        self: Rc<Self>,
        kind: &'static Kind<C>,
        task: Rc<Task>,
        orders: Rc<Orders>,
    ) {
        let began = Instant::now();
        let stopped = self.work(kind, &task, &orders).await;
        let state = self.say(kind, &task, &orders, &stopped).await;
        self.held.remove(task.hold());
        self.has_changed.notify_one();
        report(&task, &stopped, state, began.elapsed());
    }

    /// Lets the work run until it ends or is stopped. It has stopped for good then.
    async fn work(&self, kind: &Kind<C>, task: &Rc<Task>, orders: &Orders) -> Stopped {
        let mut work = rt::spawn((kind.run)(Rc::clone(&self.context), Rc::clone(task)));
        let deadline = async {
            match task.job.time_left {
                Some(left) => sleep(left).await,
                None => std::future::pending().await,
            }
        };
        let stopped = tokio::select! {
            joined = &mut work => return joined.map_or(Stopped::Panicked, Stopped::Finished),
            order = orders.next() => Stopped::Ordered(order),
            () = deadline => Stopped::Late,
        };
        work.abort();
        // It may have come to its end all the same.
        match work.await {
            Ok(finished) => Stopped::Finished(finished),
            Err(_) => stopped,
        }
    }

    /// Stores how a job ended, again and again until that is stored or another worker has the job. None in the latter case.
    async fn say(&self, kind: &Kind<C>, task: &Task, orders: &Orders, stopped: &Stopped) -> Option<JobState> {
        let attempt = u32::try_from(task.job.attempt).unwrap_or(u32::MAX);
        let random = (self.jitter.borrow_mut())();
        let pause = backoff::delay(attempt.saturating_sub(1), PAUSE_MAX, random);
        let is_last = kind.attempts_max.is_some_and(|max| task.job.attempt >= max);
        let ending = match stopped {
            Stopped::Finished(Ok(Outcome::Done(result))) => Ending::Done(result),
            Stopped::Finished(Ok(Outcome::Again(pause, result))) => Ending::Again(*pause, result.as_ref()),
            Stopped::Finished(Ok(Outcome::Ended)) => return Some(JobState::Done),
            Stopped::Finished(Err(Failure::Refused(why))) => Ending::Refused(why),
            Stopped::Finished(Err(Failure::Later(why))) => Ending::Failed { why, pause, is_last },
            Stopped::Finished(Err(Failure::Lost)) | Stopped::Ordered(Order::Lose) => return None,
            Stopped::Panicked => Ending::Failed { why: "the work broke down", pause, is_last },
            Stopped::Late => Ending::Failed { why: "its deadline has passed", pause, is_last: false },
            Stopped::Ordered(Order::Cancel) => Ending::Cancelled,
            Stopped::Ordered(Order::GiveBack) => Ending::GivenBack,
        };
        loop {
            match self.end(task, ending).await {
                Ok(state) => return state,
                Err(error) => tracing::debug!(%error, "what became of a job is not stored yet"),
            }
            tokio::select! {
                () = sleep(SAY_AGAIN) => {}
                order = orders.next() => if order == Order::Lose { return None } else { sleep(SAY_AGAIN).await },
            }
        }
    }

    async fn end(&self, task: &Task, ending: Ending<'_>) -> Result<Option<JobState>, StorageError> {
        let tx = self.database.across_tenants(Purpose::Work).transaction().await?;
        let state = jobs::end(&tx, task.hold(), ending).await?;
        tx.commit().await?;
        Ok(state)
    }
}

/// One line for the end of each attempt.
fn report(task: &Task, stopped: &Stopped, state: Option<JobState>, took: Duration) {
    let Claimed { hold, kind, attempt, organisation_id, .. } = &task.job;
    let (job_id, seconds) = (hold.job_id, took.as_secs_f64());
    let organisation_id = organisation_id.map(tracing::field::display);
    figures::ended(kind, state, took);
    macro_rules! event {
        ($level:ident, $($rest:tt)+) => {
            tracing::$level!(kind, %job_id, organisation_id, attempt, seconds, $($rest)+)
        };
    }
    let Some(state) = state.map(JobState::as_str) else {
        return event!(warn, "another worker has the job by now; nothing of this attempt counts");
    };
    match stopped {
        Stopped::Finished(Ok(Outcome::Again(..))) => {
            event!(debug, state, "the job is done until the next time")
        }
        Stopped::Finished(Ok(_)) => event!(info, state, "the job is done"),
        Stopped::Finished(Err(Failure::Refused(why))) => event!(info, state, why, "the job cannot be done"),
        Stopped::Finished(Err(Failure::Later(why))) => event!(warn, state, why, "the job failed"),
        Stopped::Finished(Err(Failure::Lost)) | Stopped::Ordered(Order::Lose) => {}
        Stopped::Panicked => event!(error, state, "the work on the job broke down"),
        Stopped::Late => event!(warn, state, "the job was not done in time"),
        Stopped::Ordered(Order::Cancel) => {
            event!(info, state, "the job was stopped: nobody wants it any more")
        }
        Stopped::Ordered(Order::GiveBack) => {
            event!(info, state, "the job is given back: this process leaves")
        }
    }
}

/// One line for a job that is over without another attempt.
pub(super) fn report_given_up(job: &GivenUp) {
    let GivenUp { id, kind, state, last_error } = job;
    figures::ended(kind, Some(*state), Duration::ZERO);
    tracing::warn!(kind, job_id = %id, state = state.as_str(), why = last_error, "the job is given up");
}
