//! Bytes on their way in and out of the store, with the leases that tell the sweeper of them.

use std::time::Duration;

use actix_web::web;
use firemode_storage::evidence_store::{EvidenceStore, Upload};
use firemode_storage::{Purpose, StorageError, Transaction, evidence_leases, evidence_uploads};
use firemode_web::Problem;
use uuid::Uuid;

use crate::state::State;

/// The sweeper rests so long between its rounds.
const PAUSE: Duration = Duration::from_secs(600);

/// Leases that are taken at once.
const LEASES_MAX: i64 = 100;

/// Begins an upload under a new key.
pub(crate) async fn begin(state: &State, organisation_id: Uuid) -> Result<Upload, Problem> {
    let key = EvidenceStore::new_key(organisation_id);
    let tx = state.database.tenant(organisation_id).transaction().await?;
    evidence_leases::begin(&tx, organisation_id, &key, state.settings.evidence.upload_hours_max).await?;
    tx.commit().await?;
    Ok(state.evidence_store.begin_at(key)?)
}

/// Takes bytes over for a row of this transaction.
pub(crate) async fn claim(tx: &Transaction, organisation_id: Uuid, key: &str) -> Result<(), Problem> {
    if evidence_leases::claim(tx, organisation_id, key).await? {
        return Ok(());
    }
    Err(Problem::unavailable("The upload took so long that its bytes were given up. Send it again."))
}

/// Gives up bytes that were received. That this fails is no reason to answer anything else: nothing refers to them, and the
/// sweeper comes.
pub(crate) async fn discard(state: &State, organisation_id: Uuid, upload: Upload) {
    let key = upload.key().to_owned();
    let aborted = async {
        upload.abort().await?;
        end_lease(state, organisation_id, &key).await
    };
    if let Err(error) = aborted.await {
        tracing::warn!(%error, key, "an upload that was given up could not be removed; the sweeper will");
    }
}

/// Removes stored bytes that are known to be unreferenced. Where it fails, the sweeper does it.
pub(crate) async fn remove(state: &State, organisation_id: Uuid, keys: &[String]) {
    for key in keys {
        let removed = async {
            state.evidence_store.remove(key).await?;
            end_lease(state, organisation_id, key).await
        };
        if let Err(error) = removed.await {
            tracing::warn!(%error, key, "bytes that nothing refers to could not be removed; the sweeper will");
        }
    }
}

async fn end_lease(state: &State, organisation_id: Uuid, key: &str) -> Result<(), StorageError> {
    let tx = state.database.tenant(organisation_id).transaction().await?;
    evidence_leases::end(&tx, organisation_id, key).await?;
    tx.commit().await
}

/// Removes what crashes and expired uploads left, at the start and now and then. Several instances may do so at once.
pub(crate) async fn sweep_now_and_then(state: web::Data<State>) {
    loop {
        if let Err(error) = sweep(&state).await {
            tracing::warn!(%error, "unreferenced bytes were not removed; the next sweep tries again");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn sweep(state: &State) -> Result<(), StorageError> {
    while expire_one(state).await? {}
    loop {
        let tx = state.database.across_tenants(Purpose::Sweep).transaction().await?;
        let condemned = evidence_leases::condemn(&tx, LEASES_MAX).await?;
        tx.commit().await?;
        for (organisation_id, key) in &condemned {
            remove(state, *organisation_id, std::slice::from_ref(key)).await;
        }
        if condemned.len() < usize::try_from(LEASES_MAX).unwrap_or_default() {
            return Ok(());
        }
    }
}

/// Gives up the parts of one resumable upload that has expired. False where there is none.
async fn expire_one(state: &State) -> Result<bool, StorageError> {
    let tx = state.database.across_tenants(Purpose::Sweep).transaction().await?;
    let Some((organisation_id, id)) = evidence_uploads::find_expired(&tx).await? else { return Ok(false) };
    evidence_uploads::remove(&tx, organisation_id, id).await?;
    tx.commit().await?;
    Ok(true)
}
