//! Watches for transactions that are left open: they hold up PostgreSQL's own upkeep, in whichever database of the cluster they are.

use std::time::Duration;

use actix_web::web;
use firemode_storage::open_transactions::{OldestTransaction, OpenTransactions};
use metrics::{describe_gauge, gauge};

use crate::state::{ApiState, Ready};

const PAUSE: Duration = Duration::from_secs(5);

/// From here on somebody has left it open.
const AGE_MAX: Duration = Duration::from_secs(60);

const FIGURE: &str = "firemode_database_oldest_transaction_seconds";

/// Looks again and again.
pub(crate) async fn watch(state: web::Data<ApiState>) {
    let mut open = OpenTransactions::default();
    let mut told = None;
    loop {
        tokio::time::sleep(PAUSE).await;
        if state.readiness.get() == Ready::Starting {
            continue;
        }
        // A database that does not answer is told of elsewhere.
        let Ok(oldest) = open.look(&state.database).await else { continue };
        gauge!(FIGURE).set(oldest.map_or(0.0, |oldest| oldest.age.as_secs_f64()));
        told = tell(oldest, told);
    }
}

/// Says when a transaction grows old, and when it is gone. Takes and gives the one that was told of.
fn tell(oldest: Option<OldestTransaction>, told: Option<u64>) -> Option<u64> {
    let old = oldest.filter(|oldest| oldest.age > AGE_MAX);
    match (old, told) {
        (Some(old), told) if told != Some(old.id) => {
            let seconds = old.age.as_secs();
            tracing::warn!(
                transaction = old.id,
                seconds,
                "a transaction of the database's cluster stays open: PostgreSQL cannot clean up behind it (pg_stat_activity, \
                 backend_xid; or pg_prepared_xacts)"
            );
        }
        (None, Some(transaction)) => tracing::info!(transaction, "the transaction that stayed open is gone"),
        _ => {}
    }
    old.map(|old| old.id)
}

/// Says what the figure of this file is.
pub(crate) fn describe() {
    describe_gauge!(
        FIGURE,
        "For how long the oldest writing transaction of the database's cluster has been seen open."
    );
}
