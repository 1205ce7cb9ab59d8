//! Bytes on their way in and out of the store, with the leases by which the sweeper finds them.

use firemode_storage::evidence_store::{EvidenceStore, Upload};
use firemode_storage::{Transaction, evidence_leases};
use firemode_web::Problem;
use uuid::Uuid;

use crate::principal::Principal;
use crate::state::IngestState;

/// Takes memory for the bytes of one request that are on their way to the store, once for all of its parts.
pub(crate) async fn make_room(state: &IngestState, principal: &Principal) -> Result<(), Problem> {
    match &principal.place {
        Some(place) => place.reserve(place.announced_bytes().min(state.evidence_store.part_bytes())).await,
        None => Ok(()),
    }
}

/// Begins an upload under a new key.
pub(crate) async fn begin(state: &IngestState, organisation_id: Uuid) -> Result<Upload, Problem> {
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
pub(crate) async fn discard(state: &IngestState, organisation_id: Uuid, upload: Upload) {
    let key = upload.key().to_owned();
    let aborted = async {
        upload.abort().await?;
        evidence_leases::end(&state.database, organisation_id, &key).await
    };
    if let Err(error) = aborted.await {
        tracing::warn!(%error, key, "an upload that was given up could not be removed; the sweeper will");
    }
}

/// Removes stored bytes that are known to be unreferenced. Where it fails, the sweeper does it.
pub(crate) async fn remove(state: &IngestState, organisation_id: Uuid, keys: &[String]) {
    for key in keys {
        let removed = state.evidence_store.remove_leased(&state.database, organisation_id, key).await;
        if let Err(error) = removed {
            tracing::warn!(%error, key, "bytes that nothing refers to could not be removed; the sweeper will");
        }
    }
}
