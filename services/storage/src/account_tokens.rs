//! One-time tokens that an admin hands to a user: invitations and password resets. Only their hashes are stored.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Executor, StorageError, Transaction, sql};

/// What a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// Choosing a first password.
    Invitation,
    /// Choosing a new password in the place of one that is lost.
    PasswordReset,
}

/// A token to be stored.
#[derive(Debug)]
pub struct NewAccountToken<'a> {
    /// The organisation.
    pub organisation_id: Uuid,
    /// Who may use it.
    pub user_id: Uuid,
    /// What for.
    pub kind: TokenKind,
    /// SHA-256 of the token.
    pub token_hash: &'a [u8],
    /// The admin who hands it over.
    pub created_by: Uuid,
    /// When it stops working.
    pub expires_at: OffsetDateTime,
}

impl TokenKind {
    /// The name that is stored.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Invitation => "invitation",
            Self::PasswordReset => "password_reset",
        }
    }
}

/// Stores a token; it takes the place of the user's last one for the same purpose.
///
/// # Errors
/// The database does not answer.
pub async fn put(tx: &Transaction, token: &NewAccountToken<'_>) -> Result<(), StorageError> {
    tx.run(
        "insert into account_tokens (id, organisation_id, user_id, purpose, token_hash, created_by, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (organisation_id, user_id, purpose) do update
             set id = excluded.id, token_hash = excluded.token_hash, created_by = excluded.created_by,
                 created_at = now(), expires_at = excluded.expires_at",
        &[
            &Uuid::now_v7(),
            &token.organisation_id,
            &token.user_id,
            &token.kind.as_str(),
            &token.token_hash,
            &token.created_by,
            &token.expires_at,
        ],
    )
    .await?;
    Ok(())
}

/// The organisation and the user of a token that has not expired. Its holder is not known before.
///
/// # Errors
/// The database does not answer.
pub async fn owner_of(
    on: &impl Executor,
    kind: TokenKind,
    token_hash: &[u8],
) -> Result<Option<(Uuid, Uuid)>, StorageError> {
    let sql = "select organisation_id, user_id from account_tokens
               where token_hash = $1 and purpose = $2 and expires_at > now()";
    let row = sql::optional(on, sql, &[&token_hash, &kind.as_str()]).await?;
    Ok(row.map(|row| (row.get(0), row.get(1))))
}

/// Uses a token up. False where it has expired, was used before or was replaced; of two uses at once, one gets it.
///
/// # Errors
/// The database does not answer.
pub async fn take(
    tx: &Transaction,
    organisation_id: Uuid,
    kind: TokenKind,
    token_hash: &[u8],
) -> Result<bool, StorageError> {
    let sql = "delete from account_tokens
               where organisation_id = $1 and token_hash = $2 and purpose = $3 and expires_at > now()";
    Ok(tx.run(sql, &[&organisation_id, &token_hash, &kind.as_str()]).await? == 1)
}

/// Ends every token of a user. Returns how many there were.
///
/// # Errors
/// The database does not answer.
pub async fn withdraw_all(
    tx: &Transaction,
    organisation_id: Uuid,
    user_id: Uuid,
) -> Result<u64, StorageError> {
    let sql = "delete from account_tokens where organisation_id = $1 and user_id = $2";
    tx.run(sql, &[&organisation_id, &user_id]).await
}

/// Removes tokens that have expired, at most `limit` of them.
///
/// # Errors
/// The database does not answer.
pub async fn sweep(tx: &Transaction, limit: i64) -> Result<u64, StorageError> {
    tx.run(
        "delete from account_tokens where id in
             (select id from account_tokens where expires_at < now() - interval '1 day' limit $1)",
        &[&limit],
    )
    .await
}
