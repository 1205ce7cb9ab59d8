//! Refresh tokens: single use, in families, with reuse detected. Only their hashes are stored.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::revocations::{self, RevocationEntry};
use crate::{Executor, StorageError, Transaction, sql};

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
    /// `jti` of the access token that is given with it.
    pub access_jti: Uuid,
    /// How long that one may be used at the latest, in seconds from now.
    pub access_seconds: u32,
}

/// Stores a token, and returns the time by the database's clock.
///
/// # Errors
/// The database does not answer.
pub async fn insert(tx: &Transaction, token: &NewRefreshToken<'_>) -> Result<OffsetDateTime, StorageError> {
    let row = sql::one(
        tx,
        "insert into refresh_tokens (id, organisation_id, user_id, family_id, parent_id, token_hash, expires_at,
                                     access_jti, access_expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, clock_timestamp() + make_interval(secs => $9))
         returning clock_timestamp()",
        &[
            &token.id,
            &token.organisation_id,
            &token.user_id,
            &token.family_id,
            &token.parent_id,
            &token.token_hash,
            &token.expires_at,
            &token.access_jti,
            &f64::from(token.access_seconds),
        ],
    )
    .await?;
    Ok(row.get(0))
}

/// Whose a token is, by its hash. This and the look-up of an address are the ones without an organisation: who renews a
/// login is not known before.
///
/// # Errors
/// The database does not answer.
pub async fn organisation_of(on: &impl Executor, token_hash: &[u8]) -> Result<Option<Uuid>, StorageError> {
    let sql = "select organisation_id from refresh_tokens where token_hash = $1";
    Ok(sql::optional(on, sql, &[&token_hash]).await?.map(|row| row.get(0)))
}

/// Finds a token of an organisation by its hash and locks its family's rows' order of use: two uses of one family wait for each
/// other.
///
/// # Errors
/// The database does not answer.
pub async fn find_for_use(
    tx: &Transaction,
    organisation_id: Uuid,
    token_hash: &[u8],
) -> Result<Option<RefreshToken>, StorageError> {
    // The lock is on the family's first row, so that a token and its successor cannot be used at the same time.
    tx.rows(
        "select id from refresh_tokens
         where organisation_id = $1 and parent_id is null
           and family_id = (select family_id from refresh_tokens where organisation_id = $1 and token_hash = $2)
         for update",
        &[&organisation_id, &token_hash],
    )
    .await?;
    let row = sql::optional(
        tx,
        "select t.id, t.organisation_id, t.user_id, t.family_id, t.parent_id, t.expires_at, t.revoked_at is not null,
                exists (select from refresh_tokens s where s.organisation_id = t.organisation_id and s.parent_id = t.id
                          and s.used_at is not null)
         from refresh_tokens t where t.organisation_id = $1 and t.token_hash = $2",
        &[&organisation_id, &token_hash],
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
pub async fn mark_used(tx: &Transaction, token: &RefreshToken) -> Result<(), StorageError> {
    tx.run(
        "update refresh_tokens set used_at = coalesce(used_at, now()) where organisation_id = $1 and id = $2",
        &[&token.organisation_id, &token.id],
    )
    .await?;
    tx.run(
        "update refresh_tokens set revoked_at = now()
         where organisation_id = $1 and parent_id = $2 and id <> $3 and used_at is null and revoked_at is null",
        &[&token.organisation_id, &token.parent_id, &token.id],
    )
    .await?;
    Ok(())
}

/// Revokes every token of a family, and the access tokens that were given with them. The entries are for the list of this
/// process, once the transaction has committed.
///
/// # Errors
/// The database does not answer.
pub async fn revoke_family(
    tx: &Transaction,
    organisation_id: Uuid,
    family_id: Uuid,
) -> Result<Vec<RevocationEntry>, StorageError> {
    tx.run(
        "update refresh_tokens set revoked_at = now()
         where organisation_id = $1 and family_id = $2 and revoked_at is null",
        &[&organisation_id, &family_id],
    )
    .await?;
    revocations::revoke_family(tx, organisation_id, family_id).await
}

/// Revokes every token of a user.
///
/// # Errors
/// The database does not answer.
pub async fn revoke_user(
    tx: &Transaction,
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
pub async fn sweep(tx: &Transaction, limit: i64) -> Result<u64, StorageError> {
    let rows = tx
        .rows(
            "select id from refresh_tokens where expires_at < now() - interval '1 day' limit $1 for update skip locked",
            &[&limit],
        )
        .await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.get(0)).collect();
    tx.run("update refresh_tokens set parent_id = null where parent_id = any ($1)", &[&ids]).await?;
    tx.run("delete from refresh_tokens where id = any ($1)", &[&ids]).await
}
