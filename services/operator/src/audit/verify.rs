//! Is the log what was written?

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use firemode_domain::audit::AuditEvent;
use firemode_runtime::settings::Settings;
use firemode_storage::audit::{AuditEntry, AuditRow};
use firemode_storage::audit_leaves::{self, BUILDING_ACTS, LeafReader, Leaves};
use firemode_storage::{Database, StorageError};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{AuditError, Faults, REPLACE_ACT, ROWS_AT_ONCE, open, organisations};

/// What verification found.
#[derive(Debug, Default)]
pub struct Verification {
    /// Rows that were looked at.
    pub rows: u64,
    /// Rows whose leaf stands in the place of an earlier one, as another row records.
    pub replaced: u64,
    /// What is not genuine.
    pub faults: Faults,
}

/// Hashes of a leaf before and after its replacement, by row.
type Hashes = BTreeMap<Uuid, (String, String)>;

/// An organisation's log on its way through verification.
struct Log<'a> {
    organisation_id: Uuid,
    /// Leaves that are younger have none to replace.
    replaceable_before: OffsetDateTime,
    /// As the replaced rows have them.
    replaced: Hashes,
    /// As the rows that record a replacement have them.
    replacements: Hashes,
    found: &'a mut Verification,
}

/// Works out each leaf's hash again, compares the leaf with its row's columns, and looks for the row that records each replacement;
/// of one organisation or of all.
///
/// # Errors
/// The database does not answer.
pub async fn verify(settings: &Settings, organisation: Option<Uuid>) -> Result<Verification, AuditError> {
    let database = open(settings)?;
    let mut found = Verification::default();
    for organisation_id in organisations(&database, organisation).await? {
        verify_one(&database, organisation_id, &mut found).await?;
    }
    Ok(found)
}

async fn verify_one(
    database: &Database,
    organisation_id: Uuid,
    found: &mut Verification,
) -> Result<(), StorageError> {
    let tx = database.tenant(organisation_id).read().await?;
    let replaceable_before = audit_leaves::replaceable_before(&tx).await?;
    let (replaced, replacements) = (Hashes::new(), Hashes::new());
    let mut log = Log { organisation_id, replaceable_before, replaced, replacements, found };
    let mut reader = LeafReader::new(organisation_id, Leaves::All);
    loop {
        let rows = reader.next(&tx, ROWS_AT_ONCE).await?;
        if rows.is_empty() {
            log.compare_replacements();
            return Ok(());
        }
        rows.into_iter().for_each(|row| log.take(row));
    }
}

impl Log<'_> {
    fn take(&mut self, row: AuditRow) {
        self.found.rows += 1;
        let (_, id) = row.place();
        match row.entry() {
            Err(fault) => self.fault(id, fault.to_string()),
            Ok(AuditEntry { event, leaf_hash }) => {
                if let Some(before) = &event.replaces {
                    if !self.may_be_replaced(&event) {
                        self.fault(id, "its leaf replaces another, and is none that may");
                    }
                    self.replaced.insert(id, (before.clone(), HEXLOWER.encode(&leaf_hash)));
                } else if let Some((id, hashes)) = named_by(&event) {
                    self.replacements.insert(id, hashes);
                }
            }
        }
    }

    fn may_be_replaced(&self, event: &AuditEvent) -> bool {
        BUILDING_ACTS.contains(&event.action.as_ref()) && event.at < self.replaceable_before
    }

    fn compare_replacements(mut self) {
        let (replaced, replacements) =
            (std::mem::take(&mut self.replaced), std::mem::take(&mut self.replacements));
        for (id, hashes) in &replaced {
            if replacements.get(id) == Some(hashes) {
                self.found.replaced += 1;
            } else {
                self.fault(*id, "its leaf replaces another, and no row records it");
            }
        }
        for id in replacements.keys().filter(|id| !replaced.contains_key(id)) {
            self.fault(*id, "a row says that its leaf was replaced, and it was not");
        }
    }

    fn fault(&mut self, audit_log_id: Uuid, reason: impl Into<String>) {
        self.found.faults.add(self.organisation_id, audit_log_id, reason);
    }
}

/// Which row an event says was replaced, and its hashes.
fn named_by(event: &AuditEvent) -> Option<(Uuid, (String, String))> {
    let id = event.resource_id.as_deref().filter(|_| event.action == REPLACE_ACT)?.parse().ok()?;
    let hash = |side: &Option<Value>| Some(side.as_ref()?["leaf_hash"].as_str()?.to_owned());
    Some((id, (hash(&event.before)?, hash(&event.after)?)))
}
