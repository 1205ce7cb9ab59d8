//! What a migration would do to a database that is in use: which tables it locks, how strongly, and what it has to read meanwhile.
//!
//! The locks are those that PostgreSQL took when each migration ran on the schema before it, as `migrations/locks.csv` has them; a test
//! runs all of them and holds the file against what it sees. So a plan locks nothing itself, and needs no more than to read the catalogue.

use std::time::Duration;

use firemode_runtime::settings::Settings;
use refinery::Migration;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::{embedded, version_of};
use crate::StorageError;
use crate::database::connect_alone;

/// `version,table,lock,work`, a line for each table that a migration finds and locks.
const LOCKS: &str = include_str!("../../../../migrations/locks.csv");

/// A plan waits so long for a table whose size is asked for.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// So much of a table is read in a second at least: what a plan's times are reckoned by.
pub const BYTES_PER_SECOND: u64 = 50 << 20;

/// The migrations that a run would apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Schema version now.
    pub before: i32,
    /// Schema version of this executable.
    pub embedded: i32,
    /// What would be applied, in this order.
    pub steps: Vec<Step>,
}

/// One migration, which is one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its version.
    pub version: i32,
    /// What it is about.
    pub name: String,
    /// What it locks of the tables that there are now; those that a migration before it makes are nobody's yet.
    pub locks: Vec<TableLock>,
}

/// A table, and how it is locked until the transaction ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableLock {
    /// The table.
    pub table: String,
    /// The mode, as PostgreSQL's manual names it.
    pub mode: String,
    /// What is done to it.
    pub work: Work,
    /// Its size, with its indexes where they are made again.
    pub bytes: u64,
}

/// What a migration does to a table, which says how long it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// The catalogue changes, or rows that are found by an index.
    Catalogue,
    /// Every row is read.
    Reads,
    /// Every row and every index is written again.
    Rewrites,
}

impl TableLock {
    /// Who waits for it.
    pub fn who_waits(&self) -> &'static str {
        match self.mode.as_str() {
            "access exclusive" => "readers and writers",
            "exclusive" | "share row exclusive" | "share" => "writers",
            "row exclusive" => "writers of the same rows",
            _ => "nobody",
        }
    }

    /// About how long its work takes; 0: a moment.
    pub fn seconds(&self) -> u64 {
        match self.work {
            Work::Catalogue => 0,
            Work::Reads | Work::Rewrites => self.bytes / BYTES_PER_SECOND,
        }
    }
}

/// Looks what a run would do. Changes nothing.
///
/// # Errors
/// The database is unreachable, or somebody holds a table's catalogue.
pub async fn plan(settings: &Settings) -> Result<Plan, StorageError> {
    let client = connect_alone(settings).await?;
    // Who asks for the size of a table that somebody has locked waits for it.
    let begin = format!("begin read only; set local lock_timeout = {}", WAIT_MAX.as_millis());
    client.batch_execute(&begin).await?;
    let before = version_of(&client).await?;
    let mut steps: Vec<Step> = embedded::migrations::runner()
        .get_migrations()
        .iter()
        .filter(|migration| migration.version() > before)
        .map(step)
        .collect();
    steps.sort_by_key(|step| step.version);
    for step in &mut steps {
        let mut present = Vec::with_capacity(step.locks.len());
        for lock in step.locks.drain(..) {
            if let Some(bytes) = size(&client, &lock).await? {
                present.push(TableLock { bytes, ..lock });
            }
        }
        step.locks = present;
    }
    Ok(Plan { before, embedded: super::embedded_version(), steps })
}

/// The tables that the migration with this text finds and locks; none for another statement.
pub(super) fn locks_of(text: &str) -> Vec<TableLock> {
    let runner = embedded::migrations::runner();
    let migration = runner.get_migrations().iter().find(|migration| migration.sql() == Some(text));
    migration.map(|migration| step(migration).locks).unwrap_or_default()
}

fn step(migration: &Migration) -> Step {
    let version = migration.version();
    let of_version = |line: &str| {
        let [of, table, mode, work] = line.split(',').collect::<Vec<_>>().try_into().ok()?;
        let work = match work {
            "rewrites" => Work::Rewrites,
            "reads" => Work::Reads,
            _ => Work::Catalogue,
        };
        (of == version.to_string()).then(|| TableLock {
            table: table.to_owned(),
            mode: mode.to_owned(),
            work,
            bytes: 0,
        })
    };
    let locks = LOCKS.lines().filter_map(of_version).collect();
    Step { version, name: migration.name().replace('_', " "), locks }
}

/// None where there is no such table.
async fn size(client: &Client, lock: &TableLock) -> Result<Option<u64>, StorageError> {
    let of = match lock.work {
        Work::Rewrites => "pg_total_relation_size",
        Work::Catalogue | Work::Reads => "pg_table_size",
    };
    let sql = format!("select {of}(to_regclass($1))");
    let row = client.query_typed_one(&sql, &[(&lock.table, Type::TEXT)]).await?;
    Ok(row.get::<_, Option<i64>>(0).map(i64::unsigned_abs))
}
