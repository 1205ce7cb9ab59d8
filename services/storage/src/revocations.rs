//! The list of revoked access tokens.

use std::collections::HashSet;

use time::{Duration, OffsetDateTime};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::sql::{self, Statement, params};
use crate::{Executor, Lineage, StorageError, Transaction};

/// Entries commit out of the order of their times, so each reading goes back this far.
const OVERLAP: Duration = Duration::seconds(30);

/// One entry of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    /// One token of an organisation; a token of any other with this `jti` is not meant.
    Token {
        /// The organisation.
        organisation_id: Uuid,
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
pub struct RevocationEntry {
    /// What is revoked.
    pub revocation: Revocation,
    /// When the tokens in question have expired by themselves.
    pub expires_at: OffsetDateTime,
}

/// What one reading gave.
#[derive(Debug)]
pub struct Reading {
    /// Entries that are new since the last reading, and some that are not.
    pub entries: Vec<RevocationEntry>,
    /// Pass it to the next reading.
    pub read_up_to: ReadAt,
    /// They are all there are: the database is not the one that was read before.
    pub is_first: bool,
}

/// When the list was read, and in which history of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadAt {
    /// By the database's clock.
    pub at: OffsetDateTime,
    lineage: Lineage,
}

/// Reads what was added since `since`, or all that still matters.
///
/// # Errors
/// The database does not answer.
pub async fn read_since(on: &impl Executor, since: Option<ReadAt>) -> Result<Reading, StorageError> {
    let row = sql::one(on, "select clock_timestamp(), database_lineage()", &[]).await?;
    let read_up_to = ReadAt { at: row.get(0), lineage: Lineage::named(row.get(1)) };
    let since = since.filter(|since| since.lineage == read_up_to.lineage);
    let from = since.map(|since| since.at - OVERLAP);
    let rows = on
        .rows(
            "select jti, user_id, not_before, expires_at, organisation_id from token_revocation_list
             where ($1::timestamptz is null or revoked_at >= $1) and expires_at > now()",
            &[&from],
        )
        .await?;
    let entries = rows
        .into_iter()
        .map(|row| {
            let revocation = match (row.get(0), row.get(2)) {
                (Some(jti), _) => Revocation::Token { organisation_id: row.get(4), jti },
                (None, not_before) => Revocation::UserBefore {
                    user_id: row.get(1),
                    not_before: Option::unwrap_or(not_before, OffsetDateTime::UNIX_EPOCH),
                },
            };
            RevocationEntry { revocation, expires_at: row.get(3) }
        })
        .collect();
    Ok(Reading { entries, read_up_to, is_first: since.is_none() })
}

/// Puts one token of a user on the list.
///
/// # Errors
/// The database does not answer.
pub async fn revoke_token(
    tx: &Transaction,
    organisation_id: Uuid,
    user_id: Uuid,
    jti: Uuid,
    expires_at: OffsetDateTime,
) -> Result<RevocationEntry, StorageError> {
    put_token(tx, organisation_id, user_id, jti, (expires_at, false)).await
}

/// Puts a token on the list of which an admin knows the `jti` alone; `None` where there are `live_max` such entries.
///
/// # Errors
/// The database does not answer.
pub async fn revoke_jti(
    tx: &Transaction,
    organisation_id: Uuid,
    admin_id: Uuid,
    jti: Uuid,
    expires_at: OffsetDateTime,
    live_max: i64,
) -> Result<Option<RevocationEntry>, StorageError> {
    // One after the other, or several at once would count the same.
    tx.rows("select from organisations where id = $1 for no key update", &[&organisation_id]).await?;
    let row = sql::one(
        tx,
        "select count(*) filter (where by_jti_alone and expires_at > now()) >= $3
                and count(*) filter (where jti = $2) = 0
         from token_revocation_list where organisation_id = $1",
        &[&organisation_id, &jti, &live_max],
    )
    .await?;
    if row.get(0) {
        return Ok(None);
    }
    put_token(tx, organisation_id, admin_id, jti, (expires_at, true)).await.map(Some)
}

async fn put_token(
    tx: &Transaction,
    organisation_id: Uuid,
    user_id: Uuid,
    jti: Uuid,
    (expires_at, by_jti_alone): (OffsetDateTime, bool),
) -> Result<RevocationEntry, StorageError> {
    tx.run(
        "insert into token_revocation_list as l (id, organisation_id, user_id, jti, expires_at, by_jti_alone)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (organisation_id, jti) do update
             set revoked_at = clock_timestamp(), expires_at = greatest(l.expires_at, excluded.expires_at)",
        &[&Uuid::now_v7(), &organisation_id, &user_id, &jti, &expires_at, &by_jti_alone],
    )
    .await?;
    Ok(RevocationEntry { revocation: Revocation::Token { organisation_id, jti }, expires_at })
}

/// Puts every access token of a sign-in on the list that has not expired by itself.
///
/// # Errors
/// The database does not answer.
pub async fn revoke_family(
    tx: &Transaction,
    organisation_id: Uuid,
    family_id: Uuid,
) -> Result<Vec<RevocationEntry>, StorageError> {
    let rows = tx
        .rows(
            "insert into token_revocation_list as l (id, organisation_id, user_id, jti, expires_at)
             select gen_random_uuid(), organisation_id, user_id, access_jti, access_expires_at from refresh_tokens
             where organisation_id = $1 and family_id = $2 and access_jti is not null and access_expires_at > now()
             on conflict (organisation_id, jti) do update set expires_at = greatest(l.expires_at, excluded.expires_at)
             returning jti, expires_at",
            &[&organisation_id, &family_id],
        )
        .await?;
    let entry = |row: Row| RevocationEntry {
        revocation: Revocation::Token { organisation_id, jti: row.get(0) },
        expires_at: row.get(1),
    };
    Ok(rows.into_iter().map(entry).collect())
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

/// Finds those of these tokens that may still be used. `limit 1` makes each of them a look into an index. The organisation of
/// a user is compared in a form that no index serves, so that the index of the id is used, however the planner judges the
/// tables.
pub(crate) fn find_valid(tokens: &[TokenInUse]) -> Statement<'static> {
    let ids = |of: fn(&TokenInUse) -> Uuid| tokens.iter().map(of).collect::<Vec<_>>();
    let issued_at: Vec<OffsetDateTime> = tokens.iter().map(|token| token.issued_at).collect();
    Statement::new(
        "select t.position from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[]) with ordinality
             as t (organisation_id, user_id, jti, issued_at, position)
         cross join lateral (
             select u.is_active, u.joined_at, u.not_before from users u
             where u.id = t.user_id and u.organisation_id is not distinct from t.organisation_id limit 1
         ) u
         left join lateral (
             select l.jti from token_revocation_list l
             where l.organisation_id = t.organisation_id and l.jti = t.jti limit 1
         ) l on true
         where u.is_active and u.joined_at is not null and (u.not_before is null or u.not_before < t.issued_at)
           and l.jti is null",
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
