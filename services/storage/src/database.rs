//! The pool of connections.

use std::time::{Duration, Instant};

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts};
use firemode_runtime::settings::Settings;
use tokio_postgres::NoTls;
use tracing::Instrument as _;

use crate::database_address::Address;
use crate::{StorageError, spans};

/// How long a new connection may take to be made.
const CONNECT_SECONDS_MAX: u64 = 5;

/// The database as one process of the appliance sees it.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
    statement_milliseconds_max: u64,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("status", &self.pool.status()).finish()
    }
}

/// What a pool is doing.
#[derive(Debug, Clone, Copy)]
pub struct PoolFigures {
    /// Connections that exist.
    pub connections: usize,
    /// Most connections that may exist.
    pub connections_max: usize,
    /// Connections that nobody uses right now.
    pub idle: usize,
    /// Requests that wait for one.
    pub waiting: usize,
}

impl Database {
    /// Makes a pool of at most `connections_max`. Connections are made when they are needed, so this works while the
    /// database is still starting.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] where the URL cannot be read.
    pub fn new(settings: &Settings, connections_max: usize) -> Result<Self, StorageError> {
        let Address { config, tls } = address(settings)?;
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = match tls {
            Some(tls) => Manager::from_config(config, tls, recycling),
            None => Manager::from_config(config, NoTls, recycling),
        };
        let wait = Duration::from_secs(settings.database.wait_seconds_max);
        let statement_milliseconds_max = settings.database.statement_seconds_max * 1000;
        let pool = Pool::builder(manager)
            .max_size(connections_max)
            .runtime(Runtime::Tokio1)
            .timeouts(Timeouts { wait: Some(wait), create: Some(wait), recycle: Some(wait) })
            .build()
            .map_err(|error| StorageError::Unavailable(error.to_string()))?;
        Ok(Self { pool, statement_milliseconds_max })
    }

    /// A connection, waiting for a free one up to `database.wait_seconds_max`. It comes without any settings of its own, since a
    /// pooler in between may give each transaction another server connection: a transaction begins with what it needs.
    pub(crate) async fn connection(&self) -> Result<deadpool_postgres::Client, StorageError> {
        Ok(self.pool.get().instrument(spans::waiting_for_connection()).await?)
    }

    /// How long a statement may run.
    pub(crate) fn statement_milliseconds_max(&self) -> u64 {
        self.statement_milliseconds_max
    }

    /// Median time of five `SELECT 1` on one connection: what a trivial statement costs now.
    ///
    /// # Errors
    /// No connection, or it broke.
    pub async fn latency(&self) -> Result<Duration, StorageError> {
        let tx = self.without_tenant().read().await?;
        let mut times = [Duration::ZERO; 5];
        for time in &mut times {
            let start = Instant::now();
            tx.client().simple_query("select 1").await?;
            *time = start.elapsed();
        }
        times.sort();
        Ok(times[2])
    }

    /// What the pool is doing now.
    pub fn figures(&self) -> PoolFigures {
        let status = self.pool.status();
        PoolFigures {
            connections: status.size,
            connections_max: status.max_size,
            idle: status.available,
            waiting: status.waiting,
        }
    }
}

/// One connection outside any pool, for work that holds session state: migrations under their advisory lock.
///
/// # Errors
/// The database cannot be reached.
pub(crate) async fn connect_alone(settings: &Settings) -> Result<tokio_postgres::Client, StorageError> {
    let Address { config, tls } = address(settings)?;
    if let Some(tls) = tls {
        let (client, connection) = config.connect(tls).await.map_err(unavailable)?;
        drive(connection);
        Ok(client)
    } else {
        let (client, connection) = config.connect(NoTls).await.map_err(unavailable)?;
        drive(connection);
        Ok(client)
    }
}

fn drive(connection: impl Future<Output = Result<(), tokio_postgres::Error>> + Send + 'static) {
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::warn!(%error, "database connection ended");
        }
    });
}

fn unavailable(error: tokio_postgres::Error) -> StorageError {
    use std::error::Error as _;
    let cause = error.source().map(|source| format!(": {source}")).unwrap_or_default();
    StorageError::Unavailable(format!("{error}{cause}"))
}

fn address(settings: &Settings) -> Result<Address, StorageError> {
    let mut address = Address::of(settings)
        .map_err(|(setting, message)| StorageError::Unavailable(format!("{setting} {message}")))?;
    address.config.application_name("firemode");
    if address.config.get_connect_timeout().is_none() {
        address.config.connect_timeout(Duration::from_secs(CONNECT_SECONDS_MAX));
    }
    Ok(address)
}
