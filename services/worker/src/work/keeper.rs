//! Keeps what comes behind what is written to sessions: looks for sessions with something new, and deals with them.
//!
//! What is to be done is in memory, and how far the search for it had come before the oldest of it is in the database: the worker
//! that takes over finds it again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

use firemode_storage::changes::ReadUpTo;
use firemode_storage::clocks::SessionKey;
use firemode_storage::following::{Following, Place};
use firemode_storage::{Database, Purpose, StorageError, Transaction};
use time::OffsetDateTime;
use tokio::time::sleep;
use uuid::Uuid;

use crate::engine::{Failure, Outcome};

/// Sessions from before are looked for so many at a time.
const FILL_ROWS: i64 = 64;

/// After this time a run ends and the next one goes on, so that a failure long ago does not count.
const RUN: Duration = Duration::from_secs(300);

/// So many failures one after the other are the database's and not a session's.
const FAILURES_MAX: u32 = 3;

/// When things are done.
pub(super) struct Pace {
    /// Between two looks.
    pub(super) round: Duration,
    /// The same where nothing is to be done.
    pub(super) idle_round: Duration,
    /// A session that does not rest, so that each look finds something new of it, is dealt with so long after its first new change.
    pub(super) busy: Duration,
    /// Sessions that are dealt with together.
    pub(super) group: usize,
    /// Sessions from before are dealt with for so long in each round in which nothing else is to be done.
    pub(super) fill: Duration,
    /// While there is something new, it rests after each group for so many times as long as that took, and four times as long where a round
    /// has more to do than this.
    pub(super) rest: u32,
    pub(super) burst: Duration,
    /// A session that cannot be dealt with is given up after so many tries, until there is something new in it.
    pub(super) tries_max: u32,
}

/// What is kept.
pub(super) trait Upkeep {
    const FOLLOWING: Following;
    const PACE: Pace;

    /// Deals with sessions of some organisations and commits. Gives those that are dealt with: others are tried again.
    async fn deal_with(
        &self,
        tx: Transaction,
        sessions: &[SessionKey],
    ) -> Result<HashSet<SessionKey>, StorageError>;

    /// What else is to be dealt with from the start.
    async fn left_over(&self, _database: &Database) -> Result<Vec<SessionKey>, StorageError> {
        Ok(Vec::new())
    }

    /// A session was dealt with, of which the oldest change that was new is of this moment.
    fn dealt_with(&self, _since: OffsetDateTime) {}

    /// How long the oldest of what waits does.
    fn waits_since(&self, _oldest: Option<OffsetDateTime>) {}

    /// A session could not be dealt with.
    async fn failed(&self, database: &Database, session: SessionKey, error: &StorageError, is_given_up: bool);

    /// All sessions from before have been dealt with.
    fn filled(&self);
}

/// Looks for sessions with something new and deals with them, for a while.
pub(super) async fn run<U: Upkeep>(database: &Database, upkeep: &U) -> Result<Outcome, Failure> {
    let mut keeper = Keeper::begin(database, upkeep).await?;
    let began = Instant::now();
    while began.elapsed() < RUN {
        keeper.round().await?;
        sleep(if keeper.waiting.is_empty() { U::PACE.idle_round } else { U::PACE.round }).await;
    }
    keeper.keep_place().await?;
    Ok(Outcome::Again(Duration::ZERO, None))
}

struct Keeper<'a, U> {
    database: &'a Database,
    upkeep: &'a U,
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
    /// Of when the oldest of it is; none where it was not found by that.
    changed_at: Option<OffsetDateTime>,
    /// In which round more of it was found last.
    last_found_in: u64,
    /// When it is dealt with, though it does not rest.
    due_at: Instant,
    tries: u32,
}

impl<'a, U: Upkeep> Keeper<'a, U> {
    async fn begin(database: &'a Database, upkeep: &'a U) -> Result<Self, StorageError> {
        let place = U::FOLLOWING.place(&database.across_tenants(Purpose::Work).read().await?).await?;
        let waiting = HashMap::new();
        let mut keeper =
            Self { database, upkeep, place, rounds: 0, waiting, is_place_old: false, failures: 0 };
        // Whatever comes from now on is found from here, even where this is the first look of all.
        keeper.keep_place().await?;
        let since = Rc::new(keeper.place.read_up_to.clone());
        for key in upkeep.left_over(database).await? {
            keeper.waiting(key, &since);
        }
        Ok(keeper)
    }

    async fn round(&mut self) -> Result<(), StorageError> {
        self.rounds += 1;
        self.find().await?;
        let due = self.due();
        let is_quiet = due.is_empty();
        self.deal_with(due, U::PACE.rest).await?;
        if is_quiet {
            self.fill().await?;
        }
        if self.is_place_old && self.waiting.is_empty() {
            self.keep_place().await?;
        }
        self.upkeep.waits_since(self.waiting.values().filter_map(|waiting| waiting.changed_at).min());
        Ok(())
    }

    async fn find(&mut self) -> Result<(), StorageError> {
        // Taken before the rows: whatever is committed in between is found again next time.
        let now = self.database.pulse(U::PACE.round / 2).await?;
        if now == self.place.read_up_to {
            return Ok(());
        }
        let tx = self.database.across_tenants(Purpose::Work).read().await?;
        let found = U::FOLLOWING.touched(&tx, &self.place.read_up_to).await?;
        drop(tx);
        let since = Rc::new(std::mem::replace(&mut self.place.read_up_to, now));
        self.is_place_old |= !found.is_empty();
        for (key, changed_at) in found {
            let round = self.rounds;
            let waiting = self.waiting(key, &since);
            waiting.last_found_in = round;
            waiting.changed_at = Some(waiting.changed_at.map_or(changed_at, |known| known.min(changed_at)));
        }
        Ok(())
    }

    fn waiting(&mut self, key: SessionKey, since: &Rc<ReadUpTo>) -> &mut Waiting {
        let (found_in, due_at) = (self.rounds, Instant::now() + U::PACE.busy);
        let new = || Waiting {
            since: Rc::clone(since),
            found_in,
            changed_at: None,
            last_found_in: found_in,
            due_at,
            tries: 0,
        };
        self.waiting.entry(key).or_insert_with(new)
    }

    fn due(&self) -> Vec<SessionKey> {
        let rests = |waiting: &Waiting| waiting.tries == 0 && waiting.last_found_in < self.rounds;
        let is_due = |waiting: &Waiting| rests(waiting) || waiting.due_at <= Instant::now();
        let due = self.waiting.iter().filter(|(_, waiting)| is_due(waiting));
        let mut due: Vec<(u64, SessionKey)> = due.map(|(key, waiting)| (waiting.found_in, *key)).collect();
        due.sort_unstable();
        due.into_iter().map(|(_, key)| key).collect()
    }

    /// Deals with sessions, those of an organisation together. Some may have to wait for the next round.
    async fn deal_with(&mut self, sessions: Vec<SessionKey>, rest: u32) -> Result<(), StorageError> {
        let mut by_organisation = BTreeMap::<Uuid, Vec<SessionKey>>::new();
        for session in sessions {
            by_organisation.entry(session.0).or_default().push(session);
        }
        let groups = by_organisation.values().flat_map(|sessions| sessions.chunks(U::PACE.group));
        let mut groups: Vec<Vec<SessionKey>> = groups.map(<[_]>::to_vec).collect();
        let mut worked = Duration::ZERO;
        while let Some(group) = groups.pop() {
            let began = Instant::now();
            match self.deal_with_group(&group).await {
                Ok(()) => self.failures = 0,
                Err(error) if self.failures == FAILURES_MAX => return Err(error),
                Err(error) => {
                    self.failures += 1;
                    match group[..] {
                        [key] => self.put_off(key, &error).await,
                        // Which of them it is shows when each is alone.
                        _ => groups.extend(group.iter().map(|key| vec![*key])),
                    }
                }
            }
            let took = began.elapsed();
            worked += took;
            sleep(took * if worked < U::PACE.burst { rest } else { 4 * rest }).await;
        }
        Ok(())
    }

    async fn deal_with_group(&mut self, group: &[SessionKey]) -> Result<(), StorageError> {
        let organisations = group.iter().map(|(organisation_id, _)| *organisation_id);
        let tx = self.database.tenants(organisations).transaction().await?;
        for key in self.upkeep.deal_with(tx, group).await? {
            let changed_at = self.waiting.remove(&key).and_then(|waiting| waiting.changed_at);
            if let Some(changed_at) = changed_at {
                self.upkeep.dealt_with(changed_at);
            }
        }
        Ok(())
    }

    /// A session that cannot be dealt with does not keep others waiting.
    async fn put_off(&mut self, key: SessionKey, error: &StorageError) {
        let since = Rc::new(self.place.read_up_to.clone());
        let waiting = self.waiting(key, &since);
        waiting.tries += 1;
        waiting.due_at = Instant::now() + U::PACE.busy;
        let is_given_up = waiting.tries >= U::PACE.tries_max;
        if is_given_up {
            self.waiting.remove(&key);
        }
        self.upkeep.failed(self.database, key, error, is_given_up).await;
    }

    /// Deals with sessions that nobody has dealt with yet, for a moment.
    async fn fill(&mut self) -> Result<(), StorageError> {
        let began = Instant::now();
        while let Some(after) = self.place.filled_up_to
            && began.elapsed() < U::PACE.fill
        {
            let tx = self.database.across_tenants(Purpose::Work).read().await?;
            let found = U::FOLLOWING.unfilled(&tx, &self.place, after, FILL_ROWS).await?;
            drop(tx);
            self.place.filled_up_to = found.last().map(|(_, session_id)| *session_id);
            if self.place.filled_up_to.is_none() {
                self.upkeep.filled();
            }
            self.is_place_old = true;
            self.deal_with(found, 0).await?;
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
        U::FOLLOWING.keep_place(&tx, &place).await?;
        tx.commit().await?;
        self.is_place_old = false;
        Ok(())
    }
}
