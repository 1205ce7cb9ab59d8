//! Keeps the clocks of sessions: soon after the last result where a session rests, and now and then while it is written to.

use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

use firemode_storage::clocks::{self, SessionKey};
use firemode_storage::following::Following;
use firemode_storage::{Database, Purpose, StorageError, Transaction};

use super::keeper::{self, Pace, Upkeep};
use crate::engine::{Failure, Outcome};
use crate::state::WorkerState;

/// Sessions of which a run counts what is not merged, where an earlier release has not.
const UNCOUNTED_MAX: i64 = 1_000;

/// Looks for sessions with something new and brings their clocks up to date, for a while.
pub(crate) async fn run(state: Rc<WorkerState>) -> Result<Outcome, Failure> {
    keeper::run(&state.database, &Clocks).await
}

struct Clocks;

impl Upkeep for Clocks {
    const FOLLOWING: Following = clocks::FOLLOWING;

    const PACE: Pace = Pace {
        round: Duration::from_millis(1_500),
        idle_round: Duration::from_millis(2_500),
        busy: Duration::from_secs(25),
        // Sessions are held together for as long as it takes to write their clocks.
        group: 16,
        fill: Duration::from_millis(150),
        rest: 0,
        burst: Duration::ZERO,
        tries_max: 3,
    };

    /// Sessions that somebody holds wait for the next round.
    async fn deal_with(
        &self,
        tx: Transaction,
        sessions: &[SessionKey],
    ) -> Result<HashSet<SessionKey>, StorageError> {
        clocks::refresh(tx, sessions).await
    }

    async fn left_over(&self, database: &Database) -> Result<Vec<SessionKey>, StorageError> {
        clocks::uncounted(&database.across_tenants(Purpose::Work).read().await?, UNCOUNTED_MAX).await
    }

    async fn failed(
        &self,
        _: &Database,
        (_, session_id): SessionKey,
        error: &StorageError,
        is_given_up: bool,
    ) {
        if is_given_up {
            tracing::warn!(%session_id, %error, "the clock of a session cannot be worked out and stays as it is until there is something new");
        }
    }

    fn filled(&self) {
        tracing::info!("the clocks of all sessions are kept from now on");
    }
}
