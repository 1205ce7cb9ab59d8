//! Figures for Prometheus. Labels are bounded: routes as the server's table has them, never as a client wrote them.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use firemode_runtime::memory::Memory;
use firemode_runtime::telemetry;
use firemode_storage::Database;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::figures_text;

const REQUESTS: &str = "firemode_http_requests_total";
const REQUEST_SECONDS: &str = "firemode_http_request_seconds";
const IN_FLIGHT: &str = "firemode_http_requests_in_flight";

/// Upper bounds of the latency histogram, in seconds. 0.3 is what the hot path promises for 95 of 100 requests.
const SECONDS: [f64; 15] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// New samples wait in a list until they are counted; this is how often that happens where nobody reads the figures.
const UPKEEP_SECONDS: u64 = 5;

const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The figures of this process.
#[derive(Debug, Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// The one of this process; the first call starts it.
    pub fn of_process() -> Self {
        static STARTED: OnceLock<PrometheusHandle> = OnceLock::new();
        Self(STARTED.get_or_init(start).clone())
    }

    /// Answers with all figures as they are now. What is measured only when asked for is to be set before; `others` are
    /// figures of another process in the same format.
    pub fn respond(&self, database: &Database, others: &str) -> HttpResponse {
        self.respond_for(database, others, &[])
    }

    /// The same for other processes too: their names, and what they answer when they are asked for their figures.
    pub fn respond_for(
        &self,
        database: &Database,
        others: &str,
        processes: &[(&str, String)],
    ) -> HttpResponse {
        set_pool(database);
        set_process();
        let own = self.0.render() + others;
        HttpResponse::Ok().content_type(CONTENT_TYPE).body(figures_text::merge(&own, processes))
    }

    /// Adds up what was measured, at intervals, for ever.
    pub async fn keep_up(self) {
        loop {
            tokio::time::sleep(Duration::from_secs(UPKEEP_SECONDS)).await;
            self.0.run_upkeep();
        }
    }
}

fn start() -> PrometheusHandle {
    let recorder = PrometheusBuilder::new()
        .set_buckets(&SECONDS)
        .expect("the bounds are a list of numbers that is not empty")
        .build_recorder();
    let handle = recorder.handle();
    // Only a program that brings a recorder of its own has one already; then these figures stay empty.
    if metrics::set_global_recorder(recorder).is_err() {
        tracing::warn!("another recorder of metrics is in place");
    }
    describe();
    handle
}

fn describe() {
    describe_counter!(
        REQUESTS,
        "Requests that were answered, by route; status aborted: the client went away before."
    );
    describe_histogram!(
        REQUEST_SECONDS,
        "Time from a request's head to its answer's head, by route, in seconds."
    );
    describe_gauge!(IN_FLIGHT, "Requests that are being worked on.");
    describe_gauge!("firemode_database_connections", "Connections to the database that this process holds.");
    describe_gauge!("firemode_database_connections_max", "Connections that this process may hold.");
    describe_gauge!("firemode_database_connections_idle", "Connections that nobody uses right now.");
    describe_gauge!(
        "firemode_database_waiting",
        "Requests that wait for a connection, or for a turn to write."
    );
    describe_gauge!("firemode_build_info", "Always 1; the label says which version this is.");
    describe_counter!(
        "firemode_log_lines_dropped_total",
        "Lines of this process's log that found no room, because nobody took them."
    );
    describe_gauge!("process_resident_memory_bytes", "Resident memory of this process, in bytes.");
    describe_gauge!("process_resident_memory_bytes_highest", "The most that it ever was, in bytes.");
    gauge!("firemode_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

fn set_pool(database: &Database) {
    let pool = database.figures();
    gauge!("firemode_database_connections").set(whole(pool.connections));
    gauge!("firemode_database_connections_max").set(whole(pool.connections_max));
    gauge!("firemode_database_connections_idle").set(whole(pool.idle));
    gauge!("firemode_database_waiting").set(whole(pool.waiting));
}

fn set_process() {
    counter!("firemode_log_lines_dropped_total").absolute(telemetry::lines_dropped());
    let Ok(memory) = Memory::now() else { return };
    let figures = [
        ("process_resident_memory_bytes", memory.rss_bytes),
        ("process_resident_memory_bytes_highest", memory.rss_bytes_highest),
    ];
    for (name, bytes) in figures {
        if let Some(bytes) = bytes {
            gauge!(name).set(whole(usize::try_from(bytes).unwrap_or(usize::MAX)));
        }
    }
}

/// A count as a gauge takes it.
#[expect(clippy::cast_precision_loss, reason = "counts and bytes of one process stay far below 2^53")]
pub fn whole(count: usize) -> f64 {
    count as f64
}

/// A request that is being worked on: counted while it is, and measured when it ends.
#[derive(Debug)]
pub(crate) struct Measured {
    method: &'static str,
    route: &'static str,
    started: Instant,
    is_answered: bool,
}

impl Measured {
    /// Starts the clock.
    pub(crate) fn new(method: &'static str, route: &'static str) -> Self {
        gauge!(IN_FLIGHT).increment(1.0);
        Self { method, route, started: Instant::now(), is_answered: false }
    }

    /// Stops the clock, and gives the time.
    pub(crate) fn answered(mut self, status: StatusCode) -> Duration {
        self.is_answered = true;
        let elapsed = self.started.elapsed();
        let status = status.as_str().to_owned();
        let labels =
            [("method", self.method.to_owned()), ("route", self.route.to_owned()), ("status", status)];
        counter!(REQUESTS, &labels).increment(1);
        histogram!(REQUEST_SECONDS, &labels).record(elapsed);
        elapsed
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        gauge!(IN_FLIGHT).decrement(1.0);
        if !self.is_answered {
            counter!(REQUESTS, "method" => self.method, "route" => self.route, "status" => "aborted")
                .increment(1);
        }
    }
}
