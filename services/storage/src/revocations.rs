//! The list of revoked access tokens.

use std::collections::HashSet;

use time::{Duration, OffsetDateTime};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::sql::{self, Statement, params};
use crate::{Executor, StorageError, Transaction};

/// Entries commit out of the order of their times, so each reading goes back this far.
const OVERLAP: Duration = Duration::seconds(30);

/// One entry of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    /// One token of a user; a token of anybody else with this `jti` is not meant.
    Token {
        /// The user.
        user_id: Uuid,
        /// The token's `jti`.
        jti: Uuid,
    },
    /// Every token that the user was given before a moment.
    UserBefore {
        /// The user.
        user_id: Uuid,
        /// Tokens issued at or before this time are refused.
        not_before: OffsetDateTime,
    },
}

/// An entry with the time after which it no longer matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// What is revoked.
    pub revocation: Revocation,
    /// When the tokens in question have expired by themselves.
    pub expires_at: OffsetDateTime,
}

/// What one reading gave.
#[derive(Debug)]
pub struct Reading {
    /// Entries that are new since the last reading, and some that are not.
    pub entries: Vec<Entry>,
    /// Pass it to the next reading.
    pub read_at: OffsetDateTime,
}

/// Reads what was added since `since`, or all that still matters.
///
/// # Errors
/// The database does not answer.
pub async fn read_since(on: &impl Executor, since: Option<OffsetDateTime>) -> Result<Reading, StorageError> {
    let from = since.map(|time| time - OVERLAP);
    let now: OffsetDateTime = sql::one(on, "select clock_timestamp()", &[]).await?.get(0);
    let rows = on
        .rows(
            "select jti, user_id, not_before, expires_at from token_revocation_list
             where ($1::timestamptz is null or revoked_at >= $1) and expires_at > now()",
            &[&from],
        )
        .await?;
    let entries = rows
        .into_iter()
        .map(|row| {
            let revocation = match (row.get(0), row.get(2)) {
                (Some(jti), _) => Revocation::Token { user_id: row.get(1), jti },
                (None, not_before) => Revocation::UserBefore {
                    user_id: row.get(1),
                    not_before: Option::unwrap_or(not_before, OffsetDateTime::UNIX_EPOCH),
                },
            };
            Entry { revocation, expires_at: row.get(3) }
        })
        .collect();
    Ok(Reading { entries, read_at: now })
}

/// Puts one token on the list.
///
/// # Errors
/// The database does not answer.
pub async fn revoke_token(
    tx: &Transaction,
    organisation_id: Uuid,
    user_id: Uuid,
    jti: Uuid,
    expires_at: OffsetDateTime,
) -> Result<(), StorageError> {
    tx.run(
        "insert into token_revocation_list (id, organisation_id, user_id, jti, expires_at)
         values ($1, $2, $3, $4, $5) on conflict (user_id, jti) do nothing",
        &[&Uuid::now_v7(), &organisation_id, &user_id, &jti, &expires_at],
    )
    .await?;
    Ok(())
}

/// Refuses every token that the user was given up to now, and returns that moment.
///
/// # Errors
/// The database does not answer.
pub async fn revoke_user(
    tx: &Transaction,
    organisation_id: Uuid,
    user_id: Uuid,
    expires_at: OffsetDateTime,
) -> Result<OffsetDateTime, StorageError> {
    let row = sql::one(
        tx,
        "update users set not_before = clock_timestamp(), updated_at = now()
         where organisation_id = $1 and id = $2 returning not_before",
        &[&organisation_id, &user_id],
    )
    .await?;
    let not_before: OffsetDateTime = row.get(0);
    tx.run(
        "insert into token_revocation_list (id, organisation_id, user_id, not_before, expires_at)
         values ($1, $2, $3, $4, $5)",
        &[&Uuid::now_v7(), &organisation_id, &user_id, &not_before, &expires_at],
    )
    .await?;
    Ok(not_before)
}

/// An access token in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenInUse {
    /// The tenant.
    pub organisation_id: Uuid,
    /// Whose it is.
    pub user_id: Uuid,
    /// The token's `jti`.
    pub jti: Uuid,
    /// When it was made.
    pub issued_at: OffsetDateTime,
}

/// May this token still be used? Asked of the database itself.
///
/// # Errors
/// The database does not answer.
pub async fn is_valid(
    on: &impl Executor,
    organisation_id: Uuid,
    user_id: Uuid,
    jti: Uuid,
    issued_at: OffsetDateTime,
) -> Result<bool, StorageError> {
    let token = TokenInUse { organisation_id, user_id, jti, issued_at };
    Ok(!valid_of(on, [token]).await?.is_empty())
}

/// Which of these tokens may still be used? Asked of the database itself, inside the transaction that relies on it.
///
/// # Errors
/// The database does not answer.
pub async fn valid_of(
    on: &impl Executor,
    tokens: impl IntoIterator<Item = TokenInUse>,
) -> Result<HashSet<TokenInUse>, StorageError> {
    let tokens: Vec<TokenInUse> = tokens.into_iter().collect::<HashSet<_>>().into_iter().collect();
    Ok(valid(&tokens, &find_valid(&tokens).rows(on).await?))
}

/// Finds those of these tokens that may still be used.
pub(crate) fn find_valid(tokens: &[TokenInUse]) -> Statement<'static> {
    let ids = |of: fn(&TokenInUse) -> Uuid| tokens.iter().map(of).collect::<Vec<_>>();
    let issued_at: Vec<OffsetDateTime> = tokens.iter().map(|token| token.issued_at).collect();
    Statement::new(
        "select t.position from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[]) with ordinality
             as t (organisation_id, user_id, jti, issued_at, position)
         where exists (select from users u where u.organisation_id = t.organisation_id and u.id = t.user_id
                         and u.is_active and (u.not_before is null or u.not_before < t.issued_at))
           and not exists (select from token_revocation_list l where l.organisation_id = t.organisation_id
                             and l.user_id = t.user_id and l.jti = t.jti)",
        params![
            ids(|token| token.organisation_id),
            ids(|token| token.user_id),
            ids(|token| token.jti),
            issued_at
        ],
    )
}

/// What [`find_valid`] says of these tokens.
pub(crate) fn valid(tokens: &[TokenInUse], rows: &[Row]) -> HashSet<TokenInUse> {
    rows.iter().filter_map(|row| tokens.get(sql::place(row.get(0)))).copied().collect()
}

/// Removes entries whose tokens have expired by themselves, at most `limit` of them.
///
/// # Errors
/// The database does not answer.
pub async fn sweep(tx: &Transaction, limit: i64) -> Result<u64, StorageError> {
    tx.run(
        "delete from token_revocation_list where id in
             (select id from token_revocation_list where expires_at < now() - interval '1 hour' limit $1)",
        &[&limit],
    )
    .await
}
