//! Defects: worked out from what was observed, what passed and what people did. Whoever adds a fact about a thing takes the thing's lock
//! first, and folds its facts again in the same transaction ([`refold`]).

pub mod acts;
mod facts;
pub mod history;
mod known;
pub mod observations;
pub mod read;
mod versions;
pub mod withdrawal;

use std::collections::BTreeSet;

use firemode_domain::defect;
use sha2::{Digest, Sha256};
use uuid::Uuid;

pub(crate) use self::known::{KNOWN_NOW, KNOWN_THEN};
pub(crate) use self::versions::instant;
use crate::{Executor as _, StorageError, Transaction};

/// The locks of an organisation's things: a transaction that is about very many of them takes no more than these.
const LOCKS: u8 = 64;

/// Waits until nobody else adds facts about a thing, and keeps it until the transaction ends. It comes before anything that others may wait
/// for.
///
/// # Errors
/// The database does not answer.
pub async fn lock_subject(
    tx: &Transaction,
    organisation_id: Uuid,
    subject_id: Uuid,
) -> Result<(), StorageError> {
    lock_subjects(tx, organisation_id, &BTreeSet::from([subject_id])).await
}

/// The same for several things, all at once and in one order, so that nobody waits in a circle.
pub(crate) async fn lock_subjects(
    tx: &Transaction,
    organisation_id: Uuid,
    subjects: &BTreeSet<Uuid>,
) -> Result<(), StorageError> {
    let keys: BTreeSet<i64> = subjects.iter().map(|subject| lock_key(organisation_id, *subject)).collect();
    let keys: Vec<i64> = keys.into_iter().collect();
    tx.rows("select count(pg_advisory_xact_lock(key)) from unnest($1::int8[]) as key", &[&keys]).await?;
    Ok(())
}

fn lock_key(organisation_id: Uuid, subject_id: Uuid) -> i64 {
    let hash = |bytes: &[u8]| Sha256::new_with_prefix("the facts of a thing").chain_update(bytes).finalize();
    let lock = hash(subject_id.as_bytes())[0] % LOCKS;
    let mut first = [0; 8];
    first.copy_from_slice(&hash(organisation_id.as_bytes())[..8]);
    first[7] = lock;
    i64::from_be_bytes(first)
}

/// Works the defects of a thing out of all its facts, and writes what differs from what is stored. The caller holds the thing's lock.
///
/// # Errors
/// The database does not answer, or a fact does not read as what was written.
pub async fn refold(tx: &Transaction, organisation_id: Uuid, subject_id: Uuid) -> Result<(), StorageError> {
    refold_all(tx, organisation_id, &BTreeSet::from([subject_id])).await?;
    Ok(())
}

/// The same of several things. Gives how many versions differed.
pub(crate) async fn refold_all(
    tx: &Transaction,
    organisation_id: Uuid,
    subjects: &BTreeSet<Uuid>,
) -> Result<u64, StorageError> {
    if subjects.is_empty() {
        return Ok(0);
    }
    let facts = facts::read(tx, organisation_id, subjects).await?;
    let fold = move || {
        let defects = |facts: &defect::SubjectFacts| (facts.subject_id, defect::fold(facts));
        facts.iter().map(defects).collect::<Vec<_>>()
    };
    let folded = tokio::task::spawn_blocking(fold).await;
    let folded = folded.map_err(|error| StorageError::Damaged(format!("the facts of a defect: {error}")))?;
    versions::write(tx, organisation_id, subjects, folded).await
}
