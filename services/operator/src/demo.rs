//! The demo organisation's users, and tokens for its admin.

use firemode_domain::audit::AuditEvent;
use firemode_domain::role::Role;
use firemode_identity::{AccessKey, Passwords, Vault};
use firemode_runtime::demo::{
    ADMIN_EMAIL, ADMIN_ID, ORGANISATION_ID, PASSWORD, TECHNICIAN_EMAIL, TECHNICIAN_ID, TOKEN_SECONDS,
};
use firemode_runtime::settings::Settings;
use firemode_storage::audit::{self, KeyKind};
use firemode_storage::users::{self, NewUser};
use firemode_storage::{Database, StorageError, Transaction, demo};
use time::OffsetDateTime;
use uuid::Uuid;

const ORGANISATION_NAME: &str = "Demo Fire Services";

/// Id, address, name and role of each user.
const USERS: [(Uuid, &str, &str, Role); 2] = [
    (ADMIN_ID, ADMIN_EMAIL, "Dana Demo", Role::Admin),
    (TECHNICIAN_ID, TECHNICIAN_EMAIL, "Toni Technician", Role::Technician),
];

/// The demo organisation could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Its password is known to everybody.
    #[error("there is no demo organisation in production; nothing was changed")]
    Production,
    /// The database is not there, or not as it should be.
    #[error("the database fails; is FireMode running, with this FIREMODE_DATA_DIR or DATABASE_URL?")]
    Database(#[from] StorageError),
    /// The database has no schema yet.
    #[error("the database is not migrated yet; start FireMode first, or run `firemode migrate`")]
    NotMigrated,
    /// A key does not work.
    #[error("auth.jwt_secret_key or auth.pii_encryption_key does not work")]
    Keys,
}

/// Makes the demo organisation with its users, unless it is there, and lets them sign in.
///
/// # Errors
/// [`DemoError`]; nothing was changed then.
pub async fn open(settings: &Settings) -> Result<(), DemoError> {
    if settings.is_production() {
        return Err(DemoError::Production);
    }
    let database = Database::new(settings, 1)?;
    if !demo::is_migrated(&database.without_tenant().read().await?).await? {
        return Err(DemoError::NotMigrated);
    }
    let tx = database.tenant(ORGANISATION_ID).transaction().await?;
    if demo::add_organisation(&tx, ORGANISATION_ID, ORGANISATION_NAME).await? {
        add_users(&tx, settings).await?;
    }
    demo::set_active(&tx, ORGANISATION_ID, true).await?;
    tx.commit().await?;
    Ok(())
}

/// Keeps the demo organisation's users from signing in: a database that development has used may come to production, and
/// their password is known to everybody. Returns how many could until now.
///
/// # Errors
/// [`DemoError`].
pub async fn close(settings: &Settings) -> Result<u64, DemoError> {
    let tx = Database::new(settings, 1)?.tenant(ORGANISATION_ID).transaction().await?;
    let locked = demo::set_active(&tx, ORGANISATION_ID, false).await?;
    tx.commit().await?;
    Ok(locked)
}

/// An access token of the demo admin for a day, with a `jti` of its own.
///
/// # Errors
/// [`DemoError`].
pub async fn token(settings: &Settings) -> Result<String, DemoError> {
    open(settings).await?;
    issue(settings, ADMIN_ID, Role::Admin).await
}

/// An access token of a demo user.
pub(crate) async fn issue(settings: &Settings, user_id: Uuid, role: Role) -> Result<String, DemoError> {
    let key = AccessKey::new(&settings.auth.jwt_secret_key, &[]);
    let (of, jti, now) = ((user_id, ORGANISATION_ID), Uuid::new_v4(), OffsetDateTime::now_utc());
    let token = key.issue(of, role, jti, now, TOKEN_SECONDS).map_err(|_| DemoError::Keys)?;
    let tx = Database::new(settings, 1)?.tenant(ORGANISATION_ID).transaction().await?;
    let (kind, key_id) = (KeyKind::AccessTokens, key.signing_key_id());
    audit::record_key_use(&tx, ORGANISATION_ID, Uuid::now_v7(), kind, key_id).await?;
    tx.commit().await?;
    Ok(token)
}

async fn add_users(tx: &Transaction, settings: &Settings) -> Result<(), DemoError> {
    let passwords = Passwords::new(&settings.auth).ok_or(DemoError::Keys)?;
    let vault = Vault::new(&settings.auth.pii_encryption_key).ok_or(DemoError::Keys)?;
    let password_hash = passwords.hash(PASSWORD).await.map_err(|_| DemoError::Keys)?;
    for (id, email, full_name, role) in USERS {
        let full_name_encrypted = vault.encrypt(full_name);
        let user = NewUser {
            id,
            organisation_id: ORGANISATION_ID,
            email,
            password_hash: &password_hash,
            full_name_encrypted: &full_name_encrypted,
            role,
            has_joined: true,
        };
        users::insert(tx, &user).await?;
    }
    let transaction_id = Uuid::now_v7();
    let resource = ("organisation", ORGANISATION_ID.to_string());
    let made = AuditEvent::of_system(ORGANISATION_ID, transaction_id, "demo.create", resource);
    audit::record(tx, &[made]).await?;
    let (kind, key_id) = (KeyKind::PersonalData, vault.encrypting_key_id());
    Ok(audit::record_key_use(tx, ORGANISATION_ID, transaction_id, kind, key_id).await?)
}
