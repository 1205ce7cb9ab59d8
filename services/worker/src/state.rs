//! What all work of the process shares.

use firemode_identity::Vault;
use firemode_runtime::settings::{Role, Settings};
use firemode_storage::Database;
use firemode_storage::evidence_store::EvidenceStore;
use firemode_web::ServerError;

/// What all work of the process shares.
pub(crate) struct WorkerState {
    pub(crate) settings: Settings,
    pub(crate) database: Database,
    pub(crate) evidence_store: EvidenceStore,
    pub(crate) vault: Vault,
}

impl WorkerState {
    pub(crate) fn new(settings: Settings) -> Result<Self, ServerError> {
        let database = Database::new(&settings, settings.database.share(Role::Worker))?;
        let vault = Vault::new(&settings.auth.pii_encryption_key);
        Ok(Self {
            evidence_store: EvidenceStore::open(&settings, &database)?,
            vault: vault.ok_or(ServerError::Keys("auth.pii_encryption_key"))?,
            database,
            settings,
        })
    }
}
