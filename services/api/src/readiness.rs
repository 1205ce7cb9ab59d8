//! Whether the appliance is ready, and why not.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::{Duration, Instant};

use actix_web::web;
use firemode_identity::keys;
use firemode_runtime::control::{ChildStatus, Connection};
use firemode_storage::{migrations, pooler};
use metrics::{describe_gauge, gauge};
use serde::Serialize;
use utoipa::ToSchema;

use crate::ingest_client::IngestClient;
use crate::proxy;
use crate::state::{ApiState, Ready};

/// A database that answers slower than this in the median is degraded.
const LATENCY_MAX: Duration = Duration::from_millis(10);

const READY: &str = "firemode_ready";

const DATABASE_SECONDS_MAX: u64 = 1;
const INGEST_SECONDS_MAX: u64 = 2;
const CHECK_PAUSE_SECONDS: u64 = 1;
const SUPERVISOR_TIME_MAX: Duration = Duration::from_millis(500);

/// The checks are worked out once in so long, for all who ask.
const CHECKED_FOR: Duration = Duration::from_secs(1);

/// The answer of `/health/ready`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Readiness {
    /// True when every check is.
    ready: bool,
    /// `healthy` or `degraded`.
    #[schema(example = "healthy")]
    status: &'static str,
    checks: Checks,
    /// Why it is not ready, by check; absent where it is.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, String>)]
    reasons: Reasons,
    /// Figures behind the checks, for an admin's token alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
}

/// What is checked.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(crate) struct Checks {
    /// The pool gives a working connection within a second, and the last write to the database succeeded.
    database: bool,
    /// The ingest process answers its own health within two seconds.
    ingest_service: bool,
    /// The list of revoked tokens can be read and is fresh.
    rtl_enabled: bool,
    /// The schema is the one that this binary carries, or a later one that still serves it.
    migrations: bool,
    /// The median of five trivial statements is under ten milliseconds.
    performance: bool,
}

/// Why checks are false, for whoever runs the appliance.
type Reasons = BTreeMap<&'static str, &'static str>;

/// Figures behind the checks.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Details {
    /// Median of five trivial statements, in microseconds.
    latency_microseconds: Option<u64>,
    /// Connections that this process holds.
    pool_connections: usize,
    /// Connections that this process may hold.
    pool_connections_max: usize,
    /// Requests that wait for a connection.
    pool_waiting: usize,
    /// Schema version that this binary carries.
    schema_version: i32,
    /// The supervisor's view of each process; none where this process runs without one.
    #[schema(value_type = Option<Vec<Object>>)]
    processes: Option<Vec<ChildStatus>>,
}

/// What the last look has found, for all who ask for a while.
#[derive(Debug, Default)]
pub(crate) struct SharedChecks(tokio::sync::Mutex<Option<(Instant, Findings)>>);

/// What a look has found.
#[derive(Debug, Clone)]
struct Findings {
    checks: Checks,
    latency: Option<Duration>,
    reasons: Reasons,
}

impl Checks {
    /// Sets the figures of the checks.
    fn note(&self) {
        let checks = [
            ("database", self.database),
            ("ingest_service", self.ingest_service),
            ("rtl_enabled", self.rtl_enabled),
            ("migrations", self.migrations),
            ("performance", self.performance),
        ];
        for (check, is_true) in checks {
            gauge!(READY, "check" => check).set(if is_true { 1.0 } else { 0.0 });
        }
    }
}

/// Says what the figures of this file are.
pub(crate) fn describe() {
    describe_gauge!(READY, "1 where a check of /health/ready is true.");
}

impl Readiness {
    pub(crate) fn is_ready(&self) -> bool {
        self.ready
    }
}

/// How it stands: what was found in the last second, or what a look finds now.
pub(crate) async fn check(state: &ApiState, client: &IngestClient, with_details: bool) -> Readiness {
    let Findings { checks, latency, mut reasons } = state.checks.get(state, client).await;
    if state.readiness.get() != Ready::Serving {
        reasons.insert("routes", "The process starts or stops, or waits for what its log names.");
    }
    let ready = reasons.is_empty();
    let processes = if with_details { processes(state).await } else { None };
    let details = with_details.then(|| {
        let pool = state.database.figures();
        Details {
            latency_microseconds: latency.and_then(|latency| u64::try_from(latency.as_micros()).ok()),
            pool_connections: pool.connections,
            pool_connections_max: pool.connections_max,
            pool_waiting: pool.waiting,
            schema_version: migrations::embedded_version(),
            processes,
        }
    });
    let status = if ready { "healthy" } else { "degraded" };
    Readiness { ready, status, checks, reasons, details }
}

impl SharedChecks {
    /// Whoever asks while somebody looks waits for that look.
    async fn get(&self, state: &ApiState, client: &IngestClient) -> Findings {
        let mut last = self.0.lock().await;
        if let Some((at, findings)) = &*last
            && at.elapsed() < CHECKED_FOR
        {
            return findings.clone();
        }
        let findings = look(state, client).await;
        let before = last.replace((Instant::now(), findings.clone()));
        drop(last);
        if state.readiness.get() == Ready::Serving {
            report(before.map(|(_, before)| before.reasons).unwrap_or_default(), &findings.reasons);
        }
        findings
    }
}

/// Looks at everything, at the same time.
async fn look(state: &ApiState, client: &IngestClient) -> Findings {
    let (latency, migrations, ingest) = tokio::join!(
        within(DATABASE_SECONDS_MAX, state.database.latency()),
        within(DATABASE_SECONDS_MAX, migrations::compatible(&state.database)),
        proxy::health(client, Duration::from_secs(INGEST_SECONDS_MAX)),
    );
    let write_fault = state.database.write_fault().or(ingest.as_ref().and_then(|ingest| ingest.write_fault));
    let checks = Checks {
        database: latency.is_some() && write_fault.is_none(),
        ingest_service: ingest.is_some(),
        rtl_enabled: state.revocations.is_fresh(),
        migrations: migrations == Some(true),
        performance: latency.is_some_and(|latency| latency < LATENCY_MAX),
    };
    let database = match (latency, write_fault) {
        (Some(_), Some(fault)) => fault.in_words(),
        _ => "The pool gives no working connection to the database within a second.",
    };
    checks.note();
    let reasons = [
        ("database", checks.database, database),
        ("ingest_service", checks.ingest_service, "The ingest process does not answer within two seconds."),
        ("rtl_enabled", checks.rtl_enabled, "The list of revoked tokens could not be read lately."),
        ("migrations", checks.migrations, "The database's schema is not one that this version serves."),
        ("performance", checks.performance, "Trivial statements take 10 ms or longer in the median."),
    ];
    let reasons = reasons.into_iter().filter(|(_, holds, _)| !holds).map(|(check, _, why)| (check, why));
    Findings { checks, latency, reasons: reasons.collect() }
}

/// Says when a check becomes false, and when all are true.
fn report(before: Reasons, now: &Reasons) {
    for (check, why) in now.iter().filter(|(check, _)| !before.contains_key(*check)) {
        tracing::warn!(check, why, "not ready");
    }
    if now.is_empty() && !before.is_empty() {
        tracing::info!("ready");
    }
}

/// Asks the supervisor over its control socket.
async fn processes(state: &ApiState) -> Option<Vec<ChildStatus>> {
    let data_dir = state.settings.data_dir.clone();
    let ask = move || Connection::open(&data_dir, Some(SUPERVISOR_TIME_MAX))?.status();
    Some(web::block(ask).await.ok()?.ok()?.children)
}

async fn within<T, E>(seconds: u64, work: impl Future<Output = Result<T, E>>) -> Option<T> {
    tokio::time::timeout(Duration::from_secs(seconds), work).await.ok()?.ok()
}

/// Opens the routes as soon as the database has the schema that this binary needs.
pub(crate) async fn open_when_migrated(state: web::Data<ApiState>) {
    while !matches!(migrations::compatible(&state.database).await, Ok(true)) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Under a supervisor `firemode migrate` has looked at both.
    let behind_pooler = "no route is opened behind a pooler that keeps no prepared statements";
    wait_until(behind_pooler, || pooler::check(&state.settings)).await;
    let without_keys = "no route is opened before the keys of personal data fit the database";
    wait_until(without_keys, || keys::check(&state.database, &state.vault, false)).await;
    state.readiness.set(Ready::Serving);
    tracing::info!("the database is migrated: all routes are open");
}

/// Waits until a check succeeds. Why it does not is said once.
async fn wait_until<T, E: Display, F>(meanwhile: &'static str, check: impl Fn() -> F)
where
    F: Future<Output = Result<T, E>>,
{
    let mut is_said = false;
    while let Err(error) = check().await {
        if !is_said {
            tracing::error!(%error, "{meanwhile}");
        }
        is_said = true;
        tokio::time::sleep(Duration::from_secs(CHECK_PAUSE_SECONDS)).await;
    }
}

/// Waits until a request of any kind would be served.
pub(crate) async fn wait_until_serving(state: &ApiState) {
    while state.readiness.get() == Ready::Starting || !state.revocations.is_fresh() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
