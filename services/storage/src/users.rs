//! Organisations and their users.

use firemode_domain::role::Role;
use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{Executor, StorageError, Transaction, sql};

/// A user with what signing in needs.
#[derive(Debug, Clone)]
pub struct User {
    /// The user's id.
    pub id: Uuid,
    /// The user's organisation.
    pub organisation_id: Uuid,
    /// The organisation's name.
    pub organisation_name: String,
    /// Lower-case address.
    pub email: String,
    /// Argon2 hash in PHC form.
    pub password_hash: String,
    /// Fernet token of the full name.
    pub full_name_encrypted: Vec<u8>,
    /// What the user may do.
    pub role: Role,
    /// A user who is not active cannot sign in.
    pub is_active: bool,
    /// When the account was made.
    pub created_at: OffsetDateTime,
}

/// A user to be made.
#[derive(Debug)]
pub struct NewUser<'a> {
    /// The new id.
    pub id: Uuid,
    /// The organisation.
    pub organisation_id: Uuid,
    /// Lower-case address.
    pub email: &'a str,
    /// Argon2 hash in PHC form.
    pub password_hash: &'a str,
    /// Fernet token of the full name.
    pub full_name_encrypted: &'a [u8],
    /// What the user may do.
    pub role: Role,
}

/// The constraint that refuses a second account with one address.
pub const EMAIL_TAKEN: &str = "idx_users_email";

/// Makes an organisation.
///
/// # Errors
/// The database does not answer.
pub async fn insert_organisation(tx: &Transaction, id: Uuid, name: &str) -> Result<(), StorageError> {
    tx.run("insert into organisations (id, name) values ($1, $2)", &[&id, &name]).await?;
    Ok(())
}

/// Makes a user.
///
/// # Errors
/// [`EMAIL_TAKEN`] as constraint, or the database does not answer.
pub async fn insert(tx: &Transaction, user: &NewUser<'_>) -> Result<(), StorageError> {
    tx.run(
        "insert into users (id, organisation_id, email, password_hash, full_name_encrypted, role)
         values ($1, $2, $3, $4, $5, $6)",
        &[
            &user.id,
            &user.organisation_id,
            &user.email,
            &user.password_hash,
            &user.full_name_encrypted,
            &user.role.as_str(),
        ],
    )
    .await?;
    Ok(())
}

const SELECT: &str =
    "select u.id, u.organisation_id, o.name, u.email, u.password_hash, u.full_name_encrypted, u.role,
                             u.is_active, u.created_at
                      from users u join organisations o on o.id = u.organisation_id";

/// Finds a user by address. This is the one look-up without an organisation: signing in is how one becomes known.
///
/// # Errors
/// The database does not answer.
pub async fn find_by_email(on: &impl Executor, email: &str) -> Result<Option<User>, StorageError> {
    sql::optional(on, &format!("{SELECT} where u.email = $1"), &[&email]).await?.map(read).transpose()
}

/// Finds a user of an organisation.
///
/// # Errors
/// The database does not answer.
pub async fn find(on: &impl Executor, organisation_id: Uuid, id: Uuid) -> Result<Option<User>, StorageError> {
    let sql = format!("{SELECT} where u.organisation_id = $1 and u.id = $2");
    sql::optional(on, &sql, &[&organisation_id, &id]).await?.map(read).transpose()
}

fn read(row: Row) -> Result<User, StorageError> {
    let role: String = row.get(6);
    Ok(User {
        id: row.get(0),
        organisation_id: row.get(1),
        organisation_name: row.get(2),
        email: row.get(3),
        password_hash: row.get(4),
        full_name_encrypted: row.get(5),
        role: role.parse().map_err(|_| StorageError::Damaged(format!("unknown role '{role}'")))?,
        is_active: row.get(7),
        created_at: row.get(8),
    })
}
