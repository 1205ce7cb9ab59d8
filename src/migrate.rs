//! `firemode migrate`: the schema, and what it would take to bring a database to it.

use std::io::{self, Write as _};
use std::process::ExitCode;

use firemode_identity::keys::{KeysError, check_at_start};
use firemode_operator::demo;
use firemode_runtime::settings::Settings;
use firemode_storage::migrations::{self, BYTES_PER_SECOND, MigrationError, Plan, TableLock, Work};
use firemode_storage::pooler::PoolerError;

use crate::operate::run as block_on;
use crate::roles::{Failure, configuration};
use crate::table::aligned;

/// Migrations would run.
const EXIT_PENDING: u8 = 5;

/// Migrates, and looks whether what was found in the database fits the settings.
pub(crate) fn run(settings: &Settings) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(migrations::run(settings)).map_err(|error| match error {
        MigrationError::Pooler(PoolerError::KeepsNoStatements | PoolerError::TooSmall) => {
            configuration(error)
        }
        _ => error.into(),
    })?;
    tracing::info!(
        before = report.before,
        after = report.after,
        rules_added = report.rules_added,
        "the database is migrated"
    );
    if let Some(role) = report.role_past_row_security {
        tracing::warn!(
            role,
            "PostgreSQL applies no row-level security to this role, so the second wall between tenants is missing; connect as an \
             ordinary role that owns the database (see docs/deployment.md)"
        );
    }
    runtime.block_on(check_at_start(settings)).map_err(|error| match error {
        KeysError::Storage(_) => Failure::from(error),
        KeysError::Missing { .. } | KeysError::Unusable => configuration(error),
    })?;
    if settings.is_production() {
        let locked = runtime.block_on(demo::close(settings))?;
        if locked > 0 {
            tracing::warn!(
                locked,
                "users of the demo organisation can no longer sign in: this is production"
            );
        }
    } else {
        runtime.block_on(demo::open(settings))?;
    }
    Ok(())
}

/// Prints what a run would do. Ends with 5 where that is something.
pub(crate) fn plan(settings: &Settings) -> anyhow::Result<ExitCode> {
    let Plan { before, embedded, steps } = block_on(migrations::plan(settings))??;
    let mut out = io::stdout();
    if steps.is_empty() {
        writeln!(
            out,
            "The database is at version {before}, this executable at {embedded}: nothing would run."
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "The database is at version {before}; this executable brings it to {embedded}.\n")?;
    let head = ["MIGRATION", "TABLE", "LOCK", "WHO WAITS", "WORK", "SIZE", "ABOUT"];
    let mut rows = vec![head.map(str::to_owned)];
    for step in &steps {
        let name = format!("{} {}", step.version, step.name);
        match step.locks.as_slice() {
            [] => rows.push([&name, "-", "-", "nobody", "-", "-", "-"].map(str::to_owned)),
            locks => rows.extend(locks.iter().map(|lock| row(&name, lock))),
        }
    }
    out.write_all(aligned(&rows).as_bytes())?;
    writeln!(
        out,
        "\nEach migration is one transaction: it holds all of its locks until all of its work is done. Times are for {} MiB a second.",
        BYTES_PER_SECOND >> 20
    )?;
    Ok(ExitCode::from(EXIT_PENDING))
}

fn row(migration: &str, lock: &TableLock) -> [String; 7] {
    let work = match lock.work {
        Work::Catalogue => "catalogue",
        Work::Reads => "reads all rows",
        Work::Rewrites => "writes all rows",
    };
    let time = match lock.seconds() {
        0 => "a moment".to_owned(),
        seconds => format!("{seconds} s"),
    };
    [
        migration.to_owned(),
        lock.table.clone(),
        lock.mode.clone(),
        lock.who_waits().to_owned(),
        work.to_owned(),
        format!("{} KiB", lock.bytes.div_ceil(1 << 10)),
        time,
    ]
}
