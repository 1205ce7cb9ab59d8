//! The pool of connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use deadpool_postgres::{
    Client, ClientWrapper, Hook, Manager, ManagerConfig, Metrics, Pool, RecyclingMethod, Runtime, Timeouts,
};
use firemode_runtime::settings::Settings;
use futures_util::FutureExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_postgres::NoTls;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::database_address::{Address, Fault};
use crate::lineage::{History, Lineage};
use crate::pulse::Pulse;
use crate::reach::Reach;
use crate::sql::ParameterTypes;
use crate::sqlstate::described;
use crate::writes::Writes;
use crate::{StorageError, spans};

/// How long a new connection may take to be made.
const CONNECT_SECONDS_MAX: u64 = 5;

/// How long a connection keeps the plans of its statements.
const PLAN_SECONDS_MAX: u64 = 30;

/// A connection on which nothing is said is asked for a sign of life after this, so often, and at such intervals; and what was sent
/// may go without an acknowledgement for so long.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_RETRIES: u32 = 3;
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(3);
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(10);

/// What PostgreSQL and the driver take where nothing is said.
const KEEPALIVE_IDLE_OF_DRIVER: Duration = Duration::from_secs(2 * 60 * 60);

/// The database as one process of the appliance sees it.
#[derive(Clone)]
pub struct Database(Arc<Shared>);

struct Shared {
    pool: Pool,
    reach: Arc<Reach>,
    /// Where statements are not prepared on each connection.
    types: Option<ParameterTypes>,
    statement_time_max: Duration,
    history: Arc<History>,
    pulse: Pulse,
    writes: Writes,
    /// Turns of those who write for a tenant: one connection in four is for everybody else, who reads, signs in, or asks whether the
    /// database is well.
    writers: Arc<Semaphore>,
    /// How many wait for such a turn.
    waiting_to_write: AtomicUsize,
    wait_max: Duration,
}

/// One who waits, for as long as it does.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn among(all: &'a AtomicUsize) -> Self {
        all.fetch_add(1, Ordering::Relaxed);
        Self(all)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("status", &self.0.pool.status()).finish()
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
    /// Requests that wait for one, or for a turn to write.
    pub waiting: usize,
}

impl Database {
    /// Makes a pool of at most `connections_max`. Connections are made when they are needed, so this works while the
    /// database is still starting.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] where the URL cannot be read.
    pub fn new(settings: &Settings, connections_max: usize) -> Result<Self, StorageError> {
        let address = named(Address::of(settings))?;
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = match &address.tls {
            Some(tls) => Manager::from_config(address.config.clone(), tls.clone(), recycling),
            None => Manager::from_config(address.config.clone(), NoTls, recycling),
        };
        let wait = Duration::from_secs(settings.database.wait_seconds_max);
        let statement_time_max = Duration::from_secs(settings.database.statement_seconds_max);
        let history = Arc::new(History::default());
        let pool = Pool::builder(manager)
            .max_size(connections_max)
            .post_create(look_at_history(&history))
            .pre_recycle(Hook::sync_fn(|client, metrics| {
                forget_old_plans(client, metrics);
                Ok(())
            }))
            .runtime(Runtime::Tokio1)
            .timeouts(Timeouts { wait: Some(wait), create: Some(wait), recycle: Some(wait) })
            .build()
            .map_err(|error| StorageError::Unavailable(error.to_string()))?;
        let reach = Arc::new(Reach::new(address, pool.clone(), statement_time_max));
        let types = (!settings.database.prepared_statements).then(ParameterTypes::default);
        let writers = Arc::new(Semaphore::new(connections_max - connections_max / 4));
        Ok(Self(Arc::new(Shared {
            pool,
            reach,
            types,
            statement_time_max,
            history,
            pulse: Pulse::default(),
            writes: Writes::default(),
            writers,
            waiting_to_write: AtomicUsize::new(0),
            wait_max: wait,
        })))
    }

    /// A connection, waiting for a free one up to `database.wait_seconds_max`. It comes without any settings of its own, since a
    /// pooler in between may give each transaction another server connection: a transaction begins with what it needs.
    pub(crate) async fn connection(&self) -> Result<Client, StorageError> {
        if self.0.reach.is_silent() {
            return Err(StorageError::silent());
        }
        let client = self.0.pool.get().instrument(spans::waiting_for_connection());
        Ok(self.0.reach.reached(client).await.ok_or_else(StorageError::silent)??)
    }

    /// Waits until somebody who writes may have a connection, as long as one is waited for.
    pub(crate) async fn turn_to_write(&self) -> Result<OwnedSemaphorePermit, StorageError> {
        let _waiting = Waiting::among(&self.0.waiting_to_write);
        let turn = timeout(self.0.wait_max, Arc::clone(&self.0.writers).acquire_owned()).await;
        let none = || StorageError::Unavailable("too many transactions write".to_owned());
        turn.ok().and_then(Result::ok).ok_or_else(none)
    }

    /// How long a statement may run.
    pub(crate) fn statement_time_max(&self) -> Duration {
        self.0.statement_time_max
    }

    /// What has been seen of its history.
    pub(crate) fn history(&self) -> &History {
        &self.0.history
    }

    /// What the last look at how far it has come has shown.
    pub(crate) fn last_pulse(&self) -> &Pulse {
        &self.0.pulse
    }

    /// Whether it takes what this process writes.
    pub(crate) fn writes(&self) -> &Writes {
        &self.0.writes
    }

    /// Whether it answers.
    pub(crate) fn reach(&self) -> &Arc<Reach> {
        &self.0.reach
    }

    /// What parameters the statements take that are not prepared on each connection; none where they are.
    pub(crate) fn types(&self) -> Option<&ParameterTypes> {
        self.0.types.as_ref()
    }

    /// Has all statements prepared again, on every connection.
    pub(crate) fn forget_statements(&self) {
        self.0.pool.manager().statement_caches.clear();
        if let Some(types) = &self.0.types {
            types.forget();
        }
    }

    /// Median time of five `SELECT 1` on one connection: what a trivial statement costs now. Looks too whether the database says that it
    /// is read-only, see [`Self::write_fault`].
    ///
    /// # Errors
    /// No connection, or it broke.
    pub async fn latency(&self) -> Result<Duration, StorageError> {
        let tx = self.without_tenant().read().await?;
        let mut times = [Duration::ZERO; 5];
        for time in &mut times {
            let start = Instant::now();
            tx.connection().batch("select 1").await?;
            *time = start.elapsed();
        }
        times.sort();
        self.look_for_read_only(&tx).await?;
        Ok(times[2])
    }

    /// What the pool is doing now.
    pub fn figures(&self) -> PoolFigures {
        let status = self.0.pool.status();
        PoolFigures {
            connections: status.size,
            connections_max: status.max_size,
            idle: status.available,
            waiting: status.waiting + self.0.waiting_to_write.load(Ordering::Relaxed),
        }
    }
}

/// Has a connection that was not used since its last half minute ended forget its plans. PostgreSQL keeps them until it has looked at a
/// table again, whatever size it had when they were made; those of references' checks, which nobody can word, above all.
fn forget_old_plans(client: &ClientWrapper, metrics: &Metrics) {
    let last_used = metrics.recycled.unwrap_or(metrics.created);
    let half_minutes = |until: Instant| until.duration_since(metrics.created).as_secs() / PLAN_SECONDS_MAX;
    if half_minutes(Instant::now()) > half_minutes(last_used) {
        // It is on its way before the next statement, and nobody needs its answer.
        let _ = client.batch_execute("discard plans").now_or_never();
    }
}

/// Whoever gets a new connection looks first whether it leads to the same database.
fn look_at_history(history: &Arc<History>) -> Hook {
    let history = Arc::clone(history);
    Hook::async_fn(move |client, _| {
        let history = Arc::clone(&history);
        Box::pin(async move {
            // Before the first migration it cannot say.
            if let Ok(row) = client.query_typed_one(History::PRESENT, &[]).await {
                history.note(Lineage::named(row.get(0)));
            }
            Ok(())
        })
    })
}

/// One connection outside any pool, for work that is done by one from its beginning to its end: migrations, backups, restores.
///
/// # Errors
/// The database cannot be reached.
pub(crate) async fn connect_alone(settings: &Settings) -> Result<tokio_postgres::Client, StorageError> {
    connect(Address::of_migrations(settings)).await
}

/// A connection of one's own to where the pool's connections lead.
///
/// # Errors
/// The database cannot be reached.
pub(crate) async fn connect_beside_pool(settings: &Settings) -> Result<tokio_postgres::Client, StorageError> {
    connect(Address::of(settings)).await
}

async fn connect(address: Result<Address, Fault>) -> Result<tokio_postgres::Client, StorageError> {
    let (client, connection) =
        named(address)?.connect().await.map_err(|error| StorageError::Unavailable(described(&error)))?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::warn!(error = described(&error), "database connection ended");
        }
    });
    Ok(client)
}

/// An address with a name for our connections, and with bounds where it sets none.
fn named(address: Result<Address, Fault>) -> Result<Address, StorageError> {
    let mut address =
        address.map_err(|(setting, message)| StorageError::Unavailable(format!("{setting} {message}")))?;
    let config = &mut address.config;
    // One name for each pool: by it, the connections of one process are known from others'.
    let given = config.get_application_name().unwrap_or("firemode");
    let name = format!("{given}-{}", Uuid::new_v4().simple());
    config.application_name(name);
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(Duration::from_secs(CONNECT_SECONDS_MAX));
    }
    if config.get_keepalives_idle() == KEEPALIVE_IDLE_OF_DRIVER {
        config.keepalives_idle(KEEPALIVE_IDLE);
    }
    if config.get_keepalives_interval().is_none() {
        config.keepalives_interval(KEEPALIVE_INTERVAL);
    }
    if config.get_keepalives_retries().is_none() {
        config.keepalives_retries(KEEPALIVE_RETRIES);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(UNACKNOWLEDGED_MAX);
    }
    Ok(address)
}
