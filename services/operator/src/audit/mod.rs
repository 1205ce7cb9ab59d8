//! The audit log, as an operator checks it: is it what was written, and which of its leaves hold what people wrote?

mod texts;
mod verify;

use firemode_runtime::settings::Settings;
use firemode_storage::{Database, Purpose, StorageError, audit_leaves};
use uuid::Uuid;

pub use texts::{Replacements, each_leaf_with_texts, replace_texts};
pub use verify::{Verification, verify};

/// The log could not be looked at.
#[derive(Debug, thiserror::Error)]
#[error(
    "the database fails, or is not migrated; is FireMode running, with this FIREMODE_DATA_DIR or DATABASE_URL?"
)]
pub struct AuditError(#[from] StorageError);

/// A row of the log and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Whose.
    pub organisation_id: Uuid,
    /// Which.
    pub audit_log_id: Uuid,
    /// What.
    pub reason: String,
}

/// Rows that are named; of more there is only a number.
const NAMED_MAX: usize = 1_000;

/// What is wrong with rows of the log.
#[derive(Debug, Default)]
pub struct Faults {
    /// How many times something is.
    pub count: usize,
    /// The first of them.
    pub first: Vec<Fault>,
}

impl Faults {
    fn add(&mut self, organisation_id: Uuid, audit_log_id: Uuid, reason: impl Into<String>) {
        self.count += 1;
        if self.first.len() < NAMED_MAX {
            self.first.push(Fault { organisation_id, audit_log_id, reason: reason.into() });
        }
    }
}

/// The act that puts a replacement on record.
const REPLACE_ACT: &str = "audit.replace_leaf";

/// Rows that are read at once.
const ROWS_AT_ONCE: i64 = 1_000;

fn open(settings: &Settings) -> Result<Database, StorageError> {
    Database::new(settings, 1)
}

/// This organisation, or all of them.
async fn organisations(database: &Database, one: Option<Uuid>) -> Result<Vec<Uuid>, StorageError> {
    match one {
        Some(id) => Ok(vec![id]),
        None => audit_leaves::organisations(&database.across_tenants(Purpose::Operator).read().await?).await,
    }
}
