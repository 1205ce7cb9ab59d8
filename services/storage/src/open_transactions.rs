//! Transactions of the cluster that stay open for long, of any process.
//!
//! What an unprivileged role may know of others' transactions is which ids are open: so their age is how long this process has seen
//! them be.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::{Database, StorageError};

/// A look that is older does not count as one.
const AGE_MAX: Duration = Duration::from_millis(750);

/// Transactions that were open at the last look, and since when they have been seen to be.
#[derive(Debug, Default)]
pub struct OpenTransactions(BTreeMap<u64, Instant>);

/// A transaction that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OldestTransaction {
    /// Its id; `pg_stat_activity.backend_xid` has the low 32 bits of it.
    pub id: u64,
    /// It has been open for so long at least.
    pub age: Duration,
}

impl OpenTransactions {
    /// Looks again, and gives the one that has been open for longest.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn oldest(&mut self, database: &Database) -> Result<Option<OldestTransaction>, StorageError> {
        let read_up_to = database.pulse(AGE_MAX).await?;
        Ok(self.note(read_up_to.snapshot.open(), Instant::now()))
    }

    fn note(&mut self, open: &[u64], now: Instant) -> Option<OldestTransaction> {
        self.0 = open.iter().map(|id| (*id, self.0.get(id).copied().unwrap_or(now))).collect();
        let oldest = self.0.iter().min_by_key(|(_, since)| **since);
        oldest.map(|(id, since)| OldestTransaction { id: *id, age: now.saturating_duration_since(*since) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_is_as_old_as_it_was_seen_to_be() {
        let begin = Instant::now();
        let mut open = OpenTransactions::default();
        let mut at = |seconds, ids: &[u64]| {
            let oldest = open.note(ids, begin + Duration::from_secs(seconds));
            oldest.map(|oldest| (oldest.id, oldest.age.as_secs()))
        };
        assert_eq!(at(0, &[]), None);
        assert_eq!(at(10, &[7]), Some((7, 0)));
        assert_eq!(at(20, &[5, 7, 9]), Some((7, 10)));
        assert_eq!(at(30, &[5, 9]), Some((5, 10)));
        assert_eq!(at(40, &[7]), Some((7, 0)), "an id that was away is not what it was");
    }
}
