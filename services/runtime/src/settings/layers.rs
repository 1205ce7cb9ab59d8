//! Merges the layers and compares the result with the defaults, so that every wrong name and type is found at once.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

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

/// Development answers this machine alone, unless somebody outside has to reach it; and why so.
const REACHED_FROM_OUTSIDE: &str = "[server]\nhost = \"0.0.0.0\"\n";

/// Variables of platforms that hand on what comes from outside.
const PLATFORMS: [(&str, &str); 3] = [
    ("PORT", "PORT is set"),
    ("REPL_ID", "this is a workspace of Replit"),
    ("KUBERNETES_SERVICE_HOST", "this is a container"),
];

/// Files that the makers of containers put there.
const CONTAINER_FILES: [&str; 2] = ["/.dockerenv", "/run/.containerenv"];

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
    /// Files that could not be used.
    problems: Vec<Fault>,
    renamed: Vec<Renamed>,
    /// Why the public server listens where it does.
    why_host: &'static str,
}

/// A setting that has no usable value.
#[derive(Clone)]
struct Fault {
    /// Its name, without what gave it.
    key: String,
    problem: SettingProblem,
}

/// What could be read of the settings. Where something could not, its default stands in its place, so that the rest can be checked too.
pub(super) struct Typed {
    pub(super) settings: Settings,
    faults: Vec<Fault>,
}

impl Fault {
    /// One that belongs to no setting.
    fn of_nothing(problem: SettingProblem) -> Self {
        Self { key: String::new(), problem }
    }

    fn of_file(key: &str, variable: &str, message: String) -> Self {
        let problem = SettingProblem { setting: format!("{key} ({variable})"), message };
        Self { key: key.to_owned(), problem }
    }
}

impl Typed {
    /// What is wrong with the values that could be read, and with those that could not.
    pub(super) fn with_faults(
        self,
        layers: &Layers,
        found: Vec<(&str, String)>,
    ) -> (Settings, Vec<SettingProblem>) {
        let is_new = |(key, _): &(&str, String)| self.faults.iter().all(|fault| fault.key != *key);
        let found = found
            .into_iter()
            .filter(is_new)
            .map(|(key, message)| SettingProblem { setting: layers.label(key), message });
        let mut problems: Vec<_> = found.collect();
        problems.extend(self.faults.into_iter().map(|fault| fault.problem));
        problems.sort_by(|a, b| a.setting.cmp(&b.setting));
        (self.settings, problems)
    }
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
        let why_reached = why_reached(env).filter(|_| !is_production(env));
        if why_reached.is_some() {
            ours = ours.add_source(File::from_str(REACHED_FROM_OUTSIDE, FileFormat::Toml));
        }
        if is_deployed_on_replit(env) {
            ours = ours.add_source(File::from_str(REPLIT, FileFormat::Toml));
        }
        let mut problems = Vec::new();
        let mut builder = Config::builder();
        if let Some(path) = set(env, "FIREMODE_CONFIG") {
            let file = File::new(path, FileFormat::Toml);
            match Config::builder().add_source(file.clone()).build() {
                Ok(_) => builder = builder.add_source(file),
                Err(error) => problems.extend(one_problem(error).problems.into_iter().map(Fault::of_nothing)),
            }
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
        for SecretFile { key, variable, path, is_alone } in secret_files(env) {
            // While no key is being replaced there is none to accept besides, and the file may be there all the same.
            let may_be_empty = key.ends_with("accepted_keys");
            match secret_file::read(&path, may_be_empty) {
                _ if !is_alone => {
                    let message = "is set beside the variable without _FILE; set one of the two".to_owned();
                    problems.push(Fault::of_file(key, &variable, message));
                }
                Ok(value) => {
                    builder = override_with(builder, key, &value)?;
                    variables.insert(key, variable);
                }
                Err(message) => problems.push(Fault::of_file(key, &variable, message)),
            }
        }
        let mut given = builder.build().map_err(one_problem)?;
        let renamed = rename(&mut given);
        let why_host = match given.get_string("server.host") {
            Ok(_) => "server.host says so",
            Err(_) if is_production(env) => "this is production",
            Err(_) => why_reached.unwrap_or("this is development"),
        };
        variables.extend(renamed.iter().map(|setting| (setting.name, setting.former.to_owned())));
        let merged = ours.add_source(given).build().map_err(one_problem)?;
        Ok(Self { merged, defaults, variables, problems, renamed, why_host })
    }

    /// The settings as their types, and every unknown name and wrong type.
    ///
    /// # Errors
    /// What fits its type one by one does not fit together.
    pub(super) fn typed(&self) -> Result<Typed, SettingsError> {
        let mut faults: Vec<Fault> = self.problems.clone();
        faults.extend(self.renamed.iter().filter_map(Renamed::fault).map(Fault::of_nothing));
        let values = self.values();
        let given = values.iter().filter(|(key, value)| self.defaults.get(*key) != Some(value));
        let mut usable = Vec::new();
        for (key, value) in given {
            match self.mistake(key, value) {
                Some(message) => {
                    let problem = SettingProblem { setting: self.label(key), message };
                    faults.push(Fault { key: key.clone(), problem });
                }
                None => usable.push((key, value)),
            }
        }
        let settings = with_defaults(&usable).map_err(one_problem)?;
        Ok(Typed { settings, faults })
    }

    /// What is wrong with the form of a value.
    fn mistake(&self, key: &str, value: &ValueKind) -> Option<String> {
        let Some(default) = self.defaults.get(key) else { return Some(unknown(key).to_owned()) };
        if let Some(wanted) = wanted_type(default, value) {
            return Some(format!("'{}' is not {wanted}", self.shown(key, &value.to_string())));
        }
        let error = with_defaults(&[(key, value)]).err()?;
        let is_secret = secrets().contains_key(key);
        Some(if is_secret { "cannot be read".to_owned() } else { error.to_string() })
    }

    pub(super) fn data_dir(&self) -> Result<PathBuf, SettingsError> {
        // It may stand in a file that could not be read.
        match self.problems.iter().find(|fault| fault.key.is_empty()) {
            Some(fault) => Err(SettingsError { problems: vec![fault.problem.clone()] }),
            None => self.merged.get("data_dir").map_err(one_problem),
        }
    }

    pub(super) fn why_host(&self) -> &'static str {
        self.why_host
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

/// Why a development has to be reached from outside of this machine, where it has to.
fn why_reached(env: &Environ) -> Option<&'static str> {
    let platform = PLATFORMS.iter().find(|(variable, _)| set(env, variable).is_some());
    let is_container = || CONTAINER_FILES.iter().any(|file| Path::new(file).exists());
    platform.map(|(_, why)| *why).or_else(|| is_container().then_some("this is a container"))
}

fn is_deployed_on_replit(env: &Environ) -> bool {
    set(env, "REPLIT_DEPLOYMENT") == Some("1")
}

/// The settings with these values, and the defaults of all others.
fn with_defaults<K: AsRef<str>>(values: &[(K, &ValueKind)]) -> Result<Settings, config::ConfigError> {
    let mut builder = Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
    for (key, value) in values {
        builder = builder.set_override(key.as_ref(), Value::new(None, (*value).clone()))?;
    }
    builder.build()?.try_deserialize()
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
