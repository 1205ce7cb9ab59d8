//! Brings the database to the schema that this binary carries.

use firemode_domain::classification;
use firemode_runtime::settings::Settings;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::database::{Database, connect_alone};
use crate::{StorageError, look_alikes, rules, sql};

mod embedded {
    refinery::embed_migrations!("../../migrations");
}

/// Key of the advisory lock that lets one process of all appliances migrate at a time; refinery takes none itself.
const LOCK_KEY: i64 = 0x4649_5245_4d4f_4445;

/// The oldest schema version of a binary that may serve this schema: from here on a transaction says whose rows it wants.
const OLDEST_BINARY_VERSION: i32 = 9;

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Schema version before.
    pub before: i32,
    /// Schema version after.
    pub after: i32,
    /// Shipped rules that were new.
    pub rules_added: u64,
    /// The role that FireMode connects as, where PostgreSQL does not apply row-level security to it: a superuser, or one with
    /// `BYPASSRLS`. Nothing then stands behind the statements' own conditions.
    pub role_past_row_security: Option<String>,
}

/// Migrations failed.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The database does not answer, or refused something.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A migration did not apply, or the applied ones differ from those in this binary.
    #[error("{0}")]
    Refinery(#[from] refinery::Error),
}

/// The schema version that this binary carries.
pub fn embedded_version() -> i32 {
    let runner = embedded::migrations::runner();
    runner.get_migrations().iter().map(refinery::Migration::version).max().unwrap_or_default()
}

/// Migrates under a lock on a connection of its own, notes which cluster the database lives in, gives keys to names that have
/// none, and adds the shipped rules that it does not have yet. Safe to run at any time from any number of instances.
///
/// # Errors
/// The database is unreachable, or a migration failed; it is then as it was before that migration.
pub async fn run(settings: &Settings) -> Result<Report, MigrationError> {
    let mut client = connect_alone(settings).await?;
    client.execute("select pg_advisory_lock($1)", &[&LOCK_KEY]).await.map_err(StorageError::from)?;
    let before = version_of(&client).await?;
    let mut runner = embedded::migrations::runner();
    // A database that is ahead belongs to a newer binary; this one may still serve it (see `compatible`).
    if before <= embedded_version() {
        runner = runner.set_abort_missing(true).set_abort_divergent(true);
        runner.run_async(&mut client).await?;
    }
    note_incarnation(&client).await?;
    look_alikes::fill(&mut client).await?;
    let rules_added = rules::install_shipped(&mut client, classification::shipped_rules()).await?;
    let after = version_of(&client).await?;
    let role_past_row_security = role_past_row_security(&client).await?;
    Ok(Report { before, after, rules_added, role_past_row_security })
}

async fn role_past_row_security(client: &Client) -> Result<Option<String>, StorageError> {
    let sql =
        "select rolname::text from pg_roles where rolname = current_user and (rolsuper or rolbypassrls)";
    Ok(client.query_opt(sql, &[]).await?.map(|row| row.get(0)))
}

/// Brings an empty database, or an older one, to an earlier version than the newest: that of a dump to be loaded.
pub(crate) async fn run_to(client: &mut Client, version: i32) -> Result<(), MigrationError> {
    let target = refinery::Target::Version(version);
    embedded::migrations::runner().set_target(target).run_async(client).await?;
    Ok(())
}

/// Is the database at the version that this binary carries, or at a later one that still serves it?
///
/// # Errors
/// The database does not answer.
pub async fn compatible(database: &Database) -> Result<bool, StorageError> {
    let tx = database.without_tenant().read().await?;
    let known = "select to_regclass('refinery_schema_history') is not null
                    and to_regclass('database_incarnation') is not null";
    let migrated: bool = sql::one(&tx, known, &[]).await?.get(0);
    if !migrated {
        return Ok(false);
    }
    let row = sql::one(
        &tx,
        "select coalesce((select max(version) from refinery_schema_history), 0)::int,
                coalesce((select oldest_binary_version from database_incarnation), 0)",
        &[],
    )
    .await?;
    let (version, oldest): (i32, i32) = (row.get(0), row.get(1));
    // No incarnation row yet means that a first migration is still on its way.
    Ok(oldest > 0 && version >= embedded_version() && embedded_version() >= oldest)
}

pub(crate) async fn version_of(client: &Client) -> Result<i32, StorageError> {
    let row = client.query_one("select to_regclass('refinery_schema_history') is not null", &[]).await?;
    if !row.get::<_, bool>(0) {
        return Ok(0);
    }
    let row =
        client.query_one("select coalesce(max(version), 0)::int from refinery_schema_history", &[]).await?;
    Ok(row.get(0))
}

/// Gives the database a new identity when it finds itself in another cluster than before: it was restored from a copy.
async fn note_incarnation(client: &Client) -> Result<(), StorageError> {
    client
        .execute(
            "insert into database_incarnation (id, system_identifier, began_at, oldest_binary_version)
             select $1, system_identifier, now(), $2 from pg_control_system()
             on conflict (only_row) do update
                 set id = excluded.id, system_identifier = excluded.system_identifier, began_at = excluded.began_at
                 where database_incarnation.system_identifier <> excluded.system_identifier",
            &[&Uuid::new_v4(), &OLDEST_BINARY_VERSION],
        )
        .await?;
    Ok(())
}
