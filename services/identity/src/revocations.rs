//! Revoked tokens, in memory and never far behind the database.

use std::collections::HashMap;
use std::sync::RwLock;
use std::time::{Duration, Instant};

use firemode_storage::revocations::{self, ReadAt, Revocation, RevocationEntry};
use firemode_storage::{Database, Purpose, StorageError};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::tokens::{AccessClaims, at};

/// Users that a process remembers; beyond that it asks about all of them again.
const CONFIRMED_MAX: usize = 100_000;

/// The revocation list as this process knows it.
#[derive(Debug)]
pub struct Revocations {
    stale_after: Duration,
    known: RwLock<Known>,
}

/// What the list is doing.
#[derive(Debug, Clone, Copy)]
pub struct RevocationFigures {
    /// Tokens and users on it.
    pub entries: usize,
    /// Time since it was last read, if it ever was.
    pub age: Option<Duration>,
}

#[derive(Debug, Default)]
struct Known {
    /// Organisation and jti → when the token expires by itself.
    tokens: HashMap<(Uuid, Uuid), OffsetDateTime>,
    /// User → tokens up to this time are refused, and until when that matters.
    users: HashMap<Uuid, (OffsetDateTime, OffsetDateTime)>,
    /// User → its organisation, where the database said that the user is there and active; what ends that stands on the list.
    confirmed: HashMap<Uuid, Uuid>,
    read: Option<(Instant, ReadAt)>,
}

impl Revocations {
    /// An empty list that was never read; it is trusted for this long after each reading.
    pub fn new(stale_milliseconds: u64) -> Self {
        Self { stale_after: Duration::from_millis(stale_milliseconds), known: RwLock::default() }
    }

    /// May this token be used? What this process knows decides where it knows the user. A list that could not be read for a while
    /// is not trusted: then the database is asked, and where it does not answer, nobody is let in.
    ///
    /// # Errors
    /// The database has to be asked and does not answer.
    pub async fn allows(&self, database: &Database, claims: &AccessClaims) -> Result<bool, StorageError> {
        if self.is_fresh()
            && let Some(allowed) = self.verdict(claims)
        {
            return Ok(allowed);
        }
        let ended_before = self.with(|known| known.not_before(claims.sub));
        let tx = database.tenant(claims.org).read().await?;
        let allowed = revocations::is_valid(&tx, claims.org, claims.sub, claims.jti, at(claims.iat)).await?;
        if allowed {
            self.with_mut(|known| known.confirm(claims, ended_before));
        }
        Ok(allowed)
    }

    /// May this token be used? `None` where this process does not know its user: a holder of our secret can make a token for
    /// anybody, and for a user who was disabled before.
    pub fn verdict(&self, claims: &AccessClaims) -> Option<bool> {
        self.with(|known| match known.allows(claims) {
            true => (known.confirmed.get(&claims.sub) == Some(&claims.org)).then_some(true),
            false => Some(false),
        })
    }

    /// Has the list been read lately?
    pub fn is_fresh(&self) -> bool {
        self.with(|known| known.read.is_some_and(|(when, _)| when.elapsed() < self.stale_after))
    }

    /// What the list is doing now.
    pub fn figures(&self) -> RevocationFigures {
        self.with(|known| RevocationFigures {
            entries: known.tokens.len() + known.users.len(),
            age: known.read.map(|(when, _)| when.elapsed()),
        })
    }

    /// Takes an entry at once in the process that made it; the others read it.
    pub fn add(&self, entry: RevocationEntry) {
        self.add_all([entry]);
    }

    /// Takes several entries at once.
    pub fn add_all(&self, entries: impl IntoIterator<Item = RevocationEntry>) {
        self.with_mut(|known| entries.into_iter().for_each(|entry| known.add(entry)));
    }

    /// Reads what is new on the list, and forgets what has expired.
    ///
    /// # Errors
    /// The database does not answer; the list stays as it was, and grows stale.
    pub async fn refresh(&self, database: &Database) -> Result<(), StorageError> {
        let asked = Instant::now();
        let since = self.with(|known| known.read.map(|(_, at)| at));
        let tx = database.across_tenants(Purpose::Revocations).read().await?;
        let reading = revocations::read_since(&tx, since).await?;
        self.with_mut(|known| {
            if reading.is_first {
                // Another database may not know these users. What it has lost of the list stays refused here all the same.
                known.confirmed.clear();
            }
            reading.entries.into_iter().for_each(|entry| known.add(entry));
            known.forget(reading.read_up_to.at);
            known.read = Some((asked, reading.read_up_to));
        });
        Ok(())
    }

    fn with<T>(&self, look: impl FnOnce(&Known) -> T) -> T {
        look(&self.known.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn with_mut<T>(&self, change: impl FnOnce(&mut Known) -> T) -> T {
        change(&mut self.known.write().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl Known {
    fn not_before(&self, user_id: Uuid) -> Option<OffsetDateTime> {
        self.users.get(&user_id).map(|(not_before, _)| *not_before)
    }

    fn allows(&self, claims: &AccessClaims) -> bool {
        let user_revoked = self.not_before(claims.sub).is_some_and(|not_before| at(claims.iat) <= not_before);
        !user_revoked && !self.tokens.contains_key(&(claims.org, claims.jti))
    }

    fn add(&mut self, entry: RevocationEntry) {
        match entry.revocation {
            Revocation::Token { organisation_id, jti } => {
                let known = self.tokens.entry((organisation_id, jti)).or_insert(entry.expires_at);
                *known = entry.expires_at.max(*known);
            }
            Revocation::UserBefore { user_id, not_before } => {
                // The user may have been disabled with it, which only the database knows.
                if self.not_before(user_id).is_none_or(|known| known < not_before) {
                    self.confirmed.remove(&user_id);
                }
                let known = self.users.entry(user_id).or_insert((not_before, entry.expires_at));
                *known = (known.0.max(not_before), known.1.max(entry.expires_at));
            }
        }
    }

    /// Notes what the database said, unless the user's tokens were ended while it was asked.
    fn confirm(&mut self, claims: &AccessClaims, ended_before: Option<OffsetDateTime>) {
        if self.not_before(claims.sub) != ended_before {
            return;
        }
        if self.confirmed.len() >= CONFIRMED_MAX {
            self.confirmed.clear();
        }
        self.confirmed.insert(claims.sub, claims.org);
    }

    fn forget(&mut self, now: OffsetDateTime) {
        self.tokens.retain(|_, expires_at| *expires_at > now);
        self.users.retain(|_, (_, expires_at)| *expires_at > now);
    }
}
