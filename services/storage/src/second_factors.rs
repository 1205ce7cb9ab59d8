//! Second factors: the secret of an authenticator app, and recovery codes for the day on which it is lost.

use uuid::Uuid;

use crate::{Executor as _, StorageError, Transaction, sql};

/// A user's authenticator as stored.
#[derive(Debug, Clone)]
pub struct TotpFactor {
    /// Fernet token of the secret, in base32.
    pub secret_encrypted: Vec<u8>,
    /// The last time step whose code was taken.
    pub last_step: i64,
    /// A first code has shown that the device has the secret.
    pub is_confirmed: bool,
}

/// A user's authenticator, held until the transaction ends, so that a code is taken once.
///
/// # Errors
/// The database does not answer.
pub async fn find_for_use(
    tx: &Transaction,
    organisation_id: Uuid,
    user_id: Uuid,
) -> Result<Option<TotpFactor>, StorageError> {
    let sql = "select secret_encrypted, last_step, confirmed_at is not null from totp_factors
               where organisation_id = $1 and user_id = $2 for update";
    let row = sql::optional(tx, sql, &[&organisation_id, &user_id]).await?;
    Ok(row.map(|row| TotpFactor {
        secret_encrypted: row.get(0),
        last_step: row.get(1),
        is_confirmed: row.get(2),
    }))
}

/// Keeps a new secret that is not confirmed yet. False where there is a confirmed one, which stays.
///
/// # Errors
/// The database does not answer.
pub async fn begin(
    tx: &Transaction,
    organisation_id: Uuid,
    user_id: Uuid,
    secret_encrypted: &[u8],
) -> Result<bool, StorageError> {
    let changed = tx
        .run(
            "insert into totp_factors (id, organisation_id, user_id, secret_encrypted) values ($4, $1, $2, $3)
             on conflict (organisation_id, user_id) do update
                 set secret_encrypted = excluded.secret_encrypted, last_step = 0, created_at = now()
                 where totp_factors.confirmed_at is null",
            &[&organisation_id, &user_id, &secret_encrypted, &Uuid::now_v7()],
        )
        .await?;
    Ok(changed == 1)
}

/// Notes a step whose code was taken; the first one confirms the secret.
///
/// # Errors
/// The database does not answer.
pub async fn take_step(
    tx: &Transaction,
    organisation_id: Uuid,
    user_id: Uuid,
    step: i64,
) -> Result<(), StorageError> {
    tx.run(
        "update totp_factors set last_step = $3, confirmed_at = coalesce(confirmed_at, now())
         where organisation_id = $1 and user_id = $2",
        &[&organisation_id, &user_id, &step],
    )
    .await?;
    Ok(())
}

/// Removes the authenticator and the recovery codes. False where there was none.
///
/// # Errors
/// The database does not answer.
pub async fn remove(tx: &Transaction, organisation_id: Uuid, user_id: Uuid) -> Result<bool, StorageError> {
    let sql = "delete from totp_factors where organisation_id = $1 and user_id = $2";
    Ok(tx.run(sql, &[&organisation_id, &user_id]).await? == 1)
}

/// Puts recovery codes in the place of those that were there.
///
/// # Errors
/// The database does not answer.
pub async fn set_recovery_codes(
    tx: &Transaction,
    organisation_id: Uuid,
    user_id: Uuid,
    hashes: &[&[u8]],
) -> Result<(), StorageError> {
    let delete = "delete from recovery_codes where organisation_id = $1 and user_id = $2";
    tx.run(delete, &[&organisation_id, &user_id]).await?;
    let insert =
        "insert into recovery_codes (organisation_id, user_id, code_hash) select $1, $2, unnest($3::bytea[])";
    tx.run(insert, &[&organisation_id, &user_id, &hashes]).await?;
    Ok(())
}

/// Uses a recovery code up. False where it is not one, or was used before.
///
/// # Errors
/// The database does not answer.
pub async fn take_recovery_code(
    tx: &Transaction,
    organisation_id: Uuid,
    user_id: Uuid,
    hash: &[u8],
) -> Result<bool, StorageError> {
    let sql = "update recovery_codes set used_at = now()
               where organisation_id = $1 and user_id = $2 and code_hash = $3 and used_at is null";
    Ok(tx.run(sql, &[&organisation_id, &user_id, &hash]).await? == 1)
}
