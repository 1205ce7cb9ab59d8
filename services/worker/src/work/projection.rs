//! Follows what sessions say of their items, and keeps the observations and defects that follow.

use std::collections::{BTreeSet, HashSet};
use std::rc::Rc;
use std::time::Duration;

use firemode_storage::clocks::SessionKey;
use firemode_storage::following::Following;
use firemode_storage::observed::{self, Depth};
use firemode_storage::{Database, StorageError, Transaction};
use time::OffsetDateTime;
use uuid::Uuid;

use super::keeper::{self, Pace, Upkeep};
use crate::engine::{Failure, Outcome};
use crate::figures;
use crate::state::WorkerState;

/// Looks for sessions with something new and works them out, for a while.
pub(crate) async fn run(state: Rc<WorkerState>) -> Result<Outcome, Failure> {
    keeper::run(&state.database, &Projection).await
}

struct Projection;

impl Upkeep for Projection {
    const FOLLOWING: Following = observed::FOLLOWING;

    // What fails is to be seen within two seconds. While there is always something to do, that takes a quarter of the time.
    const PACE: Pace = Pace {
        round: Duration::from_millis(400),
        idle_round: Duration::from_secs(1),
        busy: Duration::ZERO,
        group: 8,
        fill: Duration::from_secs(1),
        rest: 3,
        burst: Duration::from_millis(250),
        tries_max: 3,
    };

    async fn deal_with(
        &self,
        tx: Transaction,
        sessions: &[SessionKey],
    ) -> Result<HashSet<SessionKey>, StorageError> {
        let Some((organisation_id, _)) = sessions.first().copied() else { return Ok(HashSet::new()) };
        let ids: BTreeSet<Uuid> = sessions.iter().map(|(_, session_id)| *session_id).collect();
        let rows = observed::project(tx, organisation_id, &ids, Depth::Changed).await?;
        figures::projected(rows);
        Ok(sessions.iter().copied().collect())
    }

    fn dealt_with(&self, since: OffsetDateTime) {
        figures::projection_lag(OffsetDateTime::now_utc() - since);
    }

    fn waits_since(&self, oldest: Option<OffsetDateTime>) {
        figures::projection_waits(oldest.map(|oldest| OffsetDateTime::now_utc() - oldest));
    }

    async fn failed(
        &self,
        database: &Database,
        (organisation_id, session_id): SessionKey,
        error: &StorageError,
        is_given_up: bool,
    ) {
        figures::projection_failed();
        tracing::warn!(%session_id, %error, is_given_up, "the observations of a session cannot be worked out");
        let noted = async {
            let tx = database.tenant(organisation_id).transaction().await?;
            observed::note_failure(&tx, organisation_id, session_id, &error.to_string()).await?;
            tx.commit().await
        };
        if let Err(error) = noted.await {
            tracing::warn!(%session_id, %error, "that was not noted either");
        }
    }

    fn filled(&self) {
        tracing::info!("observations and defects are followed for all sessions from now on");
    }
}
