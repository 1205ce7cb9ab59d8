//! Keeps the clocks of sessions: soon after the last result where a session rests, and now and then while it is written to.
//!
//! What is to be done is in memory, and how far the search for it had come before the oldest of it is in the database: the worker
//! that takes over finds it again.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use firemode_storage::changes::ReadUpTo;
use firemode_storage::clocks::{self, Place, SessionKey};
use firemode_storage::{Database, Purpose, StorageError};
use tokio::time::sleep;

use crate::engine::{Failure, Outcome};
use crate::state::WorkerState;

/// Between two looks. A session rests that has nothing new at the second one.
const ROUND: Duration = Duration::from_millis(1_500);

/// The same where nothing is to be done.
const IDLE_ROUND: Duration = Duration::from_millis(2_500);

/// A session that does not rest has its clock brought up to date this long after its first new change.
const BUSY: Duration = Duration::from_secs(25);

/// Sessions that are held together: as long as it takes to write their clocks.
const GROUP: usize = 16;

/// Clocks from before are filled in for so long in each round, and are looked for so many at a time.
const FILL: Duration = Duration::from_millis(150);
const FILL_ROWS: i64 = 64;

/// Sessions of which a run counts what is not merged, where an earlier release has not.
const UNCOUNTED_MAX: i64 = 1_000;

/// After this time a run ends and the next one goes on, so that a failure long ago does not count.
const RUN: Duration = Duration::from_secs(300);

/// A session whose clock cannot be worked out is given up after so many tries, until there is something new in it.
const TRIES_MAX: u32 = 3;

/// So many failures one after the other are the database's and not a session's.
const FAILURES_MAX: u32 = 3;

/// Looks for sessions with something new and brings their clocks up to date, for a while.
pub(crate) async fn run(state: Rc<WorkerState>) -> Result<Outcome, Failure> {
    let mut keeper = Keeper::begin(&state.database).await?;
    let began = Instant::now();
    while began.elapsed() < RUN {
        keeper.round().await?;
        sleep(if keeper.waiting.is_empty() { IDLE_ROUND } else { ROUND }).await;
    }
    keeper.keep_place().await?;
    Ok(Outcome::Again(Duration::ZERO, None))
}

struct Keeper<'a> {
    database: &'a Database,
    /// Where the search goes on.
    place: Place,
    rounds: u64,
    waiting: HashMap<SessionKey, Waiting>,
    /// Something was found that the stored place does not stand for.
    is_place_old: bool,
    failures: u32,
}

/// A session with something new.
struct Waiting {
    /// Where the search began that found it, and in which round.
    since: Rc<ReadUpTo>,
    found_in: u64,
    /// In which round more of it was found last.
    last_found_in: u64,
    /// When its clock is brought up to date, though it does not rest.
    due_at: Instant,
    tries: u32,
}

impl<'a> Keeper<'a> {
    async fn begin(database: &'a Database) -> Result<Self, StorageError> {
        let place = clocks::place(&database.across_tenants(Purpose::Work).read().await?).await?;
        let waiting = HashMap::new();
        let mut keeper = Self { database, place, rounds: 0, waiting, is_place_old: false, failures: 0 };
        // Whatever comes from now on is found from here, even where this is the first look of all.
        keeper.keep_place().await?;
        let tx = database.across_tenants(Purpose::Work).read().await?;
        let since = Rc::new(keeper.place.read_up_to.clone());
        for key in clocks::uncounted(&tx, UNCOUNTED_MAX).await? {
            keeper.waiting(key, &since);
        }
        Ok(keeper)
    }

    async fn round(&mut self) -> Result<(), StorageError> {
        self.rounds += 1;
        self.find().await?;
        let due = self.due();
        let is_quiet = due.is_empty();
        self.refresh(due).await?;
        if is_quiet {
            self.fill().await?;
        }
        if self.is_place_old && self.waiting.is_empty() {
            self.keep_place().await?;
        }
        Ok(())
    }

    async fn find(&mut self) -> Result<(), StorageError> {
        let tx = self.database.across_tenants(Purpose::Work).read().await?;
        let Some((found, now)) = clocks::touched(&tx, &self.place.read_up_to).await? else { return Ok(()) };
        let since = Rc::new(std::mem::replace(&mut self.place.read_up_to, now));
        self.is_place_old |= !found.is_empty();
        for key in found {
            self.waiting(key, &since).last_found_in = self.rounds;
        }
        Ok(())
    }

    fn waiting(&mut self, key: SessionKey, since: &Rc<ReadUpTo>) -> &mut Waiting {
        let (found_in, due_at) = (self.rounds, Instant::now() + BUSY);
        let new = || Waiting { since: Rc::clone(since), found_in, last_found_in: found_in, due_at, tries: 0 };
        self.waiting.entry(key).or_insert_with(new)
    }

    fn due(&self) -> Vec<SessionKey> {
        let rests = |waiting: &Waiting| waiting.tries == 0 && waiting.last_found_in < self.rounds;
        let is_due = |waiting: &Waiting| rests(waiting) || waiting.due_at <= Instant::now();
        self.waiting.iter().filter(|(_, waiting)| is_due(waiting)).map(|(key, _)| *key).collect()
    }

    /// Brings clocks up to date. Sessions that somebody holds wait for the next round.
    async fn refresh(&mut self, sessions: Vec<SessionKey>) -> Result<(), StorageError> {
        let mut groups: Vec<Vec<SessionKey>> = sessions.chunks(GROUP).map(<[_]>::to_vec).collect();
        while let Some(group) = groups.pop() {
            match self.refresh_group(&group).await {
                Ok(()) => self.failures = 0,
                Err(error) if self.failures == FAILURES_MAX => return Err(error),
                Err(error) => {
                    self.failures += 1;
                    match group[..] {
                        [key] => self.put_off(key, &error),
                        // Which of them it is shows when each is alone.
                        _ => groups.extend(group.iter().map(|key| vec![*key])),
                    }
                }
            }
        }
        Ok(())
    }

    async fn refresh_group(&mut self, group: &[SessionKey]) -> Result<(), StorageError> {
        let organisations = group.iter().map(|(organisation_id, _)| *organisation_id);
        let tx = self.database.tenants(organisations).transaction().await?;
        for key in clocks::refresh(tx, group).await? {
            self.waiting.remove(&key);
        }
        Ok(())
    }

    /// A session whose clock cannot be worked out does not keep others from theirs.
    fn put_off(&mut self, key: SessionKey, error: &StorageError) {
        let (_, session_id) = key;
        let since = Rc::new(self.place.read_up_to.clone());
        let waiting = self.waiting(key, &since);
        waiting.tries += 1;
        waiting.due_at = Instant::now() + BUSY;
        if waiting.tries >= TRIES_MAX {
            self.waiting.remove(&key);
            tracing::warn!(%session_id, %error, "the clock of a session cannot be worked out and stays as it is until there is something new");
        }
    }

    /// Fills clocks in that nobody has reckoned yet, for a moment.
    async fn fill(&mut self) -> Result<(), StorageError> {
        let began = Instant::now();
        while let Some(after) = self.place.filled_up_to
            && began.elapsed() < FILL
        {
            let tx = self.database.across_tenants(Purpose::Work).read().await?;
            let found = clocks::unfilled(&tx, &self.place, after, FILL_ROWS).await?;
            drop(tx);
            self.place.filled_up_to = found.last().map(|(_, session_id)| *session_id);
            if self.place.filled_up_to.is_none() {
                tracing::info!("the clocks of all sessions are kept from now on");
            }
            self.is_place_old = true;
            self.refresh(found).await?;
        }
        Ok(())
    }

    /// Notes where the next run goes on: before the oldest that waits.
    async fn keep_place(&mut self) -> Result<(), StorageError> {
        let oldest = self.waiting.values().min_by_key(|waiting| waiting.found_in);
        let mut place = self.place.clone();
        if let Some(oldest) = oldest {
            place.read_up_to = (*oldest.since).clone();
        }
        let tx = self.database.across_tenants(Purpose::Work).transaction().await?;
        tx.without_the_disk().await?;
        clocks::keep_place(&tx, &place).await?;
        tx.commit().await?;
        self.is_place_old = false;
        Ok(())
    }
}
