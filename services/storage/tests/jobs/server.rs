//! A migrated database for one test.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use firemode_runtime::data_dir::EmbeddedDatabase;
use firemode_runtime::settings::{Environ, Settings};
use firemode_storage::jobs::{self, Claimed, Ending, Hold, JobState, KindLimits, Renewed, Round};
use firemode_storage::{Database, Purpose, migrations};
use firemode_supervisor::TemporaryPostgres;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Row};
use uuid::Uuid;

/// So long is a job held.
pub(crate) const HOLD: Duration = Duration::from_secs(350);

/// A database server that ends with the test.
pub(crate) struct Server {
    pub(crate) runtime: Runtime,
    pub(crate) database: Database,
    sql: Client,
    _postgres: TemporaryPostgres,
    folder: TempDir,
}

impl Server {
    /// Starts it on the test's own thread, with which it ends.
    pub(crate) fn start() -> Self {
        // PostgreSQL's unprivileged user must be able to pass through.
        let folder = tempfile::Builder::new()
            .prefix("fm-")
            .permissions(Permissions::from_mode(0o755))
            .tempdir()
            .unwrap();
        let path = folder.path().to_str().unwrap().to_owned();
        let env: Environ = [("FIREMODE_DATA_DIR".to_owned(), path)].into_iter().collect();
        let settings = Settings::load(&env).unwrap();
        let postgres = TemporaryPostgres::start(&settings).unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(migrations::run(&settings)).unwrap();
        let (database, sql) = (Database::new(&settings, 8).unwrap(), connect(&runtime, &folder));
        Self { runtime, database, sql, _postgres: postgres, folder }
    }

    /// One more connection that sees everything.
    pub(crate) fn connect(&self) -> Client {
        connect(&self.runtime, &self.folder)
    }

    pub(crate) fn rows(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Vec<Row> {
        self.runtime.block_on(self.query(sql, params))
    }

    /// The same within the runtime.
    pub(crate) async fn query(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Vec<Row> {
        self.sql.query(sql, params).await.unwrap()
    }

    pub(crate) fn organisation(&self) -> Uuid {
        let id = Uuid::now_v7();
        self.rows("insert into organisations (id, name) values ($1, 'One of the test')", &[&id]);
        id
    }

    /// Lets time pass for all jobs.
    pub(crate) fn pass(&self, time: Duration) {
        let sql = "update jobs set due_at = due_at - make_interval(secs => $1), deadline_at = deadline_at - make_interval(secs => $1)";
        self.rows(sql, &[&time.as_secs_f64()]);
    }
}

fn connect(runtime: &Runtime, folder: &TempDir) -> Client {
    let url = EmbeddedDatabase::of(folder.path()).unwrap().url();
    runtime.block_on(async {
        let (sql, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        sql.batch_execute("set firemode.purpose = 'operator'").await.unwrap();
        sql
    })
}

/// One claim.
pub(crate) async fn claim(database: &Database, kinds: &[KindLimits], jobs_max: usize) -> Round {
    let tx = database.across_tenants(Purpose::Work).transaction().await.unwrap();
    jobs::claim(tx, kinds, jobs_max, HOLD).await.unwrap()
}

/// Renews holds.
pub(crate) async fn renew(database: &Database, holds: &[Hold]) -> Vec<Renewed> {
    let tx = database.across_tenants(Purpose::Work).transaction().await.unwrap();
    let holds: Vec<_> = holds.iter().map(|hold| (*hold, 0.5)).collect();
    let renewed = jobs::renew(&tx, &holds, HOLD).await.unwrap();
    tx.commit().await.unwrap();
    renewed
}

/// Ends the work on a job.
pub(crate) async fn end(database: &Database, hold: Hold, ending: Ending<'_>) -> Option<JobState> {
    let tx = database.across_tenants(Purpose::Work).transaction().await.unwrap();
    let state = jobs::end(&tx, hold, ending).await.unwrap();
    tx.commit().await.unwrap();
    state
}

/// The jobs that were claimed, by their ids.
pub(crate) fn ids(claimed: &[Claimed]) -> Vec<Uuid> {
    claimed.iter().map(|job| job.hold.job_id).collect()
}
