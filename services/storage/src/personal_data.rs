//! Encrypted personal data of all organisations, for what is done to it as a whole: noticing a wrong key, counting what is
//! under which key, and re-encrypting. Which key is which, only the caller knows; here are ciphertexts.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Executor, StorageError, Transaction, sql};

/// Key of the advisory lock under which keys are compared and batches re-encrypted, one at a time across instances.
const LOCK_KEY: i64 = 0x4649_5245_4b45_5953;

/// A column that holds Fernet tokens. Its table has `organisation_id` and `id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    table: &'static str,
    name: &'static str,
}

/// Every column with encrypted personal data. A new one is appended, so that a re-encryption under way keeps its place.
pub const COLUMNS: &[Column] = &[
    Column { table: "users", name: "full_name_encrypted" },
    Column { table: "users", name: "phone_encrypted" },
    Column { table: "totp_factors", name: "secret_encrypted" },
    Column { table: "user_details", name: "display_name_encrypted" },
    Column { table: "building_parties", name: "contact_encrypted" },
];

/// One ciphertext and where it stands.
#[derive(Debug, Clone)]
pub struct Cell {
    /// The tenant.
    pub organisation_id: Uuid,
    /// The row.
    pub id: Uuid,
    /// The Fernet token.
    pub token: Vec<u8>,
}

/// A key that somebody needs.
#[derive(Debug, Clone)]
pub struct KnownKey {
    /// Its id.
    pub id: String,
    /// The known text under it.
    pub check_token: Vec<u8>,
    /// Nothing is under it any more.
    pub is_retired: bool,
}

/// How far a re-encryption has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reencryption {
    /// The key that it goes towards.
    pub key_id: String,
    /// Place of the present column in [`COLUMNS`].
    pub column_index: i32,
    /// The last row of that column that is done.
    pub after_id: Option<Uuid>,
    /// Values that were re-encrypted.
    pub rows_reencrypted: i64,
    /// Values under none of the keys.
    pub rows_unreadable: i64,
    /// When it ended, if it has.
    pub ended_at: Option<OffsetDateTime>,
}

/// Takes the lock until the transaction ends, waiting for it.
///
/// # Errors
/// The database does not answer, or another transaction holds it for longer than a statement may run.
pub async fn lock(tx: &Transaction) -> Result<(), StorageError> {
    tx.run("select pg_advisory_xact_lock($1)", &[&LOCK_KEY]).await?;
    Ok(())
}

/// Takes the lock until the transaction ends; false where another one has it.
///
/// # Errors
/// The database does not answer.
pub async fn try_lock(tx: &Transaction) -> Result<bool, StorageError> {
    Ok(sql::one(tx, "select pg_try_advisory_xact_lock($1)", &[&LOCK_KEY]).await?.get(0))
}

/// The keys that were ever used, the one of the newest start first.
///
/// # Errors
/// The database does not answer.
pub async fn known_keys(on: &impl Executor) -> Result<Vec<KnownKey>, StorageError> {
    let sql = "select key_id, check_token, retired_at is not null from personal_data_keys
               order by encrypts_since desc, key_id";
    let read = |row: tokio_postgres::Row| KnownKey {
        id: row.get(0),
        check_token: row.get(1),
        is_retired: row.get(2),
    };
    Ok(on.rows(sql, &[]).await?.into_iter().map(read).collect())
}

/// Notes that an instance which encrypts with this key has started. True where the key is new.
///
/// # Errors
/// The database does not answer.
pub async fn note_use(tx: &Transaction, id: &str, check_token: &[u8]) -> Result<bool, StorageError> {
    let sql = "insert into personal_data_keys (key_id, check_token) values ($1, $2)
               on conflict (key_id) do update set encrypts_since = clock_timestamp(), retired_at = null
               returning xmax = 0";
    Ok(sql::one(tx, sql, &[&id, &check_token]).await?.get(0))
}

/// Notes that nothing is under these keys any more.
///
/// # Errors
/// The database does not answer.
pub async fn retire(tx: &Transaction, ids: &[&str]) -> Result<(), StorageError> {
    let sql =
        "update personal_data_keys set retired_at = now() where key_id = any($1) and retired_at is null";
    tx.run(sql, &[&ids]).await?;
    Ok(())
}

/// The ciphertexts of a column after a row, at most `limit`, in the order of their ids.
///
/// # Errors
/// The database does not answer.
pub async fn cells_after(
    on: &impl Executor,
    column: Column,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Cell>, StorageError> {
    let Column { table, name } = column;
    let sql = format!(
        "select organisation_id, id, {name} from {table}
         where {name} is not null and ($1::uuid is null or id > $1) order by id limit $2"
    );
    let read =
        |row: tokio_postgres::Row| Cell { organisation_id: row.get(0), id: row.get(1), token: row.get(2) };
    Ok(on.rows(&sql, &[&after, &limit]).await?.into_iter().map(read).collect())
}

/// Puts another ciphertext into the place of one, unless something else stands there by now.
///
/// # Errors
/// The database does not answer.
pub async fn replace(
    tx: &Transaction,
    column: Column,
    cell: &Cell,
    token: &[u8],
) -> Result<bool, StorageError> {
    let Column { table, name } = column;
    let sql =
        format!("update {table} set {name} = $4 where organisation_id = $1 and id = $2 and {name} = $3");
    Ok(tx.run(&sql, &[&cell.organisation_id, &cell.id, &cell.token, &token]).await? == 1)
}

/// The re-encryption that is under way or was the last.
///
/// # Errors
/// The database does not answer.
pub async fn reencryption(on: &impl Executor) -> Result<Option<Reencryption>, StorageError> {
    let sql = "select key_id, column_index, after_id, rows_reencrypted, rows_unreadable, ended_at
               from personal_data_reencryption";
    let row = sql::optional(on, sql, &[]).await?;
    Ok(row.map(|row| Reencryption {
        key_id: row.get(0),
        column_index: row.get(1),
        after_id: row.get(2),
        rows_reencrypted: row.get(3),
        rows_unreadable: row.get(4),
        ended_at: row.get(5),
    }))
}

/// Begins one, in the place of the last.
///
/// # Errors
/// The database does not answer.
pub async fn begin(tx: &Transaction, key_id: &str) -> Result<Reencryption, StorageError> {
    tx.run("delete from personal_data_reencryption", &[]).await?;
    tx.run("insert into personal_data_reencryption (key_id) values ($1)", &[&key_id]).await?;
    reencryption(tx).await?.ok_or_else(|| StorageError::Damaged("a new row is not there".to_owned()))
}

/// Notes how far it has come.
///
/// # Errors
/// The database does not answer.
pub async fn keep(tx: &Transaction, progress: &Reencryption) -> Result<(), StorageError> {
    let sql = "update personal_data_reencryption
               set column_index = $1, after_id = $2, rows_reencrypted = $3, rows_unreadable = $4, ended_at = $5";
    let Reencryption { column_index, after_id, rows_reencrypted, rows_unreadable, ended_at, .. } = progress;
    tx.run(sql, &[column_index, after_id, rows_reencrypted, rows_unreadable, ended_at]).await?;
    Ok(())
}
