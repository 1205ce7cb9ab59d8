//! Settings: what they are, where they come from, and what is wrong with them.
//!
//! `config/default.toml` documents each one. [`Settings::load`] merges the layers, reports *all* problems at once and
//! gives a value that needs no further checks.

mod backup_place;
mod evidence_place;
mod keys;
mod layers;
mod renamed;
mod schedule;
mod secret;
mod secret_file;
mod secrets;
mod types;
mod validate;

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;

pub use backup_place::BackupPlace;
pub use evidence_place::{EvidencePlace, ObjectPlace};
pub use schedule::Schedule;
pub use secret::{SecretKeys, SecretUrl};
pub use secrets::{SecretsError, ensure_development_secrets, random_key};
pub use types::*;

use layers::Layers;

/// The process environment as [`Settings::load`] takes it.
pub type Environ = HashMap<String, String>;

/// One fault of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingProblem {
    /// The setting's name, with the environment variable that gave it where one did: `server.port (PORT)`.
    pub setting: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// Everything that is wrong with a configuration, never empty.
#[derive(Debug, thiserror::Error)]
pub struct SettingsError {
    /// All problems, in the order of the settings' names.
    pub problems: Vec<SettingProblem>,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration has {} problem(s):", self.problems.len())?;
        self.problems.iter().try_for_each(|p| write!(f, "\n  {}: {}", p.setting, p.message))
    }
}

impl Settings {
    /// Merges defaults, profile, the file named by `FIREMODE_CONFIG` and the environment, and checks the result.
    ///
    /// Reads that file, those that variables ending in `_FILE` name for secrets, looks whether this is a container, and does nothing
    /// else; secrets that development makes
    /// for itself are added by [`ensure_development_secrets`].
    ///
    /// # Errors
    /// [`SettingsError`] with every unknown name, wrong type, value out of range and unsafe production setting.
    pub fn load(env: &Environ) -> Result<Self, SettingsError> {
        Self::load_and(env, |_| Vec::new())
    }

    /// The same with what somebody else finds wrong with the values: names of settings and what is wrong with them.
    ///
    /// # Errors
    /// As [`Settings::load`], for all of it at once.
    pub fn load_and(
        env: &Environ,
        check: impl FnOnce(&Self) -> Vec<(&'static str, String)>,
    ) -> Result<Self, SettingsError> {
        let layers = Layers::merge(env)?;
        let typed = layers.typed()?;
        let mut found = validate::problems(&typed.settings, env);
        found.extend(check(&typed.settings));
        let (settings, problems) = typed.with_faults(&layers, found);
        if problems.is_empty() { Ok(settings) } else { Err(SettingsError { problems }) }
    }

    /// What works, but had better be changed: former names of settings, and files with secrets that others can read.
    ///
    /// # Errors
    /// As [`Settings::load`], without the checks of values.
    pub fn warnings(env: &Environ) -> Result<Vec<SettingProblem>, SettingsError> {
        let layers = Layers::merge(env)?;
        Ok(layers.renamed().chain(layers::open_secret_files(env)).collect())
    }

    /// Does this environment ask for production? Known even where the rest of the configuration does not work.
    #[must_use]
    pub fn asks_for_production(env: &Environ) -> bool {
        layers::is_production(env)
    }

    /// Why the public server listens where it does, to be read behind "because".
    ///
    /// # Errors
    /// As [`Settings::load`], without the checks of values.
    pub fn why_host(env: &Environ) -> Result<&'static str, SettingsError> {
        Ok(Layers::merge(env)?.why_host())
    }

    /// The data folder alone, for commands that talk to a running appliance and need none of its secrets.
    ///
    /// # Errors
    /// As [`Settings::load`], without the checks of values.
    pub fn data_dir(env: &Environ) -> Result<PathBuf, SettingsError> {
        Layers::merge(env)?.data_dir()
    }

    /// The effective configuration as text, one `name = value` a line, secrets masked; a `*` marks what differs from
    /// the default.
    ///
    /// # Errors
    /// As [`Settings::load`], without the checks of values.
    pub fn describe(env: &Environ) -> Result<String, SettingsError> {
        Ok(Layers::merge(env)?.describe())
    }
}
