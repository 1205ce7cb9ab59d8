//! Refresh tokens: single use, in families, with reuse detected. Only their hashes are stored.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Executor as _, StorageError, Transaction, sql};

/// A refresh token as stored.
#[derive(Debug, Clone)]
pub struct RefreshToken {
    /// The token's id.
    pub id: Uuid,
    /// The organisation.
    pub organisation_id: Uuid,
    /// Whose it is.
    pub user_id: Uuid,
    /// All tokens that came from one login.
    pub family_id: Uuid,
    /// The token that it was exchanged for.
    pub parent_id: Option<Uuid>,
    /// When it stops working.
    pub expires_at: OffsetDateTime,
    /// Set when the token or its family was revoked.
    pub revoked: bool,
    /// A token that was made from this one has been used: using this one again is reuse.
    pub successor_used: bool,
}

/// A refresh token to be stored.
#[derive(Debug)]
pub struct NewRefreshToken<'a> {
    /// The new id.
    pub id: Uuid,
    /// The organisation.
    pub organisation_id: Uuid,
    /// Whose it is.
    pub user_id: Uuid,
    /// The family; a login begins a new one.
    pub family_id: Uuid,
    /// The token that it is exchanged for.
    pub parent_id: Option<Uuid>,
    /// SHA-256 of the token.
    pub token_hash: &'a [u8],
    /// When it stops working.
    pub expires_at: OffsetDateTime,
}

/// Stores a token.
///
/// # Errors
/// The database does not answer.
pub async fn insert(tx: &Transaction<'_>, token: &NewRefreshToken<'_>) -> Result<(), StorageError> {
    tx.run(
        "insert into refresh_tokens (id, organisation_id, user_id, family_id, parent_id, token_hash, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
        &[
            &token.id,
            &token.organisation_id,
            &token.user_id,
            &token.family_id,
            &token.parent_id,
            &token.token_hash,
            &token.expires_at,
        ],
    )
    .await?;
    Ok(())
}

/// Finds a token by its hash and locks its family's rows' order of use: two uses of one family wait for each other.
///
/// # Errors
/// The database does not answer.
pub async fn find_for_use(
    tx: &Transaction<'_>,
    token_hash: &[u8],
) -> Result<Option<RefreshToken>, StorageError> {
    // The lock is on the family's first row, so that a token and its successor cannot be used at the same time.
    tx.rows(
        "select id from refresh_tokens
         where family_id = (select family_id from refresh_tokens where token_hash = $1) and parent_id is null
         for update",
        &[&token_hash],
    )
    .await?;
    let row = sql::optional(
        tx,
        "select t.id, t.organisation_id, t.user_id, t.family_id, t.parent_id, t.expires_at, t.revoked_at is not null,
                exists (select from refresh_tokens s where s.parent_id = t.id and s.used_at is not null)
         from refresh_tokens t where t.token_hash = $1",
        &[&token_hash],
    )
    .await?;
    Ok(row.map(|row| RefreshToken {
        id: row.get(0),
        organisation_id: row.get(1),
        user_id: row.get(2),
        family_id: row.get(3),
        parent_id: row.get(4),
        expires_at: row.get(5),
        revoked: row.get(6),
        successor_used: row.get(7),
    }))
}

/// Marks a token as used and revokes its unused siblings: they were answers that never arrived.
///
/// # Errors
/// The database does not answer.
pub async fn mark_used(tx: &Transaction<'_>, token: &RefreshToken) -> Result<(), StorageError> {
    tx.run("update refresh_tokens set used_at = coalesce(used_at, now()) where id = $1", &[&token.id])
        .await?;
    tx.run(
        "update refresh_tokens set revoked_at = now()
         where parent_id = $1 and id <> $2 and used_at is null and revoked_at is null",
        &[&token.parent_id, &token.id],
    )
    .await?;
    Ok(())
}

/// Revokes every token of a family.
///
/// # Errors
/// The database does not answer.
pub async fn revoke_family(
    tx: &Transaction<'_>,
    organisation_id: Uuid,
    family_id: Uuid,
) -> Result<u64, StorageError> {
    tx.run(
        "update refresh_tokens set revoked_at = now()
         where organisation_id = $1 and family_id = $2 and revoked_at is null",
        &[&organisation_id, &family_id],
    )
    .await
}

/// Revokes every token of a user.
///
/// # Errors
/// The database does not answer.
pub async fn revoke_user(
    tx: &Transaction<'_>,
    organisation_id: Uuid,
    user_id: Uuid,
) -> Result<u64, StorageError> {
    tx.run(
        "update refresh_tokens set revoked_at = now()
         where organisation_id = $1 and user_id = $2 and revoked_at is null",
        &[&organisation_id, &user_id],
    )
    .await
}

/// Removes tokens that have expired, at most `limit` of them.
///
/// # Errors
/// The database does not answer.
pub async fn sweep(on: &impl crate::Executor, limit: i64) -> Result<u64, StorageError> {
    on.run(
        "delete from refresh_tokens where id in
             (select id from refresh_tokens where expires_at < now() - interval '1 day' limit $1)",
        &[&limit],
    )
    .await
}
