//! The audit log: written in the transaction of the act, never changed.

use firemode_domain::audit::{AuditEvent, Commitments, leaf_hash};
use serde_json::Value;
use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::page::{Page, Walk, in_walk};
use crate::sql::{self, Statement, params};
use crate::{Executor, StorageError, Transaction};

/// An entry as it is listed.
#[derive(Debug, Clone)]
pub struct AuditEntry {
    /// The entry's id.
    pub id: Uuid,
    /// Who acted; none for the system itself.
    pub user_id: Option<Uuid>,
    /// What was done: `session.create`.
    pub action: String,
    /// The kind of thing it was done to.
    pub resource_type: String,
    /// Which one.
    pub resource_id: Option<String>,
    /// `success` or `failure`.
    pub status: String,
    /// The request that did it.
    pub transaction_id: Uuid,
    /// What was there before.
    pub before: Option<Value>,
    /// What is there now.
    pub after: Option<Value>,
    /// SHA-256 of the entry's canonical bytes as a Merkle tree leaf.
    pub leaf_hash: Vec<u8>,
    /// When.
    pub at: OffsetDateTime,
}

/// What a listing is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Acts of one user.
    pub user_id: Option<Uuid>,
    /// One action.
    pub action: Option<String>,
    /// One kind of thing.
    pub resource_type: Option<String>,
    /// One thing.
    pub resource_id: Option<String>,
    /// `success` or `failure`.
    pub status: Option<String>,
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// It signs access tokens.
    AccessTokens,
    /// It encrypts personal data.
    PersonalData,
}

impl KeyKind {
    /// The kind of thing that it is in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessTokens => "access_token_key",
            Self::PersonalData => "personal_data_key",
        }
    }
}

/// What commits to the texts about a thing. Its salt is made when something is first said of it.
///
/// # Errors
/// The database does not answer.
pub async fn commitments(
    tx: &Transaction,
    organisation_id: Uuid,
    resource_id: Uuid,
) -> Result<Commitments, StorageError> {
    let sql = "insert into record_salts (organisation_id, resource_id) values ($1, $2)
               on conflict (organisation_id, resource_id) do update set salt = record_salts.salt returning salt";
    Ok(Commitments::new(sql::one(tx, sql, &[&organisation_id, &resource_id]).await?.get(0)))
}

/// Writes events.
///
/// # Errors
/// An event cannot be put into canonical form, or the database does not answer.
pub async fn record(tx: &Transaction, events: &[AuditEvent]) -> Result<(), StorageError> {
    if !events.is_empty() {
        insert(events, "")?.rows(tx).await?;
    }
    Ok(())
}

/// Writes an event whose id follows from what it says ([`AuditEvent::id_of`]), unless it stands there. Where another
/// transaction is about to write it, this waits for what becomes of that.
///
/// # Errors
/// As for [`record`].
pub async fn record_once(tx: &Transaction, event: &AuditEvent) -> Result<(), StorageError> {
    insert(std::slice::from_ref(event), "on conflict (id) do nothing")?.rows(tx).await?;
    Ok(())
}

/// Puts on record that a key was used for an organisation; from the second time on there is nothing to add. A key belongs to
/// no organisation, so none is told before it concerns it.
///
/// # Errors
/// As for [`record`].
pub async fn record_key_use(
    tx: &Transaction,
    organisation_id: Uuid,
    transaction_id: Uuid,
    kind: KeyKind,
    key_id: &str,
) -> Result<(), StorageError> {
    let resource = (kind.as_str(), key_id.to_owned());
    let mut event = AuditEvent::of_system(organisation_id, transaction_id, "key.use", resource);
    event.id = AuditEvent::id_of(&[organisation_id.as_bytes(), kind.as_str().as_bytes(), key_id.as_bytes()]);
    record_once(tx, &event).await
}

pub(crate) fn insert<'a>(events: &'a [AuditEvent], on_conflict: &str) -> Result<Statement<'a>, StorageError> {
    let leaves: Vec<Vec<u8>> = events
        .iter()
        .map(|event| event.leaf().map_err(|error| StorageError::Damaged(format!("audit event: {error}"))))
        .collect::<Result<_, _>>()?;
    let hashes: Vec<Vec<u8>> = leaves.iter().map(|leaf| leaf_hash(leaf).to_vec()).collect();
    let sql = format!(
        "insert into audit_log (id, organisation_id, user_id, action, resource_type, resource_id, status,
                                transaction_id, before, after, leaf, leaf_hash, created_at)
         select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[],
                              $8::uuid[], $9::jsonb[], $10::jsonb[], $11::bytea[], $12::bytea[], $13::timestamptz[]) {on_conflict}"
    );
    let params = params![
        column(events, |event| event.id),
        column(events, |event| event.organisation_id),
        column(events, |event| event.actor_user_id),
        column(events, |event| event.action.as_ref()),
        column(events, |event| event.resource_type.as_ref()),
        column(events, |event| event.resource_id.as_deref()),
        column(events, |event| event.status.as_str()),
        column(events, |event| event.transaction_id),
        column(events, |event| event.before.as_ref()),
        column(events, |event| event.after.as_ref()),
        leaves,
        hashes,
        column(events, |event| event.at),
    ];
    Ok(Statement::new(sql, params))
}

/// One field of all events, as a statement takes it.
fn column<'a, T>(events: &'a [AuditEvent], of: impl Fn(&'a AuditEvent) -> T) -> Vec<T> {
    events.iter().map(of).collect()
}

/// One page of an organisation's log, newest first.
///
/// # Errors
/// The database does not answer.
pub async fn list(
    on: &impl Executor,
    organisation_id: Uuid,
    filter: &AuditFilter,
    walk: &Walk,
) -> Result<Page<AuditEntry>, StorageError> {
    let (at, id) = walk.key();
    let rows = on
        .rows(
            concat!(
                "select id, user_id, action, resource_type, resource_id, status, transaction_id, before, after,
                        leaf_hash, created_at
                 from audit_log where organisation_id = $1 and ",
                in_walk!(),
                " and ($7::uuid is null or user_id = $7) and ($8::text is null or action = $8)
                  and ($9::text is null or resource_type = $9) and ($10::text is null or resource_id = $10)
                  and ($11::text is null or status = $11)
                 order by created_at desc, id desc limit $6"
            ),
            &[
                &organisation_id,
                &walk.horizon.snapshot,
                &walk.horizon.began_at,
                &at,
                &id,
                &(walk.limit + 1),
                &filter.user_id,
                &filter.action,
                &filter.resource_type,
                &filter.resource_id,
                &filter.status,
            ],
        )
        .await?;
    let rows = rows.into_iter().map(read).collect();
    Ok(Page::cut(rows, walk, |entry: &AuditEntry| (entry.at, entry.id)))
}

fn read(row: Row) -> AuditEntry {
    AuditEntry {
        id: row.get(0),
        user_id: row.get(1),
        action: row.get(2),
        resource_type: row.get(3),
        resource_id: row.get(4),
        status: row.get(5),
        transaction_id: row.get(6),
        before: row.get(7),
        after: row.get(8),
        leaf_hash: row.get(9),
        at: row.get(10),
    }
}
