//! Turns to write for a device. A device has one actor in a session. Two processes that wrote for it at the same moment would give one
//! number to two changes. The database would refuse one of them, which had to be worked out again. So they take turns. Nothing rests on
//! that: who takes none is refused where it matters.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::sql::{Statement, params};
use crate::{Lineage, StorageError, Transaction, lineage};

/// A batch takes so many turns at most: PostgreSQL's table of locks is shared by all.
const TURNS_MAX: usize = 512;

/// A device that is written for in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn(i64);

impl Turn {
    /// Of a user's device, in a session.
    #[must_use]
    pub fn of(session_id: Uuid, user_id: Uuid, device: &str) -> Self {
        let hash = Sha256::new()
            .chain_update("a device's turn")
            .chain_update(session_id.as_bytes())
            .chain_update(user_id.as_bytes())
            .chain_update(device)
            .finalize();
        let mut first = [0; 8];
        first.copy_from_slice(&hash[..8]);
        Self(i64::from_be_bytes(first))
    }
}

/// Waits until these devices are nobody else's, and keeps them until the transaction ends. All at once and in one order, so that nobody
/// waits in a circle, and before anything that their holders may wait for.
pub(crate) fn take(turns: &BTreeSet<Turn>) -> Statement<'static> {
    let turns: Vec<i64> = turns.iter().take(TURNS_MAX).map(|Turn(key)| *key).collect();
    Statement::new(
        "select count(pg_advisory_xact_lock(turn)) from unnest($1::int8[]) as turn",
        params![turns],
    )
}

/// Waits for one turn, and returns the lineage of what is read from then on.
///
/// # Errors
/// The database does not answer.
pub async fn take_turn(tx: &Transaction, turn: Turn) -> Result<Lineage, StorageError> {
    take(&BTreeSet::from([turn])).rows(tx).await?;
    lineage::present(tx).await
}
