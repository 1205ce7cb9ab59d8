//! Which keys are refused, and why.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use secrecy::{ExposeSecret as _, SecretString};

use super::Settings;
use super::secret::{SecretKeys, SecretKind, secrets};
use super::validate::SettingProblems;

/// Words that mark a secret as an example that somebody copied.
const PLACEHOLDERS: &[&str] =
    &["change-me", "changeme", "change_me", "secret", "password", "example", "placeholder"];

/// HS256 wants a key as long as its hash (RFC 7518, 3.2).
const SECRET_BYTES_MIN: usize = 32;

/// Random keys have far more different characters (or bytes) than this: 32 hexadecimal digits have 14.
const VARIETY_MIN: usize = 10;

const JWT: &str = "auth.jwt_secret_key";
const JWT_ACCEPTED: &str = "auth.jwt_accepted_keys";
const INTERNAL: &str = "auth.internal_jwt_secret_key";
const INTERNAL_ACCEPTED: &str = "auth.internal_jwt_accepted_keys";
const PII: &str = "auth.pii_encryption_key";
const RECEIPTS: &str = "receipts.signing_key";

pub(super) fn problems(settings: &Settings) -> SettingProblems {
    let (auth, production) = (&settings.auth, settings.is_production());
    let mut problems = SettingProblems::new();
    for (name, key) in [(JWT, &auth.jwt_secret_key), (INTERNAL, &auth.internal_jwt_secret_key)] {
        if !key.expose_secret().is_empty() {
            problems.extend(signing_key(name, key, production));
        } else if production {
            let message = "is not set; production needs one: `firemode keys new` makes them";
            problems.push((name, message.to_owned()));
        }
    }
    let accepted =
        [(JWT_ACCEPTED, &auth.jwt_accepted_keys), (INTERNAL_ACCEPTED, &auth.internal_jwt_accepted_keys)];
    for (name, list) in accepted {
        problems.extend(list.keys().iter().find_map(|key| signing_key(name, key, production)));
    }
    problems.extend(listed_keys(PII, &auth.pii_encryption_key, "pii", production));
    problems.extend(listed_keys(RECEIPTS, &settings.receipts.signing_key, "receipts", production));
    problems.extend(repeated(settings));
    problems
}

/// Looks like an example that somebody copied?
pub(super) fn is_placeholder(key: &str) -> bool {
    let lower = key.to_lowercase();
    let same_character = key.chars().all(|c| key.starts_with(c));
    same_character || PLACEHOLDERS.iter().any(|word| lower.contains(word))
}

fn signing_key(name: &'static str, key: &SecretString, production: bool) -> Option<(&'static str, String)> {
    let key = key.expose_secret();
    let fault = if key.len() < SECRET_BYTES_MIN {
        "has a key that is shorter than 32 bytes"
    } else if production && is_placeholder(key) {
        "has a key that looks like an example"
    } else if production && variety(key.as_bytes()) < VARIETY_MIN {
        "has a key of too few different characters to be random"
    } else {
        return None;
    };
    Some((name, format!("{fault}; make one with `firemode keys new`")))
}

/// Keys of 32 bytes, separated by commas: those that encrypt personal data, and those that sign receipts.
fn listed_keys(
    name: &'static str,
    list: &SecretKeys,
    kind: &str,
    production: bool,
) -> Option<(&'static str, String)> {
    let list = list.expose_secret();
    let make_one = format!("make one with `firemode keys new {kind}`");
    if list.is_empty() {
        return production.then(|| (name, format!("is not set; production needs one: {make_one}")));
    }
    let keys: Option<Vec<Vec<u8>>> = list.split(',').map(bytes_of).collect();
    let fault = match keys {
        None => "has a key that is not 32 bytes in URL-safe base64",
        Some(keys) if production && keys.iter().any(|key| variety(key) < VARIETY_MIN) => {
            "has a key of too few different bytes to be random"
        }
        Some(_) => return None,
    };
    Some((name, format!("{fault}; {make_one}")))
}

fn bytes_of(key: &str) -> Option<Vec<u8>> {
    URL_SAFE.decode(key.trim()).ok().filter(|bytes| bytes.len() == 32)
}

/// No secret may serve two ends: a client could forge internal tokens, and who leaks one would leak the other.
fn repeated(settings: &Settings) -> Option<(&'static str, String)> {
    let message =
        "has a key that is set elsewhere too; all keys must differ: make one with `firemode keys new`";
    let mut seen = BTreeMap::new();
    let again = settings.secrets().into_iter().find(|secret| {
        // Two addresses of one database have one password.
        let is_another_end = |before: SecretKind| before != SecretKind::Url || secret.kind != SecretKind::Url;
        let mut texts = secret.texts().into_iter().filter(|text| !text.is_empty());
        texts.any(|text| seen.insert(text, secret.kind).is_some_and(is_another_end))
    })?;
    let (name, _) = secrets().get_key_value(&again.name)?;
    Some((name, message.to_owned()))
}

fn variety(key: &[u8]) -> usize {
    key.iter().collect::<BTreeSet<_>>().len()
}
