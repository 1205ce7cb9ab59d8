//! Leases of stored bytes that no other row refers to (yet): without them nobody would know what a crash left behind.
//!
//! A lease is there before the bytes are. The request that makes something of the bytes [`claim`]s them in the transaction that refers
//! to them; the sweeper [`condemn`]s what has expired before it removes it. Both change the lease's row, so one of them
//! finds that the other was first.

use uuid::Uuid;

use crate::{Database, Executor, StorageError, Transaction};

/// How long a sweeper may take over the bytes of one lease before another one tries.
const CONDEMNED_SECONDS_MAX: f64 = 600.0;

/// Notes that bytes are about to come under a key.
///
/// # Errors
/// The database does not answer.
pub async fn begin(
    on: &impl Executor,
    organisation_id: Uuid,
    storage_key: &str,
    hours: u32,
) -> Result<(), StorageError> {
    on.run(
        "insert into evidence_leases (organisation_id, storage_key, expires_at)
         values ($1, $2, now() + make_interval(hours => $3))",
        &[&organisation_id, &storage_key, &i32::try_from(hours).unwrap_or(i32::MAX)],
    )
    .await?;
    Ok(())
}

/// Takes the bytes over for a row of this transaction. False where they are about to be removed.
///
/// # Errors
/// The database does not answer.
pub async fn claim(tx: &Transaction, organisation_id: Uuid, storage_key: &str) -> Result<bool, StorageError> {
    let claimed = tx
        .run(
            "delete from evidence_leases where organisation_id = $1 and storage_key = $2 and condemned_at is null",
            &[&organisation_id, &storage_key],
        )
        .await?;
    Ok(claimed == 1)
}

/// Gives bytes that rows of this transaction referred to until now to the sweeper.
///
/// # Errors
/// The database does not answer.
pub async fn give_up(
    tx: &Transaction,
    organisation_id: Uuid,
    storage_keys: &[String],
) -> Result<(), StorageError> {
    tx.run(
        "insert into evidence_leases (organisation_id, storage_key, expires_at) select $1, unnest($2::text[]), now()",
        &[&organisation_id, &storage_keys],
    )
    .await?;
    Ok(())
}

/// Forgets a lease whose bytes are gone.
///
/// # Errors
/// The database does not answer.
pub async fn end(database: &Database, organisation_id: Uuid, storage_key: &str) -> Result<(), StorageError> {
    let tx = database.tenant(organisation_id).transaction().await?;
    tx.run(
        "delete from evidence_leases where organisation_id = $1 and storage_key = $2",
        &[&organisation_id, &storage_key],
    )
    .await?;
    tx.commit().await
}

/// Takes some leases that have expired, of all tenants, so that nobody can claim them any more. Several instances may do so
/// at once; each lease goes to one of them.
///
/// # Errors
/// The database does not answer.
pub async fn condemn(on: &impl Executor, limit: i64) -> Result<Vec<(Uuid, String)>, StorageError> {
    let rows = on
        .rows(
            "update evidence_leases set condemned_at = now() where storage_key in
                 (select storage_key from evidence_leases
                  where expires_at <= now()
                    and (condemned_at is null or condemned_at < now() - make_interval(secs => $1))
                  order by expires_at limit $2 for update skip locked)
             returning organisation_id, storage_key",
            &[&CONDEMNED_SECONDS_MAX, &limit],
        )
        .await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}
