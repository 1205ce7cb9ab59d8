//! Removes what has expired.

use std::time::Duration;

use actix_web::web;
use firemode_storage::{
    Purpose, StorageError, Transaction, account_tokens, idempotency, idempotency_leases, refresh_tokens,
    revocations, throttle,
};

use crate::state::{Ready, State};

const PAUSE_SECONDS: u64 = 600;

/// Rows that one statement removes at most, so that it never holds much for long.
const ROWS_MAX: i64 = 1_000;

/// Sweeps every ten minutes. Several instances may do so at once; each row goes once.
pub(crate) async fn sweep_now_and_then(state: web::Data<State>) {
    loop {
        tokio::time::sleep(Duration::from_secs(PAUSE_SECONDS)).await;
        if state.readiness.get() == Ready::Serving
            && let Err(error) = sweep(&state).await
        {
            tracing::warn!(%error, "expired rows were not removed; the next sweep tries again");
        }
    }
}

async fn sweep(state: &State) -> Result<(), StorageError> {
    while full(in_transaction(state, idempotency::sweep).await?) {}
    while full(in_transaction(state, idempotency_leases::sweep).await?) {}
    while full(in_transaction(state, revocations::sweep).await?) {}
    while full(in_transaction(state, refresh_tokens::sweep).await?) {}
    while full(in_transaction(state, account_tokens::sweep).await?) {}
    let forget_seconds = state.settings.auth.sign_in_forget_seconds;
    let forgotten = async |tx: &Transaction, limit| throttle::sweep(tx, forget_seconds, limit).await;
    while full(in_transaction(state, forgotten).await?) {}
    Ok(())
}

/// One statement's worth, in a transaction of its own.
async fn in_transaction(
    state: &State,
    sweep: impl AsyncFn(&Transaction, i64) -> Result<u64, StorageError>,
) -> Result<u64, StorageError> {
    let tx = state.database.across_tenants(Purpose::Sweep).transaction().await?;
    let removed = sweep(&tx, ROWS_MAX).await?;
    tx.commit().await?;
    Ok(removed)
}

/// May there be more?
fn full(removed: u64) -> bool {
    i64::try_from(removed) == Ok(ROWS_MAX)
}
