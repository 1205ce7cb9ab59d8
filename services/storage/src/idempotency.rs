//! Answers that are given again to the same request.
//!
//! The key, the effect and the answer commit in one transaction, so that none of them can exist without the others.

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::{Executor as _, StorageError, Transaction, sql};

/// What a key is good for.
#[derive(Debug, Clone)]
pub struct Scope {
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
pub struct Stored {
    /// SHA-256 over the request that it answers.
    pub fingerprint: Vec<u8>,
    /// The answer's status.
    pub status: u16,
    /// The answer's body.
    pub answer: Value,
}

/// What is known of a key.
#[derive(Debug)]
pub enum Claim {
    /// Nothing: the caller may act, and holds the key until its transaction ends.
    New,
    /// It was answered before.
    Answered(Stored),
    /// Another request with it is running, here or on another instance.
    InProgress,
}

/// Claims a key for this transaction.
///
/// # Errors
/// The database does not answer.
pub async fn claim(tx: &Transaction, scope: &Scope) -> Result<Claim, StorageError> {
    // Waiting on the unique index would hold the caller up for as long as the other request runs.
    let lock: bool = sql::one(tx, "select pg_try_advisory_xact_lock($1)", &[&scope.lock_key()]).await?.get(0);
    if !lock {
        return Ok(Claim::InProgress);
    }
    let row = sql::optional(
        tx,
        "select fingerprint, status, answer from idempotency_keys
         where organisation_id = $1 and user_id = $2 and method = $3 and path = $4 and key = $5 and expires_at > now()",
        &[&scope.organisation_id, &scope.user_id, &scope.method, &scope.path, &scope.key],
    )
    .await?;
    Ok(match row {
        None => Claim::New,
        Some(row) => Claim::Answered(Stored {
            fingerprint: row.get(0),
            status: u16::try_from(row.get::<_, i16>(1)).unwrap_or(200),
            answer: row.get(2),
        }),
    })
}

/// Stores the answer to a claimed key.
///
/// # Errors
/// The database does not answer.
pub async fn store(tx: &Transaction, scope: &Scope, answer: &Stored, days: u32) -> Result<(), StorageError> {
    let status = i16::try_from(answer.status).unwrap_or(200);
    tx.run(
        "insert into idempotency_keys
             (organisation_id, user_id, method, path, key, fingerprint, status, answer, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, now() + make_interval(days => $9))
         on conflict (organisation_id, user_id, method, path, key) do update
             set fingerprint = excluded.fingerprint, status = excluded.status, answer = excluded.answer,
                 created_at = now(), expires_at = excluded.expires_at",
        &[
            &scope.organisation_id,
            &scope.user_id,
            &scope.method,
            &scope.path,
            &scope.key,
            &answer.fingerprint,
            &status,
            &answer.answer,
            &i32::try_from(days).unwrap_or(i32::MAX),
        ],
    )
    .await?;
    Ok(())
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

impl Scope {
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
