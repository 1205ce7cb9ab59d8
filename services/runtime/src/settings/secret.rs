//! Which settings are secrets. A setting's type says so, and all who have to know it ask here: `firemode check`, the log, the
//! variables that name files, and the check that no two keys are the same.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::LazyLock;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::layers;
use super::types::{Environment, LogFormat};

/// What stands in the place of a value that is not shown.
pub(super) const HIDDEN: &str = "********";

/// Keys between commas.
#[derive(Debug, Clone, Deserialize)]
pub struct SecretKeys(pub(super) SecretString);

/// A URL that may hold a password.
#[derive(Debug, Clone, Deserialize)]
pub struct SecretUrl(SecretString);

impl SecretKeys {
    /// The keys, without the white space around them.
    pub fn keys(&self) -> Vec<SecretString> {
        let keys = self.expose_secret().split(',').map(str::trim);
        keys.filter(|key| !key.is_empty()).map(SecretString::from).collect()
    }
}

impl Deref for SecretKeys {
    type Target = SecretString;

    fn deref(&self) -> &SecretString {
        &self.0
    }
}

impl Deref for SecretUrl {
    type Target = SecretString;

    fn deref(&self) -> &SecretString {
        &self.0
    }
}

/// How a secret is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SecretKind {
    One,
    Keys,
    Url,
}

impl SecretKind {
    /// What may be printed of such a secret.
    pub(super) fn shown(self, text: &str) -> String {
        match self {
            Self::Url => without_password(text),
            Self::One | Self::Keys => HIDDEN.to_owned(),
        }
    }
}

/// A secret among the settings.
pub(super) struct Secret<'a> {
    pub(super) name: String,
    pub(super) kind: SecretKind,
    text: &'a str,
}

impl<'a> Secret<'a> {
    /// The texts in it that must not be printed.
    pub(super) fn texts(&self) -> Vec<&'a str> {
        match self.kind {
            SecretKind::One => vec![self.text],
            SecretKind::Keys => self.text.split(',').map(str::trim).collect(),
            SecretKind::Url => std::iter::once(self.text).chain(password(self.text)).collect(),
        }
    }
}

/// A setting, or a group of them.
pub(super) trait Setting {
    /// Adds the secrets of the setting `name`, or of those in the group `name`. A plain setting has none.
    fn secrets<'a>(&'a self, _name: &str, _found: &mut Vec<Secret<'a>>) {}
}

macro_rules! plain {
    ($($kind:ty),*) => { $(impl Setting for $kind {})* };
}

plain!(bool, i32, u8, u16, u32, u64, usize, String, PathBuf, Environment, LogFormat);

macro_rules! secret {
    ($($kind:ty => $how:ident),*) => {$(
        impl Setting for $kind {
            fn secrets<'a>(&'a self, name: &str, found: &mut Vec<Secret<'a>>) {
                let text = self.expose_secret();
                found.push(Secret { name: name.to_owned(), kind: SecretKind::$how, text });
            }
        }
    )*};
}

secret!(SecretString => One, SecretKeys => Keys, SecretUrl => Url);

/// The name of a member of the group `name`; the settings as a whole have the name "".
pub(super) fn member(name: &str, field: &str) -> String {
    if name.is_empty() { field.to_owned() } else { format!("{name}.{field}") }
}

/// The kind of each secret, by the setting's name.
pub(super) fn secrets() -> &'static BTreeMap<String, SecretKind> {
    static SECRETS: LazyLock<BTreeMap<String, SecretKind>> = LazyLock::new(|| {
        let defaults = layers::defaults().try_deserialize::<super::Settings>();
        let defaults = defaults.expect("default.toml gives each setting: a test loads it");
        defaults.secrets().into_iter().map(|secret| (secret.name, secret.kind)).collect()
    });
    &SECRETS
}

/// The password in `postgresql://user:password@host/db`.
fn password(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let (credentials, _) = rest.rsplit_once('@')?;
    Some(credentials.split_once(':')?.1)
}

/// `postgresql://user:password@host/db` → `postgresql://user:********@host/db`; what is not such a URL is hidden whole,
/// because libpq's `key=value` form can hold a password anywhere.
fn without_password(url: &str) -> String {
    let shown = || -> Option<String> {
        let (scheme, rest) = url.split_once("://")?;
        let rest = rest.split_once('?').map_or(rest, |(before, _)| before);
        let shown = match rest.rsplit_once('@') {
            Some((user, host)) => {
                let name = user.split(':').next().unwrap_or_default();
                format!("{name}:{HIDDEN}@{host}")
            }
            None => rest.to_owned(),
        };
        Some(format!("{scheme}://{shown}"))
    };
    shown().unwrap_or_else(|| HIDDEN.to_owned())
}
