//! The keys of personal data and the database: do they fit, and what is under which?

use std::collections::BTreeMap;

use firemode_runtime::settings::Settings;
use firemode_storage::audit::{self, KeyKind};
use firemode_storage::personal_data::{self, COLUMNS, Cell};
use firemode_storage::{Database, Purpose, StorageError, Transaction};
use uuid::Uuid;

use crate::vault::Vault;

/// Rows that one look takes.
const ROWS_MAX: i64 = 1_000;

/// The keys do not fit the database, or it cannot be found out.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// There is personal data under a key that is not here.
    #[error(
        "this database's personal data is encrypted with key {needed}, which is not in PII_ENCRYPTION_KEY (it has {given}); \
         add that key, after a comma where another one is to encrypt"
    )]
    Missing {
        /// Ids of the keys that are needed, or that nobody knows which.
        needed: String,
        /// Ids of the keys that are set.
        given: String,
    },
    /// `PII_ENCRYPTION_KEY` holds no key; the settings were checked for that.
    #[error("auth.pii_encryption_key holds no usable key")]
    Unusable,
    /// The database does not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// How many values are under which key.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Key id → values.
    pub values: BTreeMap<String, u64>,
    /// Values under none of the keys.
    pub unreadable: u64,
}

/// Compares the configured keys with those that the migrated database needs, and notes that this start encrypts with the
/// first of them.
///
/// # Errors
/// See [`KeysError`].
pub async fn check_at_start(settings: &Settings) -> Result<(), KeysError> {
    let vault = Vault::new(&settings.auth.pii_encryption_key).ok_or(KeysError::Unusable)?;
    check(&Database::new(settings, 1)?, &vault, true).await
}

/// The same within a process; a key that is known already is not noted again.
///
/// # Errors
/// See [`KeysError`].
pub async fn check(database: &Database, vault: &Vault, is_start: bool) -> Result<(), KeysError> {
    let tx = database.across_tenants(Purpose::PersonalData).transaction().await?;
    personal_data::lock(&tx).await?;
    let known = personal_data::known_keys(&tx).await?;
    let given = || vault.key_ids().collect::<Vec<_>>().join(", ");
    let missing = known.iter().filter(|key| !key.is_retired && !vault.has(&key.id, &key.check_token));
    let missing: Vec<&str> = missing.map(|key| key.id.as_str()).collect();
    if !missing.is_empty() {
        // It may be that nothing was ever written with it, or nothing is left.
        if !reads_all(&tx, vault).await? {
            return Err(KeysError::Missing { needed: missing.join(", "), given: given() });
        }
        personal_data::retire(&tx, &missing).await?;
    }
    // A database from before keys were noted: its encrypted values show which key it has.
    if known.is_empty() && !reads_a_sample(&tx, vault).await? {
        return Err(KeysError::Missing { needed: "unknown".to_owned(), given: given() });
    }
    let first = vault.encrypting_key_id();
    let is_noted = known.iter().any(|key| key.id == first && !key.is_retired);
    let is_new = (is_start || !is_noted) && personal_data::note_use(&tx, first, &vault.check_token()).await?;
    tx.commit().await?;
    if is_new {
        tracing::info!(key_id = first, "personal data is encrypted with a key that is new to this database");
    }
    Ok(())
}

/// Puts on record, where it is for the first time, with which key something of an organisation was encrypted.
///
/// # Errors
/// The database does not answer.
pub async fn note_encryption(
    tx: &Transaction,
    vault: &Vault,
    organisation_id: Uuid,
    transaction_id: Uuid,
) -> Result<(), StorageError> {
    let (kind, key_id) = (KeyKind::PersonalData, vault.encrypting_key_id());
    audit::record_key_use(tx, organisation_id, transaction_id, kind, key_id).await
}

async fn reads_all(tx: &Transaction, vault: &Vault) -> Result<bool, StorageError> {
    for column in COLUMNS {
        let mut after = None;
        loop {
            let cells = personal_data::cells_after(tx, *column, after, ROWS_MAX).await?;
            if cells.iter().any(|cell| vault.key_of(&cell.token).is_none()) {
                return Ok(false);
            }
            after = cells.last().map(|cell| cell.id);
            if after.is_none() {
                break;
            }
        }
    }
    Ok(true)
}

async fn reads_a_sample(tx: &Transaction, vault: &Vault) -> Result<bool, StorageError> {
    for column in COLUMNS {
        let sample = personal_data::cells_after(tx, *column, None, 1).await?;
        if sample.iter().any(|cell| vault.key_of(&cell.token).is_none()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Looks at every encrypted value.
///
/// # Errors
/// See [`KeysError`].
pub async fn usage(settings: &Settings) -> Result<Usage, KeysError> {
    let vault = Vault::new(&settings.auth.pii_encryption_key).ok_or(KeysError::Unusable)?;
    let tx = Database::new(settings, 1)?.across_tenants(Purpose::PersonalData).read().await?;
    let mut usage = Usage { values: vault.key_ids().map(|id| (id.to_owned(), 0)).collect(), unreadable: 0 };
    for column in COLUMNS {
        let mut after = None;
        loop {
            let cells = personal_data::cells_after(&tx, *column, after, ROWS_MAX).await?;
            cells.iter().for_each(|cell| count(&mut usage, &vault, cell));
            after = cells.last().map(|cell| cell.id);
            if after.is_none() {
                break;
            }
        }
    }
    Ok(usage)
}

fn count(usage: &mut Usage, vault: &Vault, cell: &Cell) {
    let place = vault.key_of(&cell.token).and_then(|id| usage.values.get_mut(id));
    *place.unwrap_or(&mut usage.unreadable) += 1;
}
