//! Removes what has expired.

use std::time::Duration;

use actix_web::web;
use firemode_storage::{StorageError, idempotency, refresh_tokens, revocations};

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
    let client = state.database.client().await?;
    let full = |removed: u64| i64::try_from(removed) == Ok(ROWS_MAX);
    while full(idempotency::sweep(&client, ROWS_MAX).await?) {}
    while full(revocations::sweep(&client, ROWS_MAX).await?) {}
    while full(refresh_tokens::sweep(&client, ROWS_MAX).await?) {}
    Ok(())
}
