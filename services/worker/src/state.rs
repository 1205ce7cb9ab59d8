//! What all work of the process shares.

use firemode_runtime::settings::{Role, Settings};
use firemode_storage::evidence_store::EvidenceStore;
use firemode_storage::{Database, StorageError};

/// What all work of the process shares.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) settings: Settings,
    pub(crate) database: Database,
    pub(crate) evidence_store: EvidenceStore,
}

impl State {
    pub(crate) fn new(settings: Settings) -> Result<Self, StorageError> {
        let database = Database::new(&settings, settings.database.share(Role::Worker))?;
        Ok(Self { evidence_store: EvidenceStore::open(&settings, &database)?, database, settings })
    }
}
