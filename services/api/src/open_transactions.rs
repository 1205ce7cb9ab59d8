//! Watches for transactions that are left open: they hold up PostgreSQL's own upkeep, in any database of the cluster.

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
    let mut reported = None;
    loop {
        tokio::time::sleep(PAUSE).await;
        if state.readiness.get() == Ready::Starting {
            continue;
        }
        // A database that does not answer is reported elsewhere.
        let Ok(oldest) = open.oldest(&state.database).await else { continue };
        gauge!(FIGURE).set(oldest.map_or(0.0, |oldest| oldest.age.as_secs_f64()));
        reported = report(oldest, reported);
    }
}

/// Logs when a transaction grows old, and when it is gone. Takes and returns the one that was reported.
fn report(oldest: Option<OldestTransaction>, reported: Option<u64>) -> Option<u64> {
    let old = oldest.filter(|oldest| oldest.age > AGE_MAX);
    match (old, reported) {
        (Some(old), reported) if reported != Some(old.id) => {
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
