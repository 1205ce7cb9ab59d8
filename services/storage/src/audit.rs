//! The audit log: written in the transaction of the act, never changed.

use firemode_domain::audit::{AuditEvent, AuditStatus, Commitments, leaf_hash};
use firemode_domain::body;
use firemode_domain::classification::Receipt;
use firemode_domain::input::{ClientKey, Line, Time};
use serde_json::Value;
use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::idempotency::{self, IdempotencyScope, StoredAnswer};
use crate::page::{Keyset, Listing, Page};
use crate::sql::{self, Statement, params};
use crate::{Executor, StorageError, Transaction};

/// An entry of the log: what its leaf says, which its columns say too.
#[derive(Debug, Clone)]
pub struct AuditEntry {
    /// The event.
    pub event: AuditEvent,
    /// SHA-256 of its canonical bytes as a Merkle tree leaf.
    pub leaf_hash: Vec<u8>,
}

/// Why a row is no entry of the log: somebody has written it past [`record`], or rewritten it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowFault {
    /// Its leaf is none.
    #[error("its leaf cannot be read: {0}")]
    Leaf(String),
    /// The hash beside the leaf is another one's.
    #[error("its hash is not that of its leaf")]
    Hash,
    /// The columns say something else than the leaf.
    #[error("its columns say something else than its leaf")]
    Columns,
}

/// A row as it is stored, believed or not.
#[derive(Debug)]
pub struct AuditRow {
    /// What the columns say.
    columns: AuditEvent,
    leaf: Vec<u8>,
    leaf_hash: Vec<u8>,
}

impl AuditRow {
    /// The columns of a row, for [`AuditRow::read`].
    pub(crate) const COLUMNS: &str = "id, organisation_id, user_id, action, resource_type, resource_id, status, \
                                      transaction_id, before, after, created_at, leaf, leaf_hash";

    pub(crate) fn read(row: &Row) -> Self {
        let is_success = row.get::<_, &str>(6) == AuditStatus::Success.as_str();
        let columns = AuditEvent {
            id: row.get(0),
            organisation_id: row.get(1),
            actor_user_id: row.get(2),
            action: row.get::<_, String>(3).into(),
            resource_type: row.get::<_, String>(4).into(),
            resource_id: row.get(5),
            status: if is_success { AuditStatus::Success } else { AuditStatus::Failure },
            transaction_id: row.get(7),
            before: json(row, 8),
            after: json(row, 9),
            at: row.get(10),
            // No column says it.
            replaces: None,
        };
        Self { columns, leaf: row.get(11), leaf_hash: row.get(12) }
    }

    /// Where the row stands in the log: the key of its order.
    pub fn place(&self) -> (OffsetDateTime, Uuid) {
        (self.columns.at, self.columns.id)
    }

    /// What the columns say, true or not.
    pub fn columns(self) -> AuditEvent {
        self.columns
    }

    /// What the row says, if all of it says the same.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn entry(self) -> Result<AuditEntry, RowFault> {
        if self.leaf_hash != leaf_hash(&self.leaf) {
            return Err(RowFault::Hash);
        }
        let event = AuditEvent::from_leaf(&self.leaf).map_err(|error| RowFault::Leaf(error.to_string()))?;
        // JSON that the database has kept may be written in another way, and has the same canonical form.
        let shown = AuditEvent { replaces: event.replaces.clone(), ..self.columns };
        match shown.leaf() {
            Ok(leaf) if leaf == self.leaf => Ok(AuditEntry { event, leaf_hash: self.leaf_hash }),
            _ => Err(RowFault::Columns),
        }
    }
}

/// A column of JSON. What the database takes for JSON and we cannot read is not what a leaf says either.
fn json(row: &Row, column: usize) -> Option<Value> {
    row.try_get(column).unwrap_or_else(|_| Some(Value::from("JSON that cannot be read")))
}

body! {
    /// Which acts are wanted.
    #[derive(Debug, Default)]
    pub struct AuditFilter {
        /// Acts of one user.
        pub user_id: Option<Uuid>,
        /// One action.
        pub action: Option<Line<64>> = "session.create",
        /// Objects of one kind.
        pub resource_type: Option<Line<64>> = "session",
        /// One object.
        pub resource_id: Option<ClientKey<256>>,
        /// How it ended.
        pub status: Option<AuditStatus>,
        /// At or after (RFC 3339).
        pub date_from: Option<Time>,
        /// At or before (RFC 3339).
        pub date_to: Option<Time>,
    }
}

/// The act that each request for results puts on record, and the kind of thing that it is about.
const MOST_FREQUENT: &str = "results.accept";
const ITS_RESOURCE: &str = "session";

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// It signs access tokens.
    AccessTokens,
    /// It encrypts personal data.
    PersonalData,
}

impl KeyKind {
    /// The kind of object that it is in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessTokens => "access_token_key",
            Self::PersonalData => "personal_data_key",
        }
    }
}

/// What commits to the texts about an object. Its salt is made when the log first says something of it.
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

/// Writes events and the answers that are kept under keys, and makes all of the transaction durable, in one round trip.
///
/// # Errors
/// As for [`record`]. The transaction has ended then; where the connection broke, nobody knows whether it was stored.
pub async fn record_and_commit(
    tx: Transaction,
    events: &[AuditEvent],
    answers: &[(&IdempotencyScope, StoredAnswer)],
    answer_days: u32,
) -> Result<(), StorageError> {
    let mut statements = Vec::new();
    if !events.is_empty() {
        statements.push(insert(events, "")?);
    }
    if !answers.is_empty() {
        statements.push(idempotency::insert(answers, answer_days));
    }
    tx.commit_with(statements).await?;
    Ok(())
}

/// Writes an event whose id follows from what it says ([`AuditEvent::id_of`]), unless it stands there. Where another
/// transaction is about to write it, this waits until that has ended.
///
/// # Errors
/// As for [`record`].
pub async fn record_once(tx: &Transaction, event: &AuditEvent) -> Result<(), StorageError> {
    insert(std::slice::from_ref(event), "on conflict (id) do nothing")?.rows(tx).await?;
    Ok(())
}

/// Puts on record that a key was used for an organisation; from the second time on there is nothing to add. A key belongs to
/// no organisation, so none gets one before it concerns it.
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

/// One page of an organisation's log, newest first. What is shown of a row is what its leaf says; one whose columns say something
/// else is not shown, and reported in the process's log.
///
/// # Errors
/// The database does not answer.
pub async fn list(
    on: &impl Executor,
    organisation_id: Uuid,
    filter: &AuditFilter,
    keyset: &Keyset,
) -> Result<Page<AuditEntry>, StorageError> {
    let action = filter.action.as_deref();
    // Those of the most frequent act are in none of the indexes for actions and kinds of things.
    let is_of_few = action.is_some_and(|action| action != MOST_FREQUENT)
        || filter.resource_type.as_deref().is_some_and(|kind| kind != ITS_RESOURCE);
    // A user's acts are in their order for each way of ending.
    let statuses = match (filter.user_id, filter.status) {
        (Some(_), None) => vec![AuditStatus::Success, AuditStatus::Failure],
        (Some(_), status) => status.into_iter().collect(),
        (None, _) => Vec::new(),
    };
    let page = Listing::of("audit_log", organisation_id, keyset)
        .only_if("user_id = {}", filter.user_id)
        .only_if("action = {}", action)
        .where_if(is_of_few.then_some("action <> 'results.accept'"))
        .only_if("resource_type = {}", filter.resource_type.as_deref())
        .only_if("resource_id = {}", filter.resource_id.as_deref())
        .any_of("status", statuses.into_iter().map(AuditStatus::as_str))
        .where_if(filter.status.map(|status| match status {
            AuditStatus::Success => "status = 'success'",
            AuditStatus::Failure => "status = 'failure'",
        }))
        .only_if("created_at >= {}", filter.date_from.map(Time::get))
        .only_if("created_at <= {}", filter.date_to.map(Time::get));
    let select = |page: &str| format!("select {} from {page} page", AuditRow::COLUMNS);
    let Page { rows, next } = page.page_from(on, |row| Ok(AuditRow::read(row)), select).await?;
    Ok(Page { rows: rows.into_iter().filter_map(believed).collect(), next })
}

/// One entry of an organisation's log, in the same way.
///
/// # Errors
/// The database does not answer.
pub async fn find(
    on: &impl Executor,
    organisation_id: Uuid,
    id: Uuid,
) -> Result<Option<AuditEntry>, StorageError> {
    let sql = format!("select {} from audit_log where organisation_id = $1 and id = $2", AuditRow::COLUMNS);
    let row = sql::optional(on, &sql, &[&organisation_id, &id]).await?;
    Ok(row.as_ref().map(AuditRow::read).and_then(believed))
}

/// Rows of an organisation's log about the classification of these items, oldest first: those after one of them, before a moment.
///
/// # Errors
/// The database does not answer.
pub async fn classifications(
    on: &impl Executor,
    organisation_id: Uuid,
    item_codes: &[&str],
    after: (OffsetDateTime, Uuid),
    before: OffsetDateTime,
    limit: i64,
) -> Result<Vec<AuditRow>, StorageError> {
    let sql = format!(
        "select {} from audit_log
         where organisation_id = $1 and action = '{}' and (created_at, id) > ($2, $3) and created_at < $4
           and after ->> 'item_code' = any ($5)
         order by created_at, id limit $6",
        AuditRow::COLUMNS,
        Receipt::ACTION
    );
    let rows = on.rows(&sql, &[&organisation_id, &after.0, &after.1, &before, &item_codes, &limit]).await?;
    Ok(rows.iter().map(AuditRow::read).collect())
}

/// What a row says, where all of it says the same; one that does not is reported in the process's log.
pub fn believed(row: AuditRow) -> Option<AuditEntry> {
    let (organisation_id, id) = (row.columns.organisation_id, row.columns.id);
    row.entry()
        .inspect_err(|fault| {
            tracing::error!(%organisation_id, audit_log_id = %id, %fault, "a row of the audit log is not genuine; \
                                                                           see `firemode audit verify`");
        })
        .ok()
}
