//! `firemode keys`: makes keys, and shows which are in use.

use std::io::{self, Write as _};
use std::process::ExitCode;

use firemode_identity::Vault;
use firemode_identity::jws::key_id;
use firemode_identity::keys::{self, KeysError};
use firemode_runtime::settings::{Settings, random_key};
use secrecy::{ExposeSecret as _, SecretString};

use crate::cli::KeyKind;
use crate::operate::run;

/// Prints new keys, one line for each variable.
pub(crate) fn new(which: KeyKind) -> io::Result<()> {
    let mut out = io::stdout();
    for variable in which.variables() {
        writeln!(out, "{variable}={}", random_key()?)?;
    }
    Ok(())
}

/// Prints which keys are set and what is under them.
pub(crate) fn status(settings: &Settings) -> anyhow::Result<ExitCode> {
    let auth = &settings.auth;
    let mut out = io::stdout();
    for (name, first, others) in [
        ("access tokens", &auth.jwt_secret_key, auth.jwt_keys_accepted()),
        ("internal tokens", &auth.internal_jwt_secret_key, auth.internal_jwt_keys_accepted()),
    ] {
        writeln!(out, "{name:15}  {}  signs", id_of(first))?;
        for key in others {
            writeln!(out, "{name:15}  {}  is accepted", id_of(&key))?;
        }
    }
    let vault = Vault::new(&auth.pii_encryption_key).ok_or(KeysError::Unusable)?;
    let usage = run(keys::usage(settings))??;
    for (place, id) in vault.key_ids().enumerate() {
        let values = usage.values.get(id).copied().unwrap_or_default();
        let note = if place == 0 { "encrypts" } else { "decrypts" };
        writeln!(out, "{:15}  {id}  {note}: {values} values", "personal data")?;
    }
    if usage.unreadable == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(
        out,
        "{:15}  {:12}  {} values are under none of these keys",
        "personal data", "-", usage.unreadable
    )?;
    Ok(ExitCode::FAILURE)
}

fn id_of(key: &SecretString) -> String {
    key_id(key.expose_secret().as_bytes())
}
