//! Answers that are given again to the same request.
//!
//! The key, the effect and the answer commit in one transaction, so that none of them can exist without the others.

use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

use crate::sql::{self, Statement, params};
use crate::users::erased_address;
use crate::{Executor as _, StorageError, Transaction};

/// What a key is good for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyScope {
    /// The tenant.
    pub organisation_id: Uuid,
    /// The user.
    pub user_id: Uuid,
    /// The method.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The client's key.
    pub key: String,
}

/// A stored answer.
#[derive(Debug, Clone)]
pub struct StoredAnswer {
    /// SHA-256 over the request that it answers.
    pub fingerprint: Vec<u8>,
    /// The answer's status.
    pub status: u16,
    /// The answer's body.
    pub answer: Box<RawValue>,
}

/// What is known of a key.
#[derive(Debug)]
pub enum KeyClaim {
    /// Nothing: the caller may act, and holds the key until its transaction ends.
    New,
    /// It was answered before.
    Answered(StoredAnswer),
    /// Another request with it is running, here or on another instance.
    InProgress,
}

/// Takes a user's address out of the answer to the invitation, where that is still kept.
///
/// # Errors
/// The database does not answer.
pub async fn forget_address(
    tx: &Transaction,
    organisation_id: Uuid,
    user_id: Uuid,
) -> Result<(), StorageError> {
    tx.run(
        "update idempotency_keys set answer = jsonb_set(answer::jsonb, '{email}', to_jsonb($3::text))::json
         where organisation_id = $1 and method = 'POST' and path = '/v1/users' and answer ->> 'id' = $2",
        &[&organisation_id, &user_id.to_string(), &erased_address(user_id)],
    )
    .await?;
    Ok(())
}

/// Claims a key for this transaction.
///
/// # Errors
/// The database does not answer.
pub async fn claim(tx: &Transaction, scope: &IdempotencyScope) -> Result<KeyClaim, StorageError> {
    let [locked, found] = tx.pipeline([lock(&[scope]), find(&[scope])]).await?;
    let claim = claims(1, &locked, &found).pop();
    claim.ok_or_else(|| StorageError::Damaged("a claim gave no answer".to_owned()))
}

/// Locks the keys that nobody works on. Waiting on the unique index instead would hold the caller up for as long as the other
/// request runs.
pub(crate) fn lock(scopes: &[&IdempotencyScope]) -> Statement<'static> {
    let keys: Vec<i64> = scopes.iter().map(|scope| scope.lock_key()).collect();
    Statement::new(
        "select k.position, pg_try_advisory_xact_lock(k.key)
         from unnest($1::int8[]) with ordinality as k (key, position)",
        params![keys],
    )
}

/// What [`lock`] and, after it, [`find`] say of so many keys. They are two statements, so that the snapshot of the second is later
/// than the lock and sees what the lock's last owner committed.
pub(crate) fn claims(count: usize, locked: &[Row], found: &[Row]) -> Vec<KeyClaim> {
    let mut claims: Vec<KeyClaim> = (0..count).map(|_| KeyClaim::InProgress).collect();
    for row in locked.iter().filter(|row| row.get(1)) {
        claims[sql::place(row.get(0))] = KeyClaim::New;
    }
    // An answer that is there counts, also while another repetition has the lock.
    for row in found {
        claims[sql::place(row.get(0))] = KeyClaim::Answered(stored(row));
    }
    claims
}

/// The answer to a key, if there is one.
pub(crate) async fn find_one(
    tx: &Transaction,
    scope: &IdempotencyScope,
) -> Result<Option<StoredAnswer>, StorageError> {
    Ok(find(&[scope]).rows(tx).await?.first().map(stored))
}

/// Finds the answers to keys.
pub(crate) fn find<'a>(scopes: &[&'a IdempotencyScope]) -> Statement<'a> {
    let Columns { organisations, users, methods, paths, keys } = Columns::of(scopes.iter().copied());
    // `limit 1` keeps each key a look by itself, and whether it has expired is asked outside: so the only index that can answer is that
    // of the key, however the planner judges the table.
    Statement::new(
        "select w.position, i.fingerprint, i.status, i.answer
         from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[]) with ordinality
                  as w (organisation_id, user_id, method, path, key, position)
         cross join lateral (
             select i.fingerprint, i.status, i.answer, i.expires_at from idempotency_keys i
             where i.organisation_id = w.organisation_id and i.user_id = w.user_id and i.method = w.method
               and i.path = w.path and i.key = w.key
             limit 1
         ) i
         where i.expires_at > now()",
        params![organisations, users, methods, paths, keys],
    )
}

fn stored(row: &Row) -> StoredAnswer {
    StoredAnswer {
        fingerprint: row.get(1),
        status: u16::try_from(row.get::<_, i16>(2)).unwrap_or(200),
        answer: row.get::<_, Json<_>>(3).0,
    }
}

/// Stores the answers to claimed keys.
///
/// # Errors
/// The database does not answer.
pub async fn store(
    tx: &Transaction,
    answers: &[(&IdempotencyScope, StoredAnswer)],
    days: u32,
) -> Result<(), StorageError> {
    insert(answers, days).rows(tx).await?;
    Ok(())
}

pub(crate) fn insert<'a>(answers: &'a [(&'a IdempotencyScope, StoredAnswer)], days: u32) -> Statement<'a> {
    let Columns { organisations, users, methods, paths, keys } =
        Columns::of(answers.iter().map(|(scope, _)| *scope));
    let fingerprints: Vec<&[u8]> = answers.iter().map(|(_, stored)| stored.fingerprint.as_slice()).collect();
    let statuses: Vec<i16> =
        answers.iter().map(|(_, stored)| i16::try_from(stored.status).unwrap_or(200)).collect();
    let bodies: Vec<Json<&RawValue>> = answers.iter().map(|(_, stored)| Json(&*stored.answer)).collect();
    let days = i32::try_from(days).unwrap_or(i32::MAX);
    Statement::new(
        "insert into idempotency_keys
             (organisation_id, user_id, method, path, key, fingerprint, status, answer, expires_at)
         select a.organisation_id, a.user_id, a.method, a.path, a.key, a.fingerprint, a.status, a.answer,
                now() + make_interval(days => $9)
         from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::int2[], $8::json[])
                  as a (organisation_id, user_id, method, path, key, fingerprint, status, answer)
         on conflict (organisation_id, user_id, method, path, key) do update
             set fingerprint = excluded.fingerprint, status = excluded.status, answer = excluded.answer,
                 created_at = now(), expires_at = excluded.expires_at",
        params![organisations, users, methods, paths, keys, fingerprints, statuses, bodies, days],
    )
}

/// Scopes as a statement takes them.
struct Columns<'a> {
    organisations: Vec<Uuid>,
    users: Vec<Uuid>,
    methods: Vec<&'a str>,
    paths: Vec<&'a str>,
    keys: Vec<&'a str>,
}

impl<'a> Columns<'a> {
    fn of(scopes: impl Iterator<Item = &'a IdempotencyScope> + Clone) -> Self {
        Self {
            organisations: scopes.clone().map(|scope| scope.organisation_id).collect(),
            users: scopes.clone().map(|scope| scope.user_id).collect(),
            methods: scopes.clone().map(|scope| scope.method.as_str()).collect(),
            paths: scopes.clone().map(|scope| scope.path.as_str()).collect(),
            keys: scopes.map(|scope| scope.key.as_str()).collect(),
        }
    }
}

/// Removes keys that have expired, at most `limit` of them.
///
/// # Errors
/// The database does not answer.
pub async fn sweep(tx: &Transaction, limit: i64) -> Result<u64, StorageError> {
    tx.run(
        "delete from idempotency_keys where ctid in
             (select ctid from idempotency_keys where expires_at < now() limit $1)",
        &[&limit],
    )
    .await
}

impl IdempotencyScope {
    /// 64 bits of a hash over the scope; two scopes that share them merely wait for each other.
    fn lock_key(&self) -> i64 {
        let mut hasher = Sha256::new();
        hasher.update(self.organisation_id.as_bytes());
        hasher.update(self.user_id.as_bytes());
        for part in [&self.method, &self.path, &self.key] {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part.as_bytes());
        }
        let hash: [u8; 32] = hasher.finalize().into();
        let mut first = [0; 8];
        first.copy_from_slice(&hash[..8]);
        i64::from_be_bytes(first)
    }
}
