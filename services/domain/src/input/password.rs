//! Passwords that are chosen.

use std::fmt;
use std::ops::Deref;

use serde_json::Value;
use utoipa::openapi::{RefOr, Schema};

use super::Input;
use super::fault::{At, Faults};
use super::scalar::secret_schema;
use super::text::text_of;
use crate::password::{self, CHARACTERS_MAX, CHARACTERS_MIN};

/// A new password of the right length. Whether it can be guessed is known only where its owner is.
#[derive(Clone, PartialEq, Eq)]
pub struct NewPassword(String);

impl Input for NewPassword {
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let text = text_of(value, at, faults)?;
        password::check_length(&text).map_err(|why| faults.add(at, why.to_string())).ok()?;
        Some(Self(text))
    }

    fn schema() -> RefOr<Schema> {
        secret_schema(CHARACTERS_MIN, CHARACTERS_MAX).into()
    }
}

impl Deref for NewPassword {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewPassword")
    }
}
