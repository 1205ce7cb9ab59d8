//! Removes what has expired: rows that nobody asks for any more, and bytes of evidence that nothing refers to.
//!
//! Several instances may do so at once, and a sweep may end at any point: each row goes once, and what is left goes with the next.

use std::rc::Rc;
use std::time::Duration;

use firemode_storage::{
    Purpose, StorageError, Transaction, account_tokens, evidence_leases, evidence_uploads, idempotency,
    idempotency_leases, jobs, record_figures, refresh_tokens, revocations, throttle,
};

use crate::engine::{Failure, Outcome};
use crate::state::WorkerState;

/// Between two sweeps.
const PAUSE: Duration = Duration::from_secs(600);

/// Rows that one statement removes at most, so that it never holds much for long.
const ROWS_MAX: i64 = 1_000;

/// Leases of bytes that are taken at once.
const LEASES_MAX: i64 = 100;

/// Sweeps everything, and again after a pause.
pub(crate) async fn run(state: Rc<WorkerState>) -> Result<Outcome, Failure> {
    sweep_rows(&state).await?;
    while expire_upload(&state).await? {}
    sweep_bytes(&state).await?;
    Ok(Outcome::Again(PAUSE, None))
}

async fn sweep_rows(state: &WorkerState) -> Result<(), StorageError> {
    while full(in_transaction(state, Purpose::Sweep, idempotency::sweep).await?) {}
    while full(in_transaction(state, Purpose::Sweep, idempotency_leases::sweep).await?) {}
    while full(in_transaction(state, Purpose::Sweep, revocations::sweep).await?) {}
    while full(in_transaction(state, Purpose::Sweep, refresh_tokens::sweep).await?) {}
    while full(in_transaction(state, Purpose::Sweep, account_tokens::sweep).await?) {}
    let forget_seconds = state.settings.auth.sign_in_forget_seconds;
    let forgotten = async |tx: &Transaction, limit| throttle::sweep(tx, forget_seconds, limit).await;
    while full(in_transaction(state, Purpose::Sweep, forgotten).await?) {}
    let keep_days = state.settings.worker.keep_days;
    let ended = async |tx: &Transaction, limit| jobs::sweep(tx, keep_days, limit).await;
    while full(in_transaction(state, Purpose::Work, ended).await?) {}
    while full(in_transaction(state, Purpose::Sweep, record_figures::add_up).await?) {}
    Ok(())
}

/// One statement's worth, in a transaction of its own.
async fn in_transaction(
    state: &WorkerState,
    purpose: Purpose,
    sweep: impl AsyncFn(&Transaction, i64) -> Result<u64, StorageError>,
) -> Result<u64, StorageError> {
    let tx = state.database.across_tenants(purpose).transaction().await?;
    let removed = sweep(&tx, ROWS_MAX).await?;
    tx.commit().await?;
    Ok(removed)
}

/// May there be more?
fn full(removed: u64) -> bool {
    i64::try_from(removed) == Ok(ROWS_MAX)
}

/// Gives up the parts of one resumable upload that has expired. False where there is none.
async fn expire_upload(state: &WorkerState) -> Result<bool, StorageError> {
    let tx = state.database.across_tenants(Purpose::Sweep).transaction().await?;
    let Some((organisation_id, id)) = evidence_uploads::find_expired(&tx).await? else { return Ok(false) };
    evidence_uploads::remove(&tx, organisation_id, id).await?;
    tx.commit().await?;
    Ok(true)
}

/// Removes bytes whose leases have expired.
async fn sweep_bytes(state: &WorkerState) -> Result<(), StorageError> {
    loop {
        let tx = state.database.across_tenants(Purpose::Sweep).transaction().await?;
        let condemned = evidence_leases::condemn(&tx, LEASES_MAX).await?;
        tx.commit().await?;
        for (organisation_id, key) in &condemned {
            // Where it fails, the lease says so to a later sweep.
            if let Err(error) =
                state.evidence_store.remove_leased(&state.database, *organisation_id, key).await
            {
                // Each of the others would be waited for, and said to be there still.
                if state.evidence_store.is_silent() {
                    return Ok(());
                }
                tracing::warn!(%error, key, "bytes that nothing refers to could not be removed; a later sweep will");
            }
        }
        if condemned.len() < usize::try_from(LEASES_MAX).unwrap_or_default() {
            return Ok(());
        }
    }
}
