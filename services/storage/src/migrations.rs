//! Brings the database to the schema that this binary carries.

mod plan;

use std::collections::BTreeSet;
use std::time::Duration;

use firemode_domain::classification;
use firemode_domain::policy::POLICIES;
use firemode_runtime::settings::Settings;
use refinery::Migration;
use refinery_core::traits::r#async::{AsyncMigrate, AsyncQuery, AsyncTransaction};
use tokio_postgres::{Client, Transaction};
use uuid::Uuid;

use crate::database::{Database, connect_alone};
use crate::pooler::{self, PoolerError};
use crate::sqlstate::{self, Meaning};
use crate::{StorageError, look_alikes, policies, rules, sql};

pub use plan::{BYTES_PER_SECOND, Plan, Step, TableLock, Work, plan};

mod embedded {
    refinery::embed_migrations!("../../migrations");
}

/// A migration is tried so often where others use its tables, with a pause before each further time.
const ATTEMPTS_MAX: u32 = 50;
const PAUSE: Duration = Duration::from_secs(1);

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
    /// A pooler is in the way.
    #[error(transparent)]
    Pooler(#[from] PoolerError),
    /// A migration did not apply, or the applied ones differ from those in this binary.
    #[error("{}", described(.0))]
    Refinery(#[from] refinery::Error),
}

/// The schema version that this binary carries.
pub fn embedded_version() -> i32 {
    let runner = embedded::migrations::runner();
    runner.get_migrations().iter().map(Migration::version).max().unwrap_or_default()
}

/// The tables that migrations make: whatever else is in the schema is somebody else's.
pub(crate) fn tables() -> BTreeSet<String> {
    let runner = embedded::migrations::runner();
    let texts = runner.get_migrations().iter().filter_map(Migration::sql);
    let made = texts.flat_map(|sql| sql.split("create table ").skip(1));
    let name = |rest: &str| {
        let rest = rest.strip_prefix("if not exists ").unwrap_or(rest);
        rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default().to_owned()
    };
    made.map(name).collect()
}

/// Migrates on a connection of its own, notes which cluster the database lives in, gives keys to names that have none, and adds the
/// shipped rules that it does not have yet. Safe to run at any time from any number of instances: each of these steps is a transaction
/// under one lock, which ends with it.
///
/// # Errors
/// The database is unreachable, or a migration failed; it is then as it was before that migration.
pub async fn run(settings: &Settings) -> Result<Report, MigrationError> {
    pooler::check(settings).await?;
    let mut client = connect_alone(settings).await?;
    let before = version_of(&client).await?;
    // A database that is ahead belongs to a newer binary; this one may still serve it (see `compatible`).
    if before <= embedded_version() {
        client = apply(client).await?;
    }
    note_incarnation(&mut client).await?;
    look_alikes::fill(&mut client).await?;
    let (shipped, provenances) = (classification::shipped_rules(), classification::provenances());
    let rules_added = rules::install_shipped(&mut client, shipped, provenances).await?;
    let after = version_of(&client).await?;
    policies::record(&client, &POLICIES).await?;
    let role_past_row_security = role_past_row_security(&client).await?;
    Ok(Report { before, after, rules_added, role_past_row_security })
}

/// Applies what is missing. Where somebody else holds a table that a migration needs, it is let go and tried again after a while: those
/// who line up behind a migration that waits would wait with it.
async fn apply(client: Client) -> Result<Client, MigrationError> {
    let mut applier = Applier { client, in_use: Vec::new() };
    let mut attempt = 1;
    loop {
        let version = version_of(&applier.client).await?;
        let runner = embedded::migrations::runner().set_abort_missing(true).set_abort_divergent(true);
        let Err(error) = runner.run_async(&mut applier).await else { return Ok(applier.client) };
        // This run got on for a while, or another instance did.
        if version_of(&applier.client).await? > version {
            attempt = 1;
        } else if !is_in_the_way(&error) || attempt == ATTEMPTS_MAX {
            return Err(error.into());
        }
        tracing::warn!(
            error = described(&error),
            attempt,
            attempts_max = ATTEMPTS_MAX,
            "a migration waits for a table that is in use, or for another instance; it is tried again"
        );
        attempt += 1;
        tokio::time::sleep(PAUSE).await;
    }
}

/// Was somebody else in the way, and for a while only?
fn is_in_the_way(error: &refinery::Error) -> bool {
    let meaning = sqlstate::cause_of(error).map(Meaning::of);
    matches!(meaning, Some(Meaning::Busy | Meaning::Conflict))
}

/// Which migration failed, and what the database said.
fn described(error: &refinery::Error) -> String {
    let cause = sqlstate::cause_of(error).map(|cause| format!(": {}", sqlstate::described(cause)));
    format!("{error}{}", cause.unwrap_or_default())
}

/// Applies migrations one at a time over all instances.
struct Applier {
    client: Client,
    /// Tables that were in use when a migration came for them, the last one first. The next attempt begins with these.
    in_use: Vec<String>,
}

impl AsyncTransaction for Applier {
    type Error = tokio_postgres::Error;

    async fn execute<'a, T: Iterator<Item = &'a str> + Send + 'a>(
        &mut self,
        queries: T,
    ) -> Result<usize, Self::Error> {
        let tx = begin(&mut self.client).await?;
        let queries: Vec<&str> = queries.collect();
        let locks = queries.iter().flat_map(|query| plan::locks_of(query)).collect();
        lock_tables(&tx, locks, &mut self.in_use).await?;
        for query in &queries {
            tx.batch_execute(query).await?;
        }
        tx.commit().await?;
        Ok(queries.len())
    }
}

/// Locks the tables of a migration before it begins, so that it never waits for one while it changes another.
///
/// Whoever has one of them and wants another that is locked here already waits in a circle with us. PostgreSQL looks for circles after
/// `deadlock_timeout`, and ends whoever looks first. All waits together are shorter here, so that it is the migration that gives way. Those
/// who use the tables do so in an order of their own: what could not be had is asked for first the next time.
async fn lock_tables(
    tx: &Transaction<'_>,
    mut locks: Vec<TableLock>,
    in_use: &mut Vec<String>,
) -> Result<(), tokio_postgres::Error> {
    let parts = locks.len() + 2;
    tx.batch_execute(&format!(
        "select set_config('lock_timeout', (setting::int / {parts})::text, true) from pg_settings where name = 'deadlock_timeout'"
    ))
    .await?;
    locks.sort_by_key(|lock| in_use.iter().position(|table| *table == lock.table).unwrap_or(in_use.len()));
    for TableLock { table, mode, .. } in locks {
        if let Err(error) = tx.batch_execute(&format!("lock table {table} in {mode} mode")).await {
            in_use.retain(|other| *other != table);
            in_use.insert(0, table);
            return Err(error);
        }
    }
    Ok(())
}

impl AsyncQuery<Vec<Migration>> for Applier {
    async fn query(&mut self, query: &str) -> Result<Vec<Migration>, Self::Error> {
        AsyncQuery::query(&mut self.client, query).await
    }
}

impl AsyncMigrate for Applier {}

/// A transaction under the lock that lets one process of all appliances work on the schema, and what belongs to it, at a time. The lock
/// ends with it, as a pooler wants it, which gives the next transaction another connection.
pub(crate) async fn begin(client: &mut Client) -> Result<Transaction<'_>, tokio_postgres::Error> {
    let tx = client.transaction().await?;
    tx.batch_execute(&format!("select pg_advisory_xact_lock({LOCK_KEY})")).await?;
    Ok(tx)
}

async fn role_past_row_security(client: &Client) -> Result<Option<String>, StorageError> {
    let sql =
        "select rolname::text from pg_roles where rolname = current_user and (rolsuper or rolbypassrls)";
    Ok(client.query_typed_opt(sql, &[]).await?.map(|row| row.get(0)))
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
    let row =
        client.query_typed_one("select to_regclass('refinery_schema_history') is not null", &[]).await?;
    if !row.get::<_, bool>(0) {
        return Ok(0);
    }
    let row = client
        .query_typed_one("select coalesce(max(version), 0)::int from refinery_schema_history", &[])
        .await?;
    Ok(row.get(0))
}

/// Gives the database a new identity when it finds itself in another cluster than before: it was restored from a copy.
async fn note_incarnation(client: &mut Client) -> Result<(), StorageError> {
    let tx = begin(client).await?;
    tx.execute(
        "insert into database_incarnation (id, system_identifier, timeline, began_at, oldest_binary_version)
         select $1, system_identifier, database_timeline(), now(), $2 from pg_control_system()
         on conflict (only_row) do update
             set id = excluded.id, system_identifier = excluded.system_identifier, timeline = excluded.timeline,
                 began_at = excluded.began_at
             where database_incarnation.system_identifier <> excluded.system_identifier",
        &[&Uuid::new_v4(), &OLDEST_BINARY_VERSION],
    )
    .await?;
    tx.commit().await?;
    Ok(())
}
