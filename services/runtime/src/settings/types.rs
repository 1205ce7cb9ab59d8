//! The settings as types. `config/default.toml` says what each one means.
#![expect(missing_docs, reason = "each field is documented once, in config/default.toml")]

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

/// All settings, checked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub environment: Environment,
    pub data_dir: PathBuf,
    pub disk_is_durable: bool,
    pub server: ServerSettings,
    pub ingest: IngestSettings,
    pub database: DatabaseSettings,
    pub auth: AuthSettings,
    pub idempotency: IdempotencySettings,
    pub evidence: EvidenceSettings,
    pub bundle: BundleSettings,
    pub supervisor: SupervisorSettings,
    pub postgres: PostgresSettings,
    pub log: LogSettings,
}

/// Which profile is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    Development,
    Production,
}

/// The public server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSettings {
    pub host: String,
    pub port: u16,
    pub workers: usize,
    pub json_bytes_max: usize,
    pub request_head_seconds_max: u64,
    pub keep_alive_seconds: u64,
}

/// The hot-path process, and how the API talks to it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IngestSettings {
    pub host: String,
    pub port: u16,
    pub workers: usize,
    pub results_bytes_max: usize,
    pub change_bytes_max: usize,
    pub request_entries_max: usize,
    pub evidence_bytes_max: u64,
    pub warm_sessions_max: usize,
    pub connect_milliseconds_max: u64,
    pub response_seconds_max: u64,
}

/// Where the database is and how much of it one appliance may use.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSettings {
    pub url: SecretString,
    pub pool_size: usize,
    pub wait_seconds_max: u64,
    pub statement_seconds_max: u64,
}

/// Tokens, passwords and keys.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthSettings {
    pub jwt_secret_key: SecretString,
    pub internal_jwt_secret_key: SecretString,
    pub pii_encryption_key: SecretString,
    pub access_token_seconds: u32,
    pub refresh_token_days: u32,
    pub registration_open: bool,
    pub argon2_time_cost: u32,
    pub argon2_memory_cost: u32,
    pub argon2_parallelism: u32,
    pub password_hashes_at_once: usize,
    pub revocation_poll_milliseconds: u64,
    pub revocation_stale_milliseconds: u64,
}

/// How long idempotency keys are remembered.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdempotencySettings {
    pub days: u32,
}

/// Where evidence is kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceSettings {
    pub url: String,
}

/// Bounds of the offline bundle.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleSettings {
    pub bytes_max: usize,
    pub expires_hours: u32,
}

/// Timing of supervision.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SupervisorSettings {
    pub shutdown_seconds_max: u64,
    pub backoff_seconds_max: u64,
    pub backoff_forget_seconds: u64,
    pub crash_loop_failures: u32,
    pub probe_interval_milliseconds: u64,
    pub probe_timeout_milliseconds: u64,
    pub probe_failures_max: u32,
    pub start_seconds_max: u64,
}

/// The embedded PostgreSQL.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostgresSettings {
    pub bin_dir: String,
}

/// What is logged and how.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    pub filter: String,
    pub format: LogFormat,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

impl Settings {
    /// True in the production profile.
    pub fn is_production(&self) -> bool {
        self.environment == Environment::Production
    }

    /// True where no database URL is set, so that the appliance runs its own PostgreSQL.
    pub fn uses_embedded_database(&self) -> bool {
        use secrecy::ExposeSecret;
        self.database.url.expose_secret().is_empty()
    }
}

impl ServerSettings {
    /// `host:port` to bind.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
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
