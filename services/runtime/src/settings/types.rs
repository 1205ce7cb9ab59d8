//! The settings as types. `config/default.toml` says what each one means.
#![expect(missing_docs, reason = "each field is documented once, in config/default.toml")]

use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::secret::{Secret, SecretKeys, SecretUrl, Setting, member};

/// Declares groups of settings. What a field's type says of it (is it a secret?) is collected over all groups.
macro_rules! settings {
    ($($(#[$about:meta])* pub struct $group:ident { $(pub $field:ident: $kind:ty,)* })*) => {$(
        $(#[$about])*
        #[derive(Debug, Clone, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $group {
            $(pub $field: $kind,)*
        }

        impl Setting for $group {
            fn secrets<'a>(&'a self, name: &str, found: &mut Vec<Secret<'a>>) {
                $(self.$field.secrets(&member(name, stringify!($field)), found);)*
            }
        }
    )*};
}

settings! {
    /// All settings, checked.
    pub struct Settings {
        pub environment: Environment,
        pub data_dir: PathBuf,
        pub disk_is_durable: bool,
        pub server: ServerSettings,
        pub ingest: IngestSettings,
        pub results: ResultsSettings,
        pub classify: ClassifySettings,
        pub worker: WorkerSettings,
        pub snapshots: SnapshotSettings,
        pub database: DatabaseSettings,
        pub auth: AuthSettings,
        pub rate_limit: RateLimitSettings,
        pub cors: CorsSettings,
        pub idempotency: IdempotencySettings,
        pub evidence: EvidenceSettings,
        pub backup: BackupSettings,
        pub receipts: ReceiptSettings,
        pub bundle: BundleSettings,
        pub supervisor: SupervisorSettings,
        pub postgres: PostgresSettings,
        pub log: LogSettings,
        pub tracing: TracingSettings,
        pub metrics: MetricsSettings,
    }

    /// The public server.
    pub struct ServerSettings {
        pub host: String,
        pub port: u16,
        pub workers: usize,
        pub warm_bytes_max: u64,
        pub json_bytes_max: usize,
        pub target_bytes_max: usize,
        pub header_bytes_max: usize,
        pub body_seconds_max: u64,
        pub body_bytes_per_second_min: u64,
        pub stalled_seconds_max: u64,
        pub connections_max: usize,
        pub address_requests_max: usize,
        pub user_requests_max: usize,
        pub in_flight_bytes_max: u64,
        pub caller_share_percent: usize,
        pub small_body_bytes_max: usize,
        pub large_body_bytes_per_second_min: u64,
        pub docs_public: bool,
        pub https_only_seconds: u64,
        pub request_head_seconds_max: u64,
        pub keep_alive_seconds: u64,
        pub trusted_proxy_hops: usize,
    }

    /// The hot-path process, and how the API talks to it.
    pub struct IngestSettings {
        pub host: String,
        pub port: u16,
        pub workers: usize,
        pub results_bytes_max: usize,
        pub change_bytes_max: usize,
        pub request_entries_max: usize,
        pub evidence_bytes_max: u64,
        pub warm_bytes_max: u64,
        pub in_flight_bytes_max: u64,
        pub merge_bytes_max: u64,
        pub large_bodies_max: usize,
        pub user_large_bodies_max: usize,
        pub connect_milliseconds_max: u64,
        pub response_seconds_max: u64,
        pub profiles: bool,
    }

    /// How results of many requests are committed together.
    pub struct ResultsSettings {
        pub lanes: usize,
        pub queue_requests_max: usize,
        pub queue_bytes_max: usize,
        pub batch_requests_max: usize,
        pub batch_bytes_max: usize,
        pub linger_milliseconds: u64,
    }

    /// How classifications of many requests are recorded together.
    pub struct ClassifySettings {
        pub queue_requests_max: usize,
        pub queue_bytes_max: usize,
    }

    /// The process that does jobs.
    pub struct WorkerSettings {
        pub port: u16,
        pub poll_milliseconds: u64,
        pub hold_seconds: u64,
        pub keep_days: u32,
    }

    /// Stored snapshots of sessions' documents.
    pub struct SnapshotSettings {
        pub changes_min: usize,
    }

    /// Where the database is and how much of it one appliance may use.
    pub struct DatabaseSettings {
        pub url: SecretUrl,
        pub migration_url: SecretUrl,
        pub allow_cleartext: bool,
        pub pool_size: usize,
        pub prepared_statements: bool,
        pub wait_seconds_max: u64,
        pub statement_seconds_max: u64,
    }

    /// Tokens, passwords and keys.
    pub struct AuthSettings {
        pub jwt_secret_key: SecretString,
        pub jwt_accepted_keys: SecretKeys,
        pub internal_jwt_secret_key: SecretString,
        pub internal_jwt_accepted_keys: SecretKeys,
        pub pii_encryption_key: SecretKeys,
        pub access_token_seconds: u32,
        pub refresh_token_days: u32,
        pub sign_in_days_max: u32,
        pub registration_open: bool,
        pub argon2_time_cost: u32,
        pub argon2_memory_cost: u32,
        pub argon2_parallelism: u32,
        pub password_hashes_at_once: usize,
        pub invitation_hours: u32,
        pub password_reset_hours: u32,
        pub sign_in_failures_free: i32,
        pub sign_in_network_failures_free: i32,
        pub sign_in_failures_forgiven_per_hour: i32,
        pub sign_in_network_failures_forgiven_per_hour: i32,
        pub sign_in_delay_seconds_max: i32,
        pub sign_in_forget_seconds: i32,
        pub known_network_days: i32,
        pub sign_in_refusal_milliseconds: u32,
        pub revocation_poll_milliseconds: u64,
        pub revocation_stale_milliseconds: u64,
        pub reencryption_batch_rows: u32,
        pub reencryption_pause_milliseconds: u64,
        pub reencryption_interval_seconds: u64,
    }

    /// How many requests a caller may send.
    pub struct RateLimitSettings {
        pub enabled: bool,
        pub address_burst: u32,
        pub address_per_minute: u32,
        pub auth_burst: u32,
        pub auth_per_minute: u32,
        pub user_burst: u32,
        pub user_per_minute: u32,
        pub callers_max: usize,
    }

    /// Which web pages of other origins may call.
    pub struct CorsSettings {
        pub allowed_origins: String,
        pub preflight_seconds: usize,
    }

    /// How long idempotency keys are remembered.
    pub struct IdempotencySettings {
        pub days: u32,
        pub lease_seconds: u32,
    }

    /// Where evidence is kept.
    pub struct EvidenceSettings {
        pub url: String,
        pub upload_seconds_max: u64,
        pub upload_hours_max: u32,
        pub uploads_open_max: u32,
    }

    /// Backups that are made by themselves.
    pub struct BackupSettings {
        pub schedule: String,
        pub place: String,
        pub keep: usize,
    }

    /// What signs receipts.
    pub struct ReceiptSettings {
        pub signing_key: SecretKeys,
    }

    /// Bounds of the offline bundle.
    pub struct BundleSettings {
        pub bytes_max: usize,
        pub expires_hours: u32,
    }

    /// Timing of supervision.
    pub struct SupervisorSettings {
        pub shutdown_seconds_max: u64,
        pub backoff_seconds_max: u64,
        pub backoff_forget_seconds: u64,
        pub crash_loop_failures: u32,
        pub probe_interval_milliseconds: u64,
        pub probe_timeout_milliseconds: u64,
        pub probe_failures_max: u32,
        pub start_seconds_max: u64,
        pub handover_seconds_max: u64,
        pub stand_in_milliseconds: u64,
        pub api_memory_bytes_max: u64,
        pub ingest_memory_bytes_max: u64,
        pub worker_memory_bytes_max: u64,
        pub memory_soft_percent: u64,
    }

    /// The embedded PostgreSQL.
    pub struct PostgresSettings {
        pub bin_dir: String,
    }

    /// What is logged and how.
    pub struct LogSettings {
        pub filter: String,
        pub format: LogFormat,
        pub requests_percent: u8,
    }

    /// Where traces go.
    pub struct TracingSettings {
        pub otlp_endpoint: String,
        pub service_name: String,
        pub sample_percent: u8,
        pub queue_spans_max: usize,
        pub batch_spans_max: usize,
        pub export_interval_milliseconds: u64,
        pub export_seconds_max: u64,
    }

    /// Who may read the metrics.
    pub struct MetricsSettings {
        pub token: SecretString,
    }
}

/// Which profile is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    Development,
    Production,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

/// A device sends over some connections at the same time.
const USER_REQUESTS_MIN: usize = 16;

/// What a process without a ceiling is taken to have.
const PROCESS_BYTES_ASSUMED: u64 = 512 << 20;

impl Settings {
    /// True in the production profile.
    pub fn is_production(&self) -> bool {
        self.environment == Environment::Production
    }

    /// Every text in the settings that must not be printed.
    pub fn secret_texts(&self) -> Vec<String> {
        let texts = self.secrets().into_iter().flat_map(|secret| secret.texts());
        texts.filter(|text| !text.is_empty()).map(str::to_owned).collect()
    }

    /// The secrets among the settings.
    pub(super) fn secrets(&self) -> Vec<Secret<'_>> {
        let mut found = Vec::new();
        Setting::secrets(self, "", &mut found);
        found
    }

    /// True where no database URL is set, so that the appliance runs its own PostgreSQL.
    pub fn uses_embedded_database(&self) -> bool {
        self.database.url.expose_secret().is_empty()
    }

    /// Memory for the session documents that the API process keeps, in bytes.
    pub fn api_warm_bytes(&self) -> usize {
        asked_or_eighths(self.server.warm_bytes_max, self.supervisor.api_memory_bytes_max, 3)
    }

    /// Memory for these documents together with those that are read and looked at, in bytes.
    pub fn api_work_bytes(&self) -> usize {
        work_bytes(self.supervisor.api_memory_bytes_max)
    }

    /// The same for the ingest process.
    pub fn ingest_work_bytes(&self) -> usize {
        work_bytes(self.supervisor.ingest_memory_bytes_max)
    }

    /// Memory for the session documents that the ingest process keeps, in bytes.
    pub fn ingest_warm_bytes(&self) -> usize {
        asked_or_eighths(self.ingest.warm_bytes_max, self.supervisor.ingest_memory_bytes_max, 3)
    }

    /// Memory that one session's document may take, in bytes. Both processes have to get by with it: to read it takes up to twice as much
    /// again, and in the API, where it is looked at and given to others, six times.
    pub fn document_memory_bytes(&self) -> usize {
        let of_ingest = asked_or_eighths(0, self.supervisor.ingest_memory_bytes_max, 2);
        of_ingest.min(self.api_work_bytes() / 7)
    }

    /// Bytes of changes that one session's document may have. Long texts are the most that is given to others: nine times their bytes,
    /// beside the index.
    pub fn document_change_bytes(&self) -> usize {
        self.api_work_bytes() / 11
    }

    /// Memory for merges of the ingest process, in bytes.
    pub fn ingest_merge_bytes(&self) -> usize {
        asked_or_eighths(self.ingest.merge_bytes_max, self.supervisor.ingest_memory_bytes_max, 1)
    }

    /// What a process may have under way for its clients.
    pub fn in_flight(&self, role: Role) -> InFlightBounds {
        let (server, supervisor) = (&self.server, &self.supervisor);
        let bytes_max = match role {
            Role::Api => asked_or_eighths(server.in_flight_bytes_max, supervisor.api_memory_bytes_max, 1),
            Role::Ingest => {
                asked_or_eighths(self.ingest.in_flight_bytes_max, supervisor.ingest_memory_bytes_max, 2)
            }
            Role::Worker => asked_or_eighths(0, supervisor.worker_memory_bytes_max, 1),
        };
        InFlightBounds {
            bytes_max,
            caller_bytes_max: bytes_max / 100 * server.caller_share_percent,
            requests_max: server.connections_max / 4 * 3,
            address_requests_max: server.address_requests_max(),
            user_requests_max: match server.user_requests_max {
                0 => (server.connections_max / 16).max(USER_REQUESTS_MIN),
                asked => asked,
            },
        }
    }
}

/// What a process may have under way for its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InFlightBounds {
    /// Memory for bodies.
    pub bytes_max: usize,
    /// What one caller may have of it.
    pub caller_bytes_max: usize,
    /// Requests.
    pub requests_max: usize,
    /// Those of one client address.
    pub address_requests_max: usize,
    /// Those of one user.
    pub user_requests_max: usize,
}

/// What is asked for, or so many eighths of what the process may take. All of them together leave room for the process itself and for
/// what the allocator has not given back.
fn asked_or_eighths(asked: u64, process_bytes_max: u64, eighths: u64) -> usize {
    let bytes = match (asked, process_bytes_max) {
        (0, 0) => PROCESS_BYTES_ASSUMED / 8 * eighths,
        (0, process_bytes_max) => process_bytes_max / 8 * eighths,
        (asked, _) => asked,
    };
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// What a process takes besides documents.
const PROCESS_BYTES_BASE: u64 = 64 << 20;

/// Three quarters of what the process may take beyond what it needs for itself; a quarter of it all at least.
fn work_bytes(process_bytes_max: u64) -> usize {
    let bytes = if process_bytes_max == 0 { PROCESS_BYTES_ASSUMED } else { process_bytes_max };
    let for_documents = bytes.saturating_sub(PROCESS_BYTES_BASE) / 4 * 3;
    usize::try_from(for_documents.max(bytes / 4)).unwrap_or(usize::MAX)
}

impl AuthSettings {
    /// Keys besides `jwt_secret_key` whose access tokens are taken.
    pub fn jwt_keys_accepted(&self) -> Vec<SecretString> {
        self.jwt_accepted_keys.keys()
    }

    /// Keys besides `internal_jwt_secret_key` whose internal tokens are taken.
    pub fn internal_jwt_keys_accepted(&self) -> Vec<SecretString> {
        self.internal_jwt_accepted_keys.keys()
    }
}

/// A process with a share of the appliance's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Requests that are not the hot path.
    Api,
    /// The hot path.
    Ingest,
    /// Jobs.
    Worker,
}

impl DatabaseSettings {
    /// The connections of `pool_size` that a process may hold; those of all of them together are no more.
    pub fn share(&self, role: Role) -> usize {
        let worker = (self.pool_size / 8).max(1);
        let api = (self.pool_size - worker) / 2;
        match role {
            Role::Api => api,
            Role::Ingest => self.pool_size - worker - api,
            Role::Worker => worker,
        }
    }
}

impl WorkerSettings {
    /// `host:port` to bind; it is for users of this machine.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl SupervisorSettings {
    /// How long one process may take to finish its work when everything stops: the stops of all processes fit into
    /// `shutdown_seconds_max`, one after the other.
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.shutdown_seconds_max) / 5
    }

    /// How long a process that was taken over from may go on with its requests before it leaves by itself.
    pub fn handover_drain(&self) -> Duration {
        Duration::from_secs(self.handover_seconds_max) * 9 / 10
    }
}

impl ServerSettings {
    /// `host:port` to bind.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Requests that one client address may have under way.
    pub fn address_requests_max(&self) -> usize {
        match self.address_requests_max {
            0 => self.connections_max / 4,
            asked => asked,
        }
    }

    /// Connections that one address may have open: some more, so that whoever has too many requests under way can be told.
    pub fn address_connections_max(&self) -> usize {
        self.address_requests_max().saturating_mul(5) / 4
    }
}

impl CorsSettings {
    /// The origins, one by one; none where nothing is configured.
    pub fn origins(&self) -> impl Iterator<Item = &str> {
        self.allowed_origins.split(',').map(str::trim).filter(|origin| !origin.is_empty())
    }

    /// May pages of this origin call? An origin that is allowed on `:*` may have any port, or none.
    pub fn allows(&self, origin: &str) -> bool {
        self.origins().any(|allowed| match allowed.strip_suffix(":*") {
            Some(allowed) => origin.strip_prefix(allowed).is_some_and(is_port),
            None => origin == allowed,
        })
    }
}

/// Nothing, or a colon and digits.
fn is_port(text: &str) -> bool {
    let digits = text.strip_prefix(':');
    text.is_empty()
        || digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

impl IngestSettings {
    /// `host:port` to bind and to connect to.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// How long the API waits for an answer.
    pub fn response_timeout(&self) -> Duration {
        Duration::from_secs(self.response_seconds_max)
    }
}
