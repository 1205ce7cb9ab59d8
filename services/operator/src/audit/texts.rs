//! Leaves from before this release that hold a building's free fields.

use data_encoding::HEXLOWER;
use firemode_domain::audit::{AuditEvent, Commitments, OnRecord, Record, leaf_hash};
use firemode_runtime::settings::Settings;
use firemode_storage::audit::{self, AuditEntry, AuditRow};
use firemode_storage::audit_leaves::{self, LeafReader, Leaves};
use firemode_storage::{StorageError, Transaction};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{AuditError, Faults, REPLACE_ACT, ROWS_AT_ONCE, open, organisations};

/// Rows that are replaced in one transaction.
const REPLACED_AT_ONCE: i64 = 100;

/// What became of the leaves that held texts.
#[derive(Debug, Default)]
pub struct Replacements {
    /// So many were replaced.
    pub replaced: u64,
    /// These were not.
    pub faults: Faults,
}

/// What an earlier release put on record of a building, as far as it is kept.
#[derive(Deserialize)]
struct BuildingAsItWas {
    site_name: String,
    site_address: String,
    building_class: Option<String>,
    metadata: Value,
    is_active: bool,
}

/// Reports every leaf from before this release that holds a building's free fields, and how many there are.
///
/// # Errors
/// The database does not answer.
pub async fn each_leaf_with_texts(
    settings: &Settings,
    mut report: impl FnMut(AuditEvent),
) -> Result<usize, AuditError> {
    let database = open(settings)?;
    let mut count = 0;
    for organisation_id in organisations(&database, None).await? {
        let tx = database.tenant(organisation_id).read().await?;
        let mut reader = LeafReader::new(organisation_id, Leaves::WithTexts);
        loop {
            let rows = reader.next(&tx, ROWS_AT_ONCE).await?;
            if rows.is_empty() {
                break;
            }
            count += rows.len();
            rows.into_iter().map(AuditRow::columns).for_each(&mut report);
        }
    }
    Ok(count)
}

/// Replaces each of them by one that keeps its hash and commits to the texts by theirs.
///
/// # Errors
/// The database does not answer; what was replaced before stays so.
pub async fn replace_texts(settings: &Settings) -> Result<Replacements, AuditError> {
    let database = open(settings)?;
    let mut done = Replacements::default();
    let transaction_id = Uuid::now_v7();
    for organisation_id in organisations(&database, None).await? {
        let mut reader = LeafReader::new(organisation_id, Leaves::WithTexts);
        loop {
            let tx = database.tenant(organisation_id).transaction().await?;
            let rows = reader.next(&tx, REPLACED_AT_ONCE).await?;
            if rows.is_empty() {
                break;
            }
            let mut replaced = 0;
            for row in rows {
                let (_, audit_log_id) = row.place();
                match replace(&tx, row, transaction_id).await? {
                    Ok(()) => replaced += 1,
                    Err(reason) => done.faults.add(organisation_id, audit_log_id, reason),
                }
            }
            tx.commit().await?;
            done.replaced += replaced;
        }
    }
    Ok(done)
}

/// Replaces the leaf of a row, or says why it stays.
async fn replace(
    tx: &Transaction,
    row: AuditRow,
    transaction_id: Uuid,
) -> Result<Result<(), String>, StorageError> {
    let AuditEntry { event, leaf_hash: hash } = match row.entry() {
        Ok(entry) => entry,
        Err(fault) => return Ok(Err(fault.to_string())),
    };
    let Some(building_id) = event.resource_id.as_deref().and_then(|id| id.parse().ok()) else {
        return Ok(Err("it names no building".to_owned()));
    };
    let commitments = audit::commitments(tx, event.organisation_id, building_id).await?;
    let side = |side: &Option<Value>| side.as_ref().map(|was| without_texts(&commitments, was)).transpose();
    let (before, after) = match (side(&event.before), side(&event.after)) {
        (Ok(before), Ok(after)) => (before, after),
        (Err(reason), _) | (_, Err(reason)) => return Ok(Err(reason)),
    };
    let was = HEXLOWER.encode(&hash);
    let event = AuditEvent { before, after, replaces: Some(was.clone()), ..event };
    let leaf = match event.leaf() {
        Ok(leaf) => leaf,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let resource = ("audit", event.id.to_string());
    let record = AuditEvent {
        before: Some(json!({"leaf_hash": was})),
        after: Some(json!({"leaf_hash": HEXLOWER.encode(&leaf_hash(&leaf))})),
        ..AuditEvent::of_system(event.organisation_id, transaction_id, REPLACE_ACT, resource)
    };
    audit_leaves::replace(tx, &event, &record).await.map(Ok)
}

/// What the record says of a building now, from what it said before.
fn without_texts(commitments: &Commitments, was: &Value) -> Result<Value, String> {
    let was = BuildingAsItWas::deserialize(was).map_err(|error| error.to_string())?;
    Record::of(commitments, &was).map_err(|error| error.to_string())
}

impl OnRecord for BuildingAsItWas {
    fn on_record(&self, record: &mut Record<'_>) {
        record.text("site_name", self.site_name.as_str());
        record.text("site_address", self.site_address.as_str());
        record.code("building_class", self.building_class.as_deref());
        record.free("metadata", &self.metadata);
        record.plain("is_active", self.is_active);
    }
}
