//! Which sessions a user has written to or fetched lately, to recognise a change that was sent to the wrong one.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use firemode_domain::document::ChangeHash;
use uuid::Uuid;

use crate::sql::{Statement, params};
use crate::{StorageError, Transaction, changes};

/// Sessions that are known of a user.
pub const SESSIONS_MAX: i32 = 64;

/// A process notes a visit again after this, so that a session that is in use does not become one of the oldest.
const NOTED_FOR: Duration = Duration::from_secs(3600);

/// Visits that a process knows to be noted at most. Beyond that it notes some of them again.
const NOTED_MAX: usize = 20_000;

/// A user who writes to a session, or fetches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Visit {
    /// The tenant.
    pub organisation_id: Uuid,
    /// The user.
    pub user_id: Uuid,
    /// The session.
    pub session_id: Uuid,
}

/// The visits that a process has noted lately, so that it notes each of them at intervals and not every time.
#[derive(Debug)]
pub struct NotedVisits(Mutex<Noted>);

#[derive(Debug)]
struct Noted {
    visits: HashSet<Visit>,
    since: Instant,
}

impl Default for NotedVisits {
    fn default() -> Self {
        Self(Mutex::new(Noted { visits: HashSet::new(), since: Instant::now() }))
    }
}

impl NotedVisits {
    /// Those that have to be noted, each once.
    pub fn unnoted(&self, visits: impl IntoIterator<Item = Visit>) -> Vec<Visit> {
        let noted = self.noted();
        let unnoted: BTreeSet<Visit> =
            visits.into_iter().filter(|visit| !noted.visits.contains(visit)).collect();
        unnoted.into_iter().collect()
    }

    /// These were noted, and that is committed.
    pub fn remember(&self, visits: &[Visit]) {
        let mut noted = self.noted();
        if noted.visits.len() + visits.len() > NOTED_MAX {
            noted.visits.clear();
        }
        noted.visits.extend(visits);
    }

    /// None of them may be noted any more.
    pub fn forget(&self) {
        self.noted().visits.clear();
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.since.elapsed() > NOTED_FOR {
            *noted = Noted { visits: HashSet::new(), since: Instant::now() };
        }
        noted
    }
}

/// Notes visits.
///
/// # Errors
/// The database does not answer.
pub async fn note(tx: &Transaction, visits: &[Visit]) -> Result<(), StorageError> {
    notes(visits).rows(tx).await?;
    Ok(())
}

/// The statement of [`note`]. Rows are taken in one order.
pub(crate) fn notes(visits: &[Visit]) -> Statement<'static> {
    let (organisations, users, sessions) = columns(visits.iter().copied());
    Statement::new(
        "insert into recent_sessions as r (organisation_id, user_id, session_ids)
         select v.organisation_id, v.user_id, (array_agg(v.session_id))[1:$4]
         from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as v (organisation_id, user_id, session_id)
         group by v.organisation_id, v.user_id order by v.organisation_id, v.user_id
         on conflict (organisation_id, user_id) do update set session_ids = (
             excluded.session_ids || array (
                 select o.id from unnest(r.session_ids) with ordinality as o (id, position)
                 where o.id <> all (excluded.session_ids) order by o.position)
         )[1:$4]",
        params![organisations, users, sessions, SESSIONS_MAX],
    )
}

/// A change that nobody knows in the session that a user brings another one for, which builds on it.
#[derive(Debug, Clone, Copy)]
pub struct Suspect {
    /// Who brings it, and for which session.
    pub visit: Visit,
    /// What is not known there.
    pub hash: ChangeHash,
}

/// Looks for changes in the other sessions that their users have visited lately. Gives the place among the suspects and the session.
///
/// # Errors
/// The database does not answer.
pub async fn find_elsewhere(
    tx: &Transaction,
    suspects: &[Suspect],
) -> Result<Vec<(usize, Uuid)>, StorageError> {
    let visitors: HashSet<(Uuid, Uuid)> =
        suspects.iter().map(|Suspect { visit, .. }| (visit.organisation_id, visit.user_id)).collect();
    let (organisations, users): (Vec<Uuid>, Vec<Uuid>) = visitors.into_iter().unzip();
    let rows = Statement::new(
        "select user_id, session_ids from recent_sessions
         where (organisation_id, user_id) in (select * from unnest($1::uuid[], $2::uuid[]))",
        params![organisations, users],
    )
    .rows(tx)
    .await?;
    let sessions: HashMap<Uuid, Vec<Uuid>> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let (mut origins, mut changes) = (Vec::new(), Vec::new());
    for (place, Suspect { visit, hash }) in suspects.iter().enumerate() {
        for session_id in sessions.get(&visit.user_id).into_iter().flatten() {
            if *session_id != visit.session_id {
                origins.push((place, *session_id));
                changes.push((visit.organisation_id, *session_id, *hash));
            }
        }
    }
    let found = changes::find_stored(tx, &changes).await?;
    Ok(found.into_iter().filter_map(|place| origins.get(place).copied()).collect())
}

fn columns(visits: impl Iterator<Item = Visit> + Clone) -> (Vec<Uuid>, Vec<Uuid>, Vec<Uuid>) {
    (
        visits.clone().map(|visit| visit.organisation_id).collect(),
        visits.clone().map(|visit| visit.user_id).collect(),
        visits.map(|visit| visit.session_id).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit(session: u128) -> Visit {
        let id = Uuid::from_u128;
        Visit { organisation_id: id(1), user_id: id(2), session_id: id(session) }
    }

    #[test]
    fn a_visit_is_noted_once_and_the_process_does_not_remember_without_end() {
        let noted = NotedVisits::default();
        assert_eq!(noted.unnoted([visit(3), visit(4), visit(3)]), [visit(3), visit(4)]);
        noted.remember(&[visit(3)]);
        assert_eq!(noted.unnoted([visit(3), visit(4)]), [visit(4)]);
        for session in 0..NOTED_MAX as u128 {
            noted.remember(&[visit(session)]);
        }
        assert!(noted.noted().visits.len() <= NOTED_MAX);
    }
}
