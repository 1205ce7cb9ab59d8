//! Merges the layers and compares the result with the defaults, so that every wrong name and type is found at once.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use config::{Config, File, FileFormat, Map, Source, Value, ValueKind};

use super::renamed::{Renamed, rename};
use super::secret::{HIDDEN, secrets};
use super::{Environ, SettingProblem, Settings, SettingsError, secret_file};

const DEFAULTS: &str = include_str!("../../../../config/default.toml");
const DEVELOPMENT: &str = include_str!("../../../../config/development.toml");
const PRODUCTION: &str = include_str!("../../../../config/production.toml");
const REPLIT: &str = include_str!("../../../../config/replit.toml");

/// Well-known variables and the settings that they give; of two names for one setting the later line wins.
const WELL_KNOWN: &[(&str, &str)] = &[
    ("FIREMODE_ENV", "environment"),
    ("FIREMODE_DATA_DIR", "data_dir"),
    ("PORT", "server.port"),
    ("INGEST_PORT", "ingest.port"),
    ("DATABASE_URL", "database.url"),
    ("DATABASE_MIGRATION_URL", "database.migration_url"),
    ("DATABASE_POOL_SIZE", "database.pool_size"),
    ("WORKER_PORT", "worker.port"),
    ("JWT_SECRET", "auth.jwt_secret_key"),
    ("JWT_SECRET_KEY", "auth.jwt_secret_key"),
    ("JWT_ACCEPTED_KEYS", "auth.jwt_accepted_keys"),
    ("INTERNAL_JWT_SECRET_KEY", "auth.internal_jwt_secret_key"),
    ("INTERNAL_JWT_ACCEPTED_KEYS", "auth.internal_jwt_accepted_keys"),
    ("FERNET_KEY", "auth.pii_encryption_key"),
    ("PII_ENCRYPTION_KEY", "auth.pii_encryption_key"),
    ("RECEIPT_SIGNING_KEY", "receipts.signing_key"),
    ("JWT_EXPIRES_IN_SECONDS", "auth.access_token_seconds"),
    ("ARGON2_TIME_COST", "auth.argon2_time_cost"),
    ("ARGON2_MEMORY_COST", "auth.argon2_memory_cost"),
    ("ARGON2_PARALLELISM", "auth.argon2_parallelism"),
    ("RUST_LOG", "log.filter"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "tracing.otlp_endpoint"),
    ("OTEL_SERVICE_NAME", "tracing.service_name"),
];

/// Settings of earlier releases, and what to do about them.
const RETIRED: &[(&str, &str)] = &[(
    "ingest.warm_sessions_max",
    "is gone: bytes alone bound what is in memory; remove it, or set ingest.warm_bytes_max",
)];

/// The merged layers, and the defaults to compare them with.
pub(super) struct Layers {
    merged: Config,
    defaults: BTreeMap<String, ValueKind>,
    /// Setting → the variable, or the setting's former name, that gave it.
    variables: BTreeMap<&'static str, String>,
    /// Files with secrets that could not be used.
    problems: Vec<SettingProblem>,
    renamed: Vec<Renamed>,
}

/// The embedded defaults alone.
pub(super) fn defaults() -> Config {
    let defaults = Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
    defaults.build().expect("the embedded default.toml is valid: a test loads it")
}

impl Layers {
    pub(super) fn merge(env: &Environ) -> Result<Self, SettingsError> {
        let defaults = flatten(&defaults().collect().expect("a built configuration can be read"));

        let profile = if is_production(env) { PRODUCTION } else { DEVELOPMENT };
        let mut ours = Config::builder()
            .add_source(File::from_str(DEFAULTS, FileFormat::Toml))
            .add_source(File::from_str(profile, FileFormat::Toml));
        if is_deployed_on_replit(env) {
            ours = ours.add_source(File::from_str(REPLIT, FileFormat::Toml));
        }
        let mut builder = Config::builder();
        if let Some(path) = set(env, "FIREMODE_CONFIG") {
            builder = builder.add_source(File::new(path, FileFormat::Toml));
        }
        let prefixed = config::Environment::with_prefix("FIREMODE").prefix_separator("__").separator("__");
        builder = builder.add_source(prefixed.source(Some(env.clone().into_iter().collect::<Map<_, _>>())));
        let mut variables = BTreeMap::new();
        if is_production(env) {
            builder = override_with(builder, "environment", "production")?;
        }
        for &(variable, key) in WELL_KNOWN {
            if let Some(value) = set(env, variable) {
                builder = override_with(builder, key, value)?;
                variables.insert(key, variable.to_owned());
            }
        }
        let mut problems = Vec::new();
        for SecretFile { key, variable, path, is_alone } in secret_files(env) {
            // While no key is being replaced there is none to accept besides, and the file may be there all the same.
            let may_be_empty = key.ends_with("accepted_keys");
            match secret_file::read(&path, may_be_empty) {
                _ if !is_alone => problems.push(SettingProblem {
                    setting: format!("{key} ({variable})"),
                    message: "is set beside the variable without _FILE; set one of the two".to_owned(),
                }),
                Ok(value) => {
                    builder = override_with(builder, key, &value)?;
                    variables.insert(key, variable);
                }
                Err(message) => {
                    problems.push(SettingProblem { setting: format!("{key} ({variable})"), message })
                }
            }
        }
        let mut given = builder.build().map_err(one_problem)?;
        let renamed = rename(&mut given);
        variables.extend(renamed.iter().map(|setting| (setting.name, setting.former.to_owned())));
        let merged = ours.add_source(given).build().map_err(one_problem)?;
        Ok(Self { merged, defaults, variables, problems, renamed })
    }

    /// The settings as their types; every unknown name and wrong type is reported.
    pub(super) fn typed(&self) -> Result<Settings, SettingsError> {
        let values = self.values();
        let mistaken = values.iter().filter_map(|(key, value)| {
            let message = match self.defaults.get(key) {
                None => unknown(key).to_owned(),
                Some(default) => {
                    let wanted = wanted_type(default, value)?;
                    format!("'{}' is not {wanted}", self.shown(key, &value.to_string()))
                }
            };
            Some(SettingProblem { setting: self.label(key), message })
        });
        let twice = self.renamed.iter().filter_map(Renamed::fault);
        let problems: Vec<SettingProblem> =
            self.problems.iter().cloned().chain(twice).chain(mistaken).collect();
        if !problems.is_empty() {
            return Err(SettingsError { problems });
        }
        self.merged.clone().try_deserialize().map_err(one_problem)
    }

    pub(super) fn data_dir(&self) -> Result<PathBuf, SettingsError> {
        self.merged.get("data_dir").map_err(one_problem)
    }

    /// Settings that are given under a former name.
    pub(super) fn renamed(&self) -> impl Iterator<Item = SettingProblem> {
        self.renamed.iter().map(Renamed::warning)
    }

    /// The name under which a setting is reported: with the variable or the former name that gave it, where one did.
    pub(super) fn label(&self, key: &str) -> String {
        match self.variables.get(key) {
            Some(variable) => format!("{key} ({variable})"),
            None => key.to_owned(),
        }
    }

    pub(super) fn describe(&self) -> String {
        let mut text = String::new();
        for (key, value) in self.values() {
            let mark = if self.defaults.get(&key) == Some(&value) { ' ' } else { '*' };
            let shown = self.shown(&key, &value.to_string());
            writeln!(text, "{mark} {key} = {shown}").expect("writing to a string cannot fail");
        }
        text
    }

    /// What may be printed of a value. What is no setting may be a secret whose name is misspelt.
    fn shown(&self, key: &str, value: &str) -> String {
        match secrets().get(key) {
            _ if value.is_empty() => "(empty)".to_owned(),
            Some(kind) => kind.shown(value),
            None if self.defaults.contains_key(key) => value.to_owned(),
            None => HIDDEN.to_owned(),
        }
    }

    fn values(&self) -> BTreeMap<String, ValueKind> {
        flatten(&self.merged.collect().expect("a built configuration can be read"))
    }
}

/// A file that a variable names as the place of a secret.
struct SecretFile {
    key: &'static str,
    /// The variable, `_FILE` included.
    variable: String,
    path: PathBuf,
    /// Is the secret given by no other variable too?
    is_alone: bool,
}

/// Each well-known variable of a secret may end in `_FILE` and then names a file that holds it.
fn secret_files(env: &Environ) -> impl Iterator<Item = SecretFile> {
    WELL_KNOWN.iter().filter(|(_, key)| secrets().contains_key(*key)).filter_map(|&(variable, key)| {
        let is_alone = set(env, variable).is_none();
        let variable = format!("{variable}_FILE");
        let path = PathBuf::from(set(env, &variable)?);
        Some(SecretFile { key, variable, path, is_alone })
    })
}

/// Files with secrets that others than their owner can read or change.
pub(super) fn open_secret_files(env: &Environ) -> Vec<SettingProblem> {
    let warn = |file: SecretFile| {
        let message = secret_file::openness(&file.path)?;
        Some(SettingProblem { setting: format!("{} ({})", file.key, file.variable), message })
    };
    secret_files(env).filter_map(warn).collect()
}

/// A variable's value; an empty one counts as not set.
fn set<'a>(env: &'a Environ, variable: &str) -> Option<&'a str> {
    env.get(variable).map(String::as_str).filter(|value| !value.is_empty())
}

pub(super) fn is_production(env: &Environ) -> bool {
    match set(env, "FIREMODE_ENV") {
        Some(name) => name == "production",
        None => is_deployed_on_replit(env),
    }
}

fn is_deployed_on_replit(env: &Environ) -> bool {
    set(env, "REPLIT_DEPLOYMENT") == Some("1")
}

type Builder = config::ConfigBuilder<config::builder::DefaultState>;

fn override_with(builder: Builder, key: &str, value: &str) -> Result<Builder, SettingsError> {
    builder.set_override(key, value).map_err(one_problem)
}

fn flatten(map: &Map<String, Value>) -> BTreeMap<String, ValueKind> {
    fn flatten(prefix: &str, map: &Map<String, Value>, flat: &mut BTreeMap<String, ValueKind>) {
        for (key, value) in map {
            let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            match &value.kind {
                ValueKind::Table(table) => flatten(&name, table, flat),
                kind => drop(flat.insert(name, kind.clone())),
            }
        }
    }
    let mut flat = BTreeMap::new();
    flatten("", map, &mut flat);
    flat
}

fn unknown(key: &str) -> &'static str {
    let retired = RETIRED.iter().find(|(retired, _)| *retired == key);
    retired.map_or("no such setting; config/default.toml lists them all", |(_, message)| message)
}

/// What a value must be, where it is not that. Environment variables are text, so text that reads as the default's type is right.
fn wanted_type(default: &ValueKind, value: &ValueKind) -> Option<&'static str> {
    let text = value.to_string();
    match default {
        ValueKind::Boolean(_) if !matches!(text.as_str(), "true" | "false") => Some("true or false"),
        ValueKind::I64(_) if text.parse::<i64>().is_err() => Some("a whole number"),
        ValueKind::String(_) if matches!(value, ValueKind::Array(_)) => Some("a text"),
        _ => None,
    }
}

fn one_problem(error: config::ConfigError) -> SettingsError {
    let message = match error {
        // What follows the first line quotes the file, and a secret may stand there.
        config::ConfigError::FileParse { uri, cause } => {
            let place = cause.to_string().lines().next().unwrap_or_default().to_owned();
            format!("{place} in {}", uri.unwrap_or_default())
        }
        error => error.to_string(),
    };
    SettingsError { problems: vec![SettingProblem { setting: "configuration".to_owned(), message }] }
}
