//! Takes jobs that are due, runs them side by side, and says what became of them.
//!
//! One look at the database in each interval shows whether anything is due; a poll and not a notification, because poolers between us and
//! PostgreSQL pass none on. All instances look; the claim decides who works.

mod held;
mod kind;
mod run;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_web::rt;
use firemode_runtime::backoff::{Jitter, system_jitter};
use firemode_runtime::settings::WorkerSettings;
use firemode_storage::changes::ReadUpTo;
use firemode_storage::jobs::{self, KindLimits};
use firemode_storage::{Database, Purpose, StorageError};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use held::{HeldJobs, Order};
pub use kind::{Failure, Kind, Lane, Outcome, Task, Work};

/// After a job has ended, others that end now are waited for: one claim for all of them.
const GATHER: Duration = Duration::from_millis(5);

/// When the process leaves, jobs have this long to end by themselves; then they are given back.
const LEAVE: Duration = Duration::from_secs(1);

/// The worker of one process. It stays on the thread that made it.
pub struct Engine<C: 'static> {
    context: Rc<C>,
    database: Database,
    lanes: &'static [Lane<C>],
    kinds: Vec<&'static str>,
    poll: Duration,
    hold: Duration,
    held: HeldJobs,
    /// Something has changed that may let a job run: one has ended, or the engine is to leave.
    has_changed: Notify,
    is_leaving: Cell<bool>,
    is_failing: Cell<bool>,
    /// When a job is due next, as far as the database had come by then.
    next_due: RefCell<Option<(ReadUpTo, Option<Instant>)>>,
    jitter: RefCell<Jitter>,
}

impl<C: 'static> Engine<C> {
    /// An engine that claims nothing yet.
    pub fn new(
        context: Rc<C>,
        database: Database,
        lanes: &'static [Lane<C>],
        settings: &WorkerSettings,
    ) -> Rc<Self> {
        Rc::new(Self {
            database,
            lanes,
            kinds: possible(lanes.iter().flat_map(|lane| lane.kinds), &context)
                .map(|kind| kind.name)
                .collect(),
            context,
            poll: Duration::from_millis(settings.poll_milliseconds),
            hold: Duration::from_secs(settings.hold_seconds),
            held: HeldJobs::default(),
            has_changed: Notify::new(),
            is_leaving: Cell::new(false),
            is_failing: Cell::new(false),
            next_due: RefCell::new(None),
            jitter: RefCell::new(system_jitter()),
        })
    }

    /// Works until it is told to leave ([`Self::leave`]).
    pub async fn run(self: Rc<Self>) {
        let renewals = rt::spawn(Rc::clone(&self).keep_held());
        let mut has_begun = false;
        while !self.is_leaving.get() {
            let looked = match has_begun {
                true => self.claim_due().await,
                false => self.add_what_comes_again().await.map(|()| Duration::ZERO),
            };
            has_begun |= looked.is_ok();
            let pause = self.pause_after(looked);
            tokio::select! {
                () = sleep(pause) => {}
                () = self.has_changed.notified() => sleep(GATHER.min(self.poll)).await,
            }
        }
        renewals.abort();
    }

    /// From now on it claims nothing.
    pub fn claim_nothing_more(&self) {
        self.is_leaving.set(true);
        self.has_changed.notify_one();
    }

    /// Claims nothing more, lets jobs end for a moment, and gives the others back for other workers.
    ///
    /// That is tried until it works: a job that is not given back stands still until its hold runs out. Whoever stops this process sets
    /// the bound, by killing it.
    pub async fn leave(&self) {
        self.claim_nothing_more();
        if timeout(LEAVE, self.held.none_left()).await.is_ok() {
            return;
        }
        self.held.order_all(Order::GiveBack);
        if timeout(LEAVE, self.held.none_left()).await.is_err() {
            tracing::warn!(
                "jobs could not be given back yet; without that, others go on once their time has run out"
            );
            self.held.none_left().await;
        }
    }

    /// Makes sure that the jobs are there that come again and again.
    async fn add_what_comes_again(&self) -> Result<(), StorageError> {
        let tx = self.database.across_tenants(Purpose::Work).transaction().await?;
        let kinds = possible(self.lanes.iter().flat_map(|lane| lane.kinds), &self.context);
        for kind in kinds.filter(|kind| kind.comes_again) {
            jobs::keep_recurring(&tx, kind.name).await?;
        }
        tx.commit().await
    }

    /// Claims what is due, as far as there is room, and says how long it is until the next look.
    async fn claim_due(self: &Rc<Self>) -> Result<Duration, StorageError> {
        match self.next_due().await? {
            Some(Duration::ZERO) => {}
            Some(later) => return Ok(later.min(self.poll)),
            None => return Ok(self.poll),
        }
        let mut is_idle = true;
        for lane in self.lanes {
            is_idle &= self.fill(lane).await?;
        }
        Ok(if is_idle { self.poll } else { Duration::ZERO })
    }

    /// How long it is until a job is due; none where none is open. Where nobody has written anything since the last look, it is not asked again.
    async fn next_due(&self) -> Result<Option<Duration>, StorageError> {
        // Taken before the jobs: one that comes in between is found by the next look.
        let now = self.database.pulse(self.poll / 2).await?;
        if let Some((seen, due_at)) = &*self.next_due.borrow()
            && *seen == now
        {
            return Ok(due_at.map(|at| at.saturating_duration_since(Instant::now())));
        }
        let tx = self.database.across_tenants(Purpose::Work).read().await?;
        let due = jobs::next_due(&tx, &self.kinds).await?;
        drop(tx);
        let due_at =
            due.map(|later| Instant::now().checked_add(later).unwrap_or_else(|| Instant::now() + self.hold));
        *self.next_due.borrow_mut() = Some((now, due_at));
        Ok(due)
    }

    /// Claims jobs for the free places of a lane. True where there was none.
    async fn fill(self: &Rc<Self>, lane: &'static Lane<C>) -> Result<bool, StorageError> {
        let free = lane.running_max.saturating_sub(self.held.in_lane(lane.name));
        if free == 0 || self.is_leaving.get() {
            return Ok(true);
        }
        let limits: Vec<KindLimits> = possible(lane.kinds, &self.context).map(Kind::limits).collect();
        let tx = self.database.across_tenants(Purpose::Work).transaction().await?;
        let round = jobs::claim(tx, &limits, free, self.hold).await?;
        let is_idle = round.claimed.is_empty() && round.given_up.is_empty();
        round.given_up.iter().for_each(run::report_given_up);
        for job in round.claimed {
            if let Some(kind) = lane.kinds.iter().find(|kind| kind.name == job.kind) {
                let task = Rc::new(Task { job, progress: Cell::new(0.0) });
                let orders = self.held.add(lane.name, &task);
                rt::spawn(Rc::clone(self).carry_out(kind, task, orders));
            }
        }
        Ok(is_idle)
    }

    /// Renews what is held, long before its time runs out, and passes on what others have said about it.
    async fn keep_held(self: Rc<Self>) {
        loop {
            sleep(self.hold / 6).await;
            let holds = self.held.all();
            if holds.is_empty() {
                continue;
            }
            match self.renew(&holds).await {
                Ok(renewed) => self.held.compare(&holds, &renewed),
                Err(error) => {
                    tracing::warn!(%error, "jobs that run are not renewed for now; it is tried again")
                }
            }
        }
    }

    async fn renew(&self, holds: &[(jobs::Hold, f32)]) -> Result<Vec<jobs::Renewed>, StorageError> {
        let tx = self.database.across_tenants(Purpose::Work).transaction().await?;
        // One that is lost with the database is made again before anybody else may have the job.
        tx.without_the_disk().await?;
        let renewed = jobs::renew(&tx, holds, self.hold).await?;
        tx.commit().await?;
        Ok(renewed)
    }

    /// The pause until the next look; a failure is logged once, until it works again.
    fn pause_after(&self, looked: Result<Duration, StorageError>) -> Duration {
        let was_failing = self.is_failing.replace(looked.is_err());
        match looked {
            Ok(pause) => pause,
            Err(error) if was_failing => {
                tracing::debug!(%error, "jobs cannot be looked for");
                self.poll
            }
            Err(error) => {
                tracing::warn!(%error, "jobs cannot be looked for; it is tried again");
                self.poll
            }
        }
    }
}

/// The kinds that a process can do.
fn possible<C: 'static>(
    kinds: impl IntoIterator<Item = &'static Kind<C>>,
    context: &C,
) -> impl Iterator<Item = &'static Kind<C>> {
    kinds.into_iter().filter(|kind| (kind.is_possible)(context))
}

impl HeldJobs {
    /// Waits until no job is held any more.
    async fn none_left(&self) {
        while !self.all().is_empty() {
            self.ended().await;
        }
    }
}
