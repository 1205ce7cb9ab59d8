//! The demo organisation's place in the database. What is in it comes through the product's own paths.

use uuid::Uuid;

use crate::{Executor, StorageError, Transaction, sql};

/// Key of the advisory lock that lets one `firemode seed` work at a time.
const SEED_LOCK_KEY: i64 = 0x4649_5245_5345_4544;

/// Makes the organisation, unless it is there. False where it was.
///
/// # Errors
/// The database does not answer.
pub async fn add_organisation(tx: &Transaction, id: Uuid, name: &str) -> Result<bool, StorageError> {
    let added = tx
        .run(
            "insert into organisations (id, name) values ($1, $2) on conflict (id) do nothing",
            &[&id, &name],
        )
        .await?;
    Ok(added == 1)
}

/// Lets the organisation's users sign in, or keeps all of them from it. Returns how many that changed.
///
/// # Errors
/// The database does not answer.
pub async fn set_active(
    on: &impl Executor,
    organisation_id: Uuid,
    is_active: bool,
) -> Result<u64, StorageError> {
    on.run(
        "update users set is_active = $2, updated_at = now() where organisation_id = $1 and is_active <> $2",
        &[&organisation_id, &is_active],
    )
    .await
}

/// Has the database the schema that this binary knows users in?
///
/// # Errors
/// The database does not answer.
pub async fn is_migrated(on: &impl Executor) -> Result<bool, StorageError> {
    Ok(sql::one(on, "select to_regclass('users') is not null", &[]).await?.get(0))
}

/// Takes the lock of `firemode seed` until the transaction ends; false where another one has it.
///
/// # Errors
/// The database does not answer.
pub async fn try_lock_seed(tx: &Transaction) -> Result<bool, StorageError> {
    Ok(sql::one(tx, "select pg_try_advisory_xact_lock($1)", &[&SEED_LOCK_KEY]).await?.get(0))
}
