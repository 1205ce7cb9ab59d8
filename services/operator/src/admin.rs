//! An organisation with its first admin, made by the operator: production keeps registration closed.

use data_encoding::BASE32_NOPAD;
use firemode_domain::audit::AuditEvent;
use firemode_domain::input::{self, Email, Line};
use firemode_domain::password::{self, Weakness};
use firemode_domain::role::Role;
use firemode_identity::{Passwords, Vault};
use firemode_runtime::settings::Settings;
use firemode_storage::audit::{self, KeyKind};
use firemode_storage::users::{self, NewUser};
use firemode_storage::{Database, StorageError, demo};
use uuid::Uuid;

/// Random bytes of a password that is made here: 160 bits, 32 characters.
const PASSWORD_BYTES: usize = 20;

/// Whom to make.
#[derive(Debug, Clone)]
pub struct FirstAdmin {
    /// Name of the organisation, 1 to 200 characters.
    pub organisation: String,
    /// Address to sign in with.
    pub email: String,
    /// Full name, 1 to 200 characters.
    pub full_name: String,
    /// None to have one made.
    pub password: Option<String>,
}

/// What was made.
#[derive(Debug, Clone)]
pub struct Created {
    pub organisation_id: Uuid,
    /// The admin.
    pub user_id: Uuid,
    /// The password, where it was made here. It is stored nowhere.
    pub password: Option<String>,
}

/// Why nobody was made.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// An address has one account in the whole database.
    #[error("there is an account with this email address; nothing was changed")]
    EmailTaken,
    /// A name is empty, too long, or has what nobody can see.
    #[error("{0} {1}")]
    Name(&'static str, String),
    /// That is no address.
    #[error("'{0}': an email address {1}")]
    Email(String, String),
    /// It would be guessed.
    #[error("the password {0}")]
    Weak(#[from] Weakness),
    /// The database is not there, or not as it should be.
    #[error("the database fails; is FireMode running, with this FIREMODE_DATA_DIR or DATABASE_URL?")]
    Database(#[from] StorageError),
    /// The database has no schema yet.
    #[error("the database is not migrated yet; start FireMode first, or run `firemode migrate`")]
    NotMigrated,
    /// A key or the source of randomness does not work.
    #[error("auth.pii_encryption_key, the costs of passwords, or the system's randomness do not work")]
    Keys,
}

impl AdminError {
    /// Is it what was asked for that does not work, and not the appliance?
    pub fn is_about_input(&self) -> bool {
        matches!(self, Self::Name(..) | Self::Email(..) | Self::Weak(_))
    }
}

/// Makes an organisation and its admin, who can sign in at once.
///
/// # Errors
/// [`AdminError`]; nothing was changed then.
pub async fn create(settings: &Settings, admin: FirstAdmin) -> Result<Created, AdminError> {
    let FirstAdmin { organisation, email, full_name, password } = admin;
    let organisation = name("the organisation", organisation)?;
    let full_name = name("the name", full_name)?;
    let email = Email::parse(&email).map_err(|why| AdminError::Email(email, why))?;
    let (password, generated) = match password {
        Some(password) => (password, None),
        None => {
            let password = random_password()?;
            (password.clone(), Some(password))
        }
    };
    password::check(&password, &[&email, &full_name, &organisation])?;
    let passwords = Passwords::new(&settings.auth).ok_or(AdminError::Keys)?;
    let vault = Vault::new(&settings.auth.pii_encryption_key).ok_or(AdminError::Keys)?;
    let password_hash = passwords.hash(&password).await.map_err(|_| AdminError::Keys)?;
    let (organisation_id, user_id) = (Uuid::now_v7(), Uuid::now_v7());
    let new = NewUser {
        id: user_id,
        organisation_id,
        email: &email,
        password_hash: &password_hash,
        full_name_encrypted: &vault.encrypt(&full_name),
        role: Role::Admin,
        has_joined: true,
    };
    let database = Database::new(settings, 1)?;
    if !demo::is_migrated(&database.without_tenant().read().await?).await? {
        return Err(AdminError::NotMigrated);
    }
    let tx = database.tenant(organisation_id).transaction().await?;
    users::insert_organisation(&tx, &organisation, &new)
        .await
        .map_err(|error| if users::is_email_taken(&error) { AdminError::EmailTaken } else { error.into() })?;
    let transaction_id = Uuid::now_v7();
    let resource = ("user", user_id.to_string());
    // By the system: an operator has no account.
    let made = AuditEvent::of_system(organisation_id, transaction_id, "admin.create", resource);
    audit::record(&tx, &[made]).await?;
    let (kind, key_id) = (KeyKind::PersonalData, vault.encrypting_key_id());
    audit::record_key_use(&tx, organisation_id, transaction_id, kind, key_id).await?;
    tx.commit().await?;
    Ok(Created { organisation_id, user_id, password: generated })
}

fn name(what: &'static str, sent: String) -> Result<Line<200>, AdminError> {
    input::read(sent.into())
        .map_err(|faults| AdminError::Name(what, faults.into_iter().map(|fault| fault.message).collect()))
}

fn random_password() -> Result<String, AdminError> {
    let mut bytes = [0; PASSWORD_BYTES];
    getrandom::fill(&mut bytes).map_err(|_| AdminError::Keys)?;
    Ok(BASE32_NOPAD.encode(&bytes).to_lowercase())
}
