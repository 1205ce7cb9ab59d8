//! Keys whose first request is still running and outlasts a transaction, known to every instance.
//!
//! That a request acts once does not rest on a lease: key, effect and answer commit in one transaction ([`crate::idempotency`]). So a lease
//! may be lost with the database, and its transactions do not wait for the disk.

use uuid::Uuid;

use crate::idempotency::{self, IdempotencyScope, KeyClaim};
use crate::{Executor as _, StorageError, Transaction};

/// Takes the lease of a key for a request, unless another one has it or the key was answered before.
///
/// # Errors
/// The database does not answer.
pub async fn take(
    tx: &Transaction,
    scope: &IdempotencyScope,
    holder_id: Uuid,
    seconds: u32,
) -> Result<KeyClaim, StorageError> {
    tx.without_the_disk().await?;
    let taken = tx
        .run(
            "insert into idempotency_leases as l
                 (organisation_id, user_id, method, path, key, holder_id, expires_at)
             values ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7))
             on conflict (organisation_id, user_id, method, path, key) do update
                 set holder_id = excluded.holder_id, expires_at = excluded.expires_at
                 where l.expires_at <= now()",
            &[
                &scope.organisation_id,
                &scope.user_id,
                &scope.method,
                &scope.path,
                &scope.key,
                &holder_id,
                &f64::from(seconds),
            ],
        )
        .await?;
    if taken == 0 {
        return Ok(KeyClaim::InProgress);
    }
    // Its snapshot is later than the lease, and so sees what the last holder committed before it let go.
    let answered = idempotency::find_one(tx, scope).await?;
    Ok(answered.map_or(KeyClaim::New, KeyClaim::Answered))
}

/// Goes on holding a lease. False where another request has it by now.
///
/// # Errors
/// The database does not answer.
pub async fn renew(
    tx: &Transaction,
    scope: &IdempotencyScope,
    holder_id: Uuid,
    seconds: u32,
) -> Result<bool, StorageError> {
    tx.without_the_disk().await?;
    let renewed = tx
        .run(
            "update idempotency_leases set expires_at = now() + make_interval(secs => $7)
             where organisation_id = $1 and user_id = $2 and method = $3 and path = $4 and key = $5 and holder_id = $6",
            &[
                &scope.organisation_id,
                &scope.user_id,
                &scope.method,
                &scope.path,
                &scope.key,
                &holder_id,
                &f64::from(seconds),
            ],
        )
        .await?;
    Ok(renewed == 1)
}

/// Lets a key go.
///
/// # Errors
/// The database does not answer.
pub async fn release(
    tx: &Transaction,
    scope: &IdempotencyScope,
    holder_id: Uuid,
) -> Result<(), StorageError> {
    tx.without_the_disk().await?;
    tx.run(
        "delete from idempotency_leases
         where organisation_id = $1 and user_id = $2 and method = $3 and path = $4 and key = $5 and holder_id = $6",
        &[&scope.organisation_id, &scope.user_id, &scope.method, &scope.path, &scope.key, &holder_id],
    )
    .await?;
    Ok(())
}

/// Removes leases that have expired, at most `limit` of them.
///
/// # Errors
/// The database does not answer.
pub async fn sweep(tx: &Transaction, limit: i64) -> Result<u64, StorageError> {
    tx.run(
        "delete from idempotency_leases where ctid in
             (select ctid from idempotency_leases where expires_at < now() limit $1 for update skip locked)",
        &[&limit],
    )
    .await
}
