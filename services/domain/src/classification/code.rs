//! What names a version of a rule.

use std::fmt::{self, Display};
use std::str::FromStr;

use semver::Version;
use serde::Serialize;
use serde_json::Value;
use utoipa::openapi::{RefOr, Schema};

use super::parse::{CODE_RULE, is_code};
use crate::audit::Plain;
use crate::input::{self, At, Faults, Input};

/// Longer ones have no use, and are compared often.
const VERSION_CHARS_MAX: usize = 100;

/// Words that stand in the place of a code in addresses.
const RESERVED: [&str; 5] = ["schema", "id", "impact", "uncovered", "classify_faults"];

/// Code of a rule, such as `AS1851-10-EXT-PRESSURE`; the same in all its versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleCode(pub(super) String);

/// Semantic version of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct RuleVersion(pub(super) Version);

impl RuleCode {
    /// The code as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Display for RuleVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RuleCode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if RESERVED.iter().any(|word| word.eq_ignore_ascii_case(text)) {
            return Err(format!("may not be one of {}", RESERVED.join(", ")));
        }
        if is_code(text) { Ok(Self(text.to_owned())) } else { Err(CODE_RULE.to_owned()) }
    }
}

impl FromStr for RuleVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() > VERSION_CHARS_MAX {
            return Err(format!("may have {VERSION_CHARS_MAX} characters at most"));
        }
        let read = text.parse().map(Self);
        read.map_err(|error| format!("must be a semantic version such as 1.0.0: {error}"))
    }
}

fn read<T: FromStr<Err: Display>>(value: &Value, at: &At<'_>, faults: &mut Faults) -> Option<T> {
    let read = value.as_str().unwrap_or_default().parse::<T>();
    read.map_err(|error| faults.add(at, error.to_string())).ok()
}

/// It has letters, digits, dots, hyphens and plus signs.
impl Plain for RuleVersion {}

impl Input for RuleCode {
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        read(&value, at, faults)
    }

    fn schema() -> RefOr<Schema> {
        input::text(1, Some(64)).into()
    }
}

impl Input for RuleVersion {
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        read(&value, at, faults)
    }

    fn schema() -> RefOr<Schema> {
        input::text(5, Some(VERSION_CHARS_MAX)).into()
    }
}
