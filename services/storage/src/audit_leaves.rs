//! The leaves of the log for those who verify it, and the one way to replace one.

use data_encoding::HEXLOWER;
use firemode_domain::audit::{AuditEvent, leaf_hash};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::audit::AuditRow;
use crate::{Executor, StorageError, Transaction, sql};

/// Acts whose leaves held a building's free fields before leaves began to be without.
pub const BUILDING_ACTS: [&str; 3] = ["building.create", "building.deactivate", "building.update"];

/// Which rows a reader gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaves {
    /// All.
    All,
    /// Those that hold a building's free fields and may be replaced by one that does not.
    WithTexts,
}

/// Every organisation.
///
/// # Errors
/// The database does not answer.
pub async fn organisations(on: &impl Executor) -> Result<Vec<Uuid>, StorageError> {
    let rows = on.rows("select id from organisations order by id", &[]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Leaves that are younger than this have none to replace.
///
/// # Errors
/// The database does not answer.
pub async fn replaceable_before(on: &impl Executor) -> Result<OffsetDateTime, StorageError> {
    Ok(sql::one(on, "select recorded_before from audit_replaceable", &[]).await?.get(0))
}

/// Reads an organisation's log, oldest rows first.
#[derive(Debug)]
pub struct LeafReader {
    organisation_id: Uuid,
    leaves: Leaves,
    /// Where the last row stands that was given.
    place: Option<(OffsetDateTime, Uuid)>,
}

impl LeafReader {
    /// From the first row on.
    pub fn new(organisation_id: Uuid, leaves: Leaves) -> Self {
        Self { organisation_id, leaves, place: None }
    }

    /// The next rows, at most `limit`; none at the end.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn next(&mut self, on: &impl Executor, limit: i64) -> Result<Vec<AuditRow>, StorageError> {
        let (at, id) = self.place.unzip();
        let is_all = self.leaves == Leaves::All;
        let sql = format!(
            "select {columns} from audit_log
             where organisation_id = $1 and ($2::timestamptz is null or (created_at, id) > ($2, $3))
               and ($4 or (action = any ($5) and created_at < (select recorded_before from audit_replaceable)
                           and (jsonb_typeof(before -> 'metadata') = 'object' and before -> 'metadata' <> '{{}}'
                                or jsonb_typeof(after -> 'metadata') = 'object' and after -> 'metadata' <> '{{}}')))
             order by created_at, id limit $6",
            columns = AuditRow::COLUMNS
        );
        let acts = BUILDING_ACTS.as_slice();
        let rows = on.rows(&sql, &[&self.organisation_id, &at, &id, &is_all, &acts, &limit]).await?;
        let rows: Vec<AuditRow> = rows.iter().map(AuditRow::read).collect();
        self.place = rows.last().map(AuditRow::place).or(self.place);
        Ok(rows)
    }
}

/// Puts an event's leaf in the place of the one that has its id, together with a row that records it. The database refuses what is
/// more than that.
///
/// # Errors
/// It is refused, or the database does not answer.
pub async fn replace(tx: &Transaction, event: &AuditEvent, record: &AuditEvent) -> Result<(), StorageError> {
    let sql = "select replace_building_leaf(jsonb_populate_record(null::audit_log, $1),
                                            jsonb_populate_record(null::audit_log, $2))";
    tx.rows(sql, &[&as_row(event)?, &as_row(record)?]).await?;
    Ok(())
}

/// An event as a row of the table.
fn as_row(event: &AuditEvent) -> Result<Value, StorageError> {
    let damaged = |error: String| StorageError::Damaged(format!("audit event: {error}"));
    let leaf = event.leaf().map_err(|error| damaged(error.to_string()))?;
    let bytes = |bytes: &[u8]| format!("\\x{}", HEXLOWER.encode(bytes));
    Ok(json!({
        "id": event.id,
        "organisation_id": event.organisation_id,
        "user_id": event.actor_user_id,
        "action": event.action,
        "resource_type": event.resource_type,
        "resource_id": event.resource_id,
        "status": event.status,
        "transaction_id": event.transaction_id,
        "before": event.before,
        "after": event.after,
        "leaf": bytes(&leaf),
        "leaf_hash": bytes(&leaf_hash(&leaf)),
        "created_at": event.at.format(&Rfc3339).map_err(|error| damaged(error.to_string()))?,
    }))
}
