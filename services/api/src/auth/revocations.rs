//! Revoked tokens, in memory and never far behind the database.

use std::collections::HashMap;
use std::sync::RwLock;
use std::time::{Duration, Instant};

use actix_web::web;
use firemode_storage::revocations::{self, Entry, Revocation};
use firemode_storage::{Database, Purpose, StorageError};
use firemode_web::{AccessClaims, at};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::state::{Ready, State};

/// The revocation list as this process knows it.
pub(crate) struct Revocations {
    stale_after: Duration,
    known: RwLock<Known>,
}

/// What the list is doing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    /// Tokens and users on it.
    pub(crate) entries: usize,
    /// Time since it was last read, if it ever was.
    pub(crate) age: Option<Duration>,
}

#[derive(Default)]
struct Known {
    /// User and jti → when the token expires by itself.
    tokens: HashMap<(Uuid, Uuid), OffsetDateTime>,
    /// User → tokens up to this time are refused, and until when that matters.
    users: HashMap<Uuid, (OffsetDateTime, OffsetDateTime)>,
    read: Option<(Instant, OffsetDateTime)>,
}

impl Revocations {
    pub(crate) fn new(stale_milliseconds: u64) -> Self {
        Self { stale_after: Duration::from_millis(stale_milliseconds), known: RwLock::default() }
    }

    /// May this token be used? A list that could not be read for a while is not trusted: then the database is asked, and
    /// where it does not answer, nobody is let in.
    pub(crate) async fn allows(
        &self,
        database: &Database,
        claims: &AccessClaims,
    ) -> Result<bool, StorageError> {
        if self.is_fresh() {
            return Ok(self.with(|known| known.allows(claims)));
        }
        let tx = database.tenant(claims.org).read().await?;
        revocations::is_valid(&tx, claims.org, claims.sub, claims.jti, at(claims.iat)).await
    }

    /// Has the list been read lately?
    pub(crate) fn is_fresh(&self) -> bool {
        self.with(|known| known.read.is_some_and(|(when, _)| when.elapsed() < self.stale_after))
    }

    /// What the list is doing now.
    pub(crate) fn figures(&self) -> Figures {
        self.with(|known| Figures {
            entries: known.tokens.len() + known.users.len(),
            age: known.read.map(|(when, _)| when.elapsed()),
        })
    }

    /// Takes an entry at once in the process that made it; the others read it.
    pub(crate) fn add(&self, entry: Entry) {
        self.with_mut(|known| known.add(entry));
    }

    async fn refresh(&self, database: &Database) -> Result<(), StorageError> {
        let asked = Instant::now();
        let since = self.with(|known| known.read.map(|(_, at)| at));
        let tx = database.across_tenants(Purpose::Revocations).read().await?;
        let reading = revocations::read_since(&tx, since).await?;
        self.with_mut(|known| {
            reading.entries.into_iter().for_each(|entry| known.add(entry));
            known.forget(reading.read_at);
            known.read = Some((asked, reading.read_at));
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
    fn allows(&self, claims: &AccessClaims) -> bool {
        let user_revoked =
            self.users.get(&claims.sub).is_some_and(|(not_before, _)| at(claims.iat) <= *not_before);
        !user_revoked && !self.tokens.contains_key(&(claims.sub, claims.jti))
    }

    fn add(&mut self, entry: Entry) {
        match entry.revocation {
            Revocation::Token { user_id, jti } => drop(self.tokens.insert((user_id, jti), entry.expires_at)),
            Revocation::UserBefore { user_id, not_before } => {
                let known = self.users.entry(user_id).or_insert((not_before, entry.expires_at));
                *known = (known.0.max(not_before), known.1.max(entry.expires_at));
            }
        }
    }

    fn forget(&mut self, now: OffsetDateTime) {
        self.tokens.retain(|_, expires_at| *expires_at > now);
        self.users.retain(|_, (_, expires_at)| *expires_at > now);
    }
}

/// Reads the list again and again.
pub(crate) async fn keep_fresh(state: web::Data<State>) {
    let pause = Duration::from_millis(state.settings.auth.revocation_poll_milliseconds);
    let mut failing = false;
    loop {
        tokio::time::sleep(pause).await;
        // Before the first migration there is no list; nobody is let in then either.
        if state.readiness.get() == Ready::Starting {
            continue;
        }
        match state.revocations.refresh(&state.database).await {
            Ok(()) => failing = false,
            Err(error) if !failing => {
                failing = true;
                tracing::warn!(%error, "the revocation list cannot be read; tokens are checked in the database");
            }
            Err(_) => {}
        }
    }
}
