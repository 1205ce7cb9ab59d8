//! What values are refused, and why.

use std::net::IpAddr;

use secrecy::ExposeSecret as _;
use tracing_subscriber::EnvFilter;

use super::keys::{self, is_placeholder};
use super::{BackupPlace, Environ, EvidencePlace, Schedule, Settings};

pub(super) type SettingProblems = Vec<(&'static str, String)>;

/// Room for a few documents of short sessions.
const SHARE_BYTES_MIN: u64 = 64 << 10;

/// A metrics token opens nothing but figures, but to the whole world.
const METRICS_TOKEN_BYTES_MIN: usize = 16;

pub(super) fn problems(settings: &Settings, env: &Environ) -> SettingProblems {
    let mut problems = ranges(settings);
    problems.extend(sign_in(settings));
    problems.extend(keys::problems(settings));
    problems.extend(places(settings, env));
    problems.extend(telemetry(settings));
    problems.extend(origins(settings));
    problems
}

fn sign_in(s: &Settings) -> SettingProblems {
    let whole = |name, value: i64, min: i64, max: i64| {
        (!(min..=max).contains(&value)).then(|| (name, format!("{value} is outside {min} to {max}")))
    };
    let auth = &s.auth;
    [
        whole("auth.invitation_hours", auth.invitation_hours.into(), 1, 8760),
        whole("auth.password_reset_hours", auth.password_reset_hours.into(), 1, 168),
        whole("auth.sign_in_failures_free", auth.sign_in_failures_free.into(), 1, 100),
        whole("auth.sign_in_network_failures_free", auth.sign_in_network_failures_free.into(), 1, 100_000),
        whole(
            "auth.sign_in_failures_forgiven_per_hour",
            auth.sign_in_failures_forgiven_per_hour.into(),
            0,
            100,
        ),
        whole(
            "auth.sign_in_network_failures_forgiven_per_hour",
            auth.sign_in_network_failures_forgiven_per_hour.into(),
            0,
            100_000,
        ),
        whole("auth.sign_in_delay_seconds_max", auth.sign_in_delay_seconds_max.into(), 1, 3600),
        whole("auth.sign_in_forget_seconds", auth.sign_in_forget_seconds.into(), 60, 30 * 86_400),
        whole("auth.known_network_days", auth.known_network_days.into(), 0, 365),
        whole("auth.sign_in_refusal_milliseconds", auth.sign_in_refusal_milliseconds.into(), 0, 5_000),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn ranges(s: &Settings) -> SettingProblems {
    let whole = |name, value: u64, min: u64, max: u64| {
        (!(min..=max).contains(&value)).then(|| (name, format!("{value} is outside {min} to {max}")))
    };
    [
        whole("server.workers", s.server.workers as u64, 1, 256),
        whole("server.json_bytes_max", s.server.json_bytes_max as u64, 1024, 64 << 20),
        whole("server.target_bytes_max", s.server.target_bytes_max as u64, 1024, 60_000),
        whole("server.header_bytes_max", s.server.header_bytes_max as u64, 8192, 120_000),
        whole("server.body_seconds_max", s.server.body_seconds_max, 1, 3600),
        whole("server.body_bytes_per_second_min", s.server.body_bytes_per_second_min, 1, 1 << 20),
        whole("server.stalled_seconds_max", s.server.stalled_seconds_max, 1, 3600),
        whole("server.connections_max", s.server.connections_max as u64, 64, 1 << 20),
        whole("server.address_requests_max", s.server.address_requests_max as u64, 0, 1 << 20),
        whole("server.user_requests_max", s.server.user_requests_max as u64, 0, 1 << 20),
        whole("server.caller_share_percent", s.server.caller_share_percent as u64, 1, 100),
        whole("server.small_body_bytes_max", s.server.small_body_bytes_max as u64, 1024, 1 << 20),
        whole(
            "server.large_body_bytes_per_second_min",
            s.server.large_body_bytes_per_second_min,
            s.server.body_bytes_per_second_min,
            1 << 20,
        ),
        whole("server.https_only_seconds", s.server.https_only_seconds, 0, 63_072_000),
        whole("server.request_head_seconds_max", s.server.request_head_seconds_max, 1, 300),
        whole("server.keep_alive_seconds", s.server.keep_alive_seconds, 1, 3600),
        whole("server.trusted_proxy_hops", s.server.trusted_proxy_hops as u64, 0, 8),
        whole("ingest.workers", s.ingest.workers as u64, 1, 256),
        whole("ingest.results_bytes_max", s.ingest.results_bytes_max as u64, 1024, 64 << 20),
        whole("ingest.change_bytes_max", s.ingest.change_bytes_max as u64, 1024, 16 << 20),
        whole("ingest.request_entries_max", s.ingest.request_entries_max as u64, 1, 10_000),
        whole("ingest.evidence_bytes_max", s.ingest.evidence_bytes_max, 1024, 16 << 30),
        whole("ingest.large_bodies_max", s.ingest.large_bodies_max as u64, 1, 4096),
        whole("ingest.user_large_bodies_max", s.ingest.user_large_bodies_max as u64, 1, 4096),
        whole("ingest.connect_milliseconds_max", s.ingest.connect_milliseconds_max, 10, 60_000),
        whole("ingest.response_seconds_max", s.ingest.response_seconds_max, 1, 3600),
        whole("results.linger_milliseconds", s.results.linger_milliseconds, 0, 1000),
        whole("results.lanes", s.results.lanes as u64, 1, 16),
        whole("results.queue_requests_max", s.results.queue_requests_max as u64, 1, 65_536),
        // The largest body has to fit, and a semaphore counts what is taken at once in 32 bits.
        whole(
            "results.queue_bytes_max",
            s.results.queue_bytes_max as u64,
            s.ingest.results_bytes_max as u64,
            1 << 30,
        ),
        whole("results.batch_requests_max", s.results.batch_requests_max as u64, 1, 4096),
        whole("results.batch_bytes_max", s.results.batch_bytes_max as u64, 1024, 64 << 20),
        whole("classify.queue_requests_max", s.classify.queue_requests_max as u64, 1, 65_536),
        // The largest body has to fit.
        whole("classify.queue_bytes_max", s.classify.queue_bytes_max as u64, 1 << 20, 1 << 30),
        whole("snapshots.changes_min", s.snapshots.changes_min as u64, 1, 1_000_000),
        whole("database.pool_size", s.database.pool_size as u64, 4, 1000),
        whole("database.wait_seconds_max", s.database.wait_seconds_max, 1, 60),
        whole("database.statement_seconds_max", s.database.statement_seconds_max, 1, 3600),
        whole("auth.access_token_seconds", s.auth.access_token_seconds.into(), 10, 86_400),
        whole("auth.refresh_token_days", s.auth.refresh_token_days.into(), 1, 365),
        whole("auth.sign_in_days_max", s.auth.sign_in_days_max.into(), 1, 3650),
        whole("auth.argon2_time_cost", s.auth.argon2_time_cost.into(), 1, 64),
        whole("auth.argon2_memory_cost", s.auth.argon2_memory_cost.into(), 1024, 1 << 20),
        whole("auth.argon2_parallelism", s.auth.argon2_parallelism.into(), 1, 16),
        whole("auth.password_hashes_at_once", s.auth.password_hashes_at_once as u64, 1, 64),
        whole("auth.revocation_poll_milliseconds", s.auth.revocation_poll_milliseconds, 50, 10_000),
        whole("auth.revocation_stale_milliseconds", s.auth.revocation_stale_milliseconds, 500, 60_000),
        whole("rate_limit.address_burst", s.rate_limit.address_burst.into(), 1, 1 << 20),
        whole("rate_limit.address_per_minute", s.rate_limit.address_per_minute.into(), 1, 1 << 24),
        whole("rate_limit.auth_burst", s.rate_limit.auth_burst.into(), 1, 1 << 20),
        whole("rate_limit.auth_per_minute", s.rate_limit.auth_per_minute.into(), 1, 1 << 24),
        whole("rate_limit.user_burst", s.rate_limit.user_burst.into(), 1, 1 << 20),
        whole("rate_limit.user_per_minute", s.rate_limit.user_per_minute.into(), 1, 1 << 24),
        whole("rate_limit.callers_max", s.rate_limit.callers_max as u64, 64, 1 << 24),
        whole("cors.preflight_seconds", s.cors.preflight_seconds as u64, 0, 86_400),
        whole("evidence.upload_hours_max", s.evidence.upload_hours_max.into(), 1, 24 * 30),
        whole("evidence.uploads_open_max", s.evidence.uploads_open_max.into(), 1, 100_000),
        whole("evidence.upload_seconds_max", s.evidence.upload_seconds_max, 10, 86_400),
        whole("auth.reencryption_batch_rows", s.auth.reencryption_batch_rows.into(), 1, 10_000),
        whole("auth.reencryption_pause_milliseconds", s.auth.reencryption_pause_milliseconds, 0, 60_000),
        whole("auth.reencryption_interval_seconds", s.auth.reencryption_interval_seconds, 1, 86_400),
        whole("idempotency.days", s.idempotency.days.into(), 1, 3650),
        whole("idempotency.lease_seconds", s.idempotency.lease_seconds.into(), 1, 3600),
        whole("bundle.bytes_max", s.bundle.bytes_max as u64, 1024, 1 << 30),
        whole("bundle.expires_hours", s.bundle.expires_hours.into(), 1, 8760),
        whole("supervisor.shutdown_seconds_max", s.supervisor.shutdown_seconds_max, 2, 600),
        whole("supervisor.backoff_seconds_max", s.supervisor.backoff_seconds_max, 1, 3600),
        whole("supervisor.backoff_forget_seconds", s.supervisor.backoff_forget_seconds, 1, 86_400),
        whole("supervisor.crash_loop_failures", s.supervisor.crash_loop_failures.into(), 1, 100),
        whole("supervisor.probe_interval_milliseconds", s.supervisor.probe_interval_milliseconds, 50, 60_000),
        whole("supervisor.probe_timeout_milliseconds", s.supervisor.probe_timeout_milliseconds, 50, 60_000),
        whole("supervisor.probe_failures_max", s.supervisor.probe_failures_max.into(), 1, 100),
        whole("supervisor.start_seconds_max", s.supervisor.start_seconds_max, 1, 3600),
        whole("supervisor.handover_seconds_max", s.supervisor.handover_seconds_max, 1, 3600),
        whole("supervisor.stand_in_milliseconds", s.supervisor.stand_in_milliseconds, 100, 60_000),
        memory_share("server.warm_bytes_max", s.server.warm_bytes_max, s.supervisor.api_memory_bytes_max),
        memory_share("ingest.warm_bytes_max", s.ingest.warm_bytes_max, s.supervisor.ingest_memory_bytes_max),
        memory_share(
            "server.in_flight_bytes_max",
            s.server.in_flight_bytes_max,
            s.supervisor.api_memory_bytes_max,
        ),
        memory_share(
            "ingest.in_flight_bytes_max",
            s.ingest.in_flight_bytes_max,
            s.supervisor.ingest_memory_bytes_max,
        ),
        memory_share(
            "ingest.merge_bytes_max",
            s.ingest.merge_bytes_max,
            s.supervisor.ingest_memory_bytes_max,
        ),
        memory_bound("supervisor.api_memory_bytes_max", s.supervisor.api_memory_bytes_max),
        memory_bound("supervisor.ingest_memory_bytes_max", s.supervisor.ingest_memory_bytes_max),
        memory_bound("supervisor.worker_memory_bytes_max", s.supervisor.worker_memory_bytes_max),
        whole("worker.poll_milliseconds", s.worker.poll_milliseconds, 100, 60_000),
        whole("worker.hold_seconds", s.worker.hold_seconds, 6, 3600),
        whole("backup.keep", s.backup.keep as u64, 1, 10_000),
        whole("worker.keep_days", s.worker.keep_days.into(), 1, 3650),
        whole("supervisor.memory_soft_percent", s.supervisor.memory_soft_percent, 10, 100),
        whole("log.requests_percent", s.log.requests_percent.into(), 0, 100),
        whole("tracing.sample_percent", s.tracing.sample_percent.into(), 0, 100),
        whole("tracing.queue_spans_max", s.tracing.queue_spans_max as u64, 1, 1 << 20),
        whole("tracing.batch_spans_max", s.tracing.batch_spans_max as u64, 1, 1 << 16),
        whole("tracing.export_interval_milliseconds", s.tracing.export_interval_milliseconds, 10, 60_000),
        whole("tracing.export_seconds_max", s.tracing.export_seconds_max, 1, 60),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A process that does nothing yet takes some 30 MiB; a bound below twice that would only replace it for ever.
fn memory_bound(name: &'static str, bytes: u64) -> Option<(&'static str, String)> {
    let usable = bytes == 0 || ((64 << 20)..=(1 << 40)).contains(&bytes);
    (!usable).then(|| (name, format!("{bytes} is neither 0 nor within {} to {}", 64 << 20, 1_u64 << 40)))
}

/// Beside its documents, and beside what is under way, a process needs memory for everything else.
fn memory_share(name: &'static str, bytes: u64, process_bytes: u64) -> Option<(&'static str, String)> {
    let bytes_max = if process_bytes == 0 { 1 << 40 } else { process_bytes / 4 * 3 };
    let usable = bytes == 0 || (SHARE_BYTES_MIN..=bytes_max).contains(&bytes);
    let wrong = || {
        format!(
            "{bytes} is neither 0 nor within {SHARE_BYTES_MIN} to {bytes_max}, three quarters of the ceiling"
        )
    };
    (!usable).then(|| (name, wrong()))
}

fn places(s: &Settings, env: &Environ) -> SettingProblems {
    let mut problems = SettingProblems::new();
    let lasting = s.disk_is_durable || !s.is_production();
    if s.uses_embedded_database() && !lasting {
        let message = "is not set, and production does not trust this machine's disk with the embedded database; \
                       set DATABASE_URL, or disk_is_durable = true where the disk outlives restarts";
        problems.push(("database.url", message.to_owned()));
    }
    let evidence = EvidencePlace::parse(&s.evidence.url, &s.data_dir);
    if !s.backup.schedule.is_empty() {
        problems.extend(Schedule::parse(&s.backup.schedule).err().map(|why| ("backup.schedule", why)));
        let problem = BackupPlace::problem(s, evidence.as_ref().ok(), lasting);
        problems.extend(problem.map(|why| ("backup.place", why)));
    }
    match evidence {
        Ok(EvidencePlace::Folder(_)) if !lasting => {
            let message = "keeps evidence on this machine's disk, which production does not trust; set it to postgres:, \
                           s3://bucket/prefix or gs://bucket/prefix, or disk_is_durable = true where the disk outlives \
                           restarts";
            problems.push(("evidence.url", message.to_owned()));
        }
        Ok(_) => {}
        Err(message) => problems.push(("evidence.url", message)),
    }
    if s.server.port != 0 && s.server.port == s.ingest.port {
        problems.push(("ingest.port", format!("{} is the public port too; give it another", s.ingest.port)));
    }
    if s.worker.port != 0 && [s.server.port, s.ingest.port].contains(&s.worker.port) {
        let message = format!("{} is the port of another process; give it another", s.worker.port);
        problems.push(("worker.port", message));
    }
    if !is_loopback(&s.ingest.host) {
        let message = "is not a loopback address (127.0.0.1, [::1], localhost); the process speaks only to the API beside it";
        problems.push(("ingest.host", message.to_owned()));
    }
    if env.get("FIREMODE_ENV").is_some_and(|v| !matches!(v.as_str(), "" | "development" | "production")) {
        problems.push(("environment", "is neither development nor production".to_owned()));
    }
    problems
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.map_or(host == "localhost", |address| address.is_loopback())
}

/// A browser sends an origin as scheme and host alone, and what differs by a slash never matches. Applications that carry a browser with
/// them have schemes of their own.
fn origins(s: &Settings) -> SettingProblems {
    let is_origin = |origin: &str| {
        let Some((scheme, host)) = origin.split_once("://") else { return false };
        let host = host.strip_suffix(":*").unwrap_or(host);
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_lowercase())
            && scheme.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b));
        let is_host = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.:[]_".contains(&b);
        is_scheme && !host.is_empty() && host.bytes().all(is_host)
    };
    let wrong = s.cors.origins().find(|origin| !is_origin(origin));
    let faulty = |origin: &str| {
        let message = format!(
            "'{origin}' is not an origin like https://app.example.com or capacitor://localhost (lower case, no path, no slash; * \
             stands for a port alone)"
        );
        ("cors.allowed_origins", message)
    };
    wrong.map(faulty).into_iter().collect()
}

/// Is this the port on which receivers take OTLP over gRPC?
fn is_of_grpc(authority: &str) -> bool {
    authority.split('/').next().is_some_and(|address| address.ends_with(":4317"))
}

fn telemetry(s: &Settings) -> SettingProblems {
    let mut problems = SettingProblems::new();
    if let Err(error) = EnvFilter::try_new(&s.log.filter) {
        problems.push(("log.filter", error.to_string()));
    }
    let endpoint = s.tracing.otlp_endpoint.as_str();
    let authority = endpoint.strip_prefix("http://").or_else(|| endpoint.strip_prefix("https://"));
    let is_url = authority.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', ':']));
    // The address is logged, so nothing secret may stand in it.
    if !endpoint.is_empty()
        && (!is_url || endpoint.contains(|c: char| c.is_whitespace() || "?#@".contains(c)))
    {
        let message = "is not of the form http://host:4318, an address that takes OTLP over HTTP; a password or key for \
                       it goes into OTEL_EXPORTER_OTLP_HEADERS";
        problems.push(("tracing.otlp_endpoint", message.to_owned()));
    } else if authority.is_some_and(is_of_grpc) {
        let message = "has port 4317, where receivers take OTLP over gRPC; traces are sent over HTTP, which they take on port 4318";
        problems.push(("tracing.otlp_endpoint", message.to_owned()));
    }
    if s.tracing.batch_spans_max > s.tracing.queue_spans_max {
        let message = "is more than tracing.queue_spans_max";
        problems.push(("tracing.batch_spans_max", message.to_owned()));
    }
    let token = s.metrics.token.expose_secret();
    let is_sendable = token.bytes().all(|byte| byte.is_ascii_graphic());
    if !token.is_empty() && (token.len() < METRICS_TOKEN_BYTES_MIN || !is_sendable) {
        let message = "is not 16 or more visible ASCII characters; make one with `openssl rand -hex 32`";
        problems.push(("metrics.token", message.to_owned()));
    } else if s.is_production() && !token.is_empty() && is_placeholder(token) {
        problems.push((
            "metrics.token",
            "looks like an example; make one with `openssl rand -hex 32`".to_owned(),
        ));
    }
    problems
}
