//! Addresses of accounts.

use std::ops::Deref;

use serde_json::Value;
use unicode_normalization::UnicodeNormalization as _;
use utoipa::openapi::{RefOr, Schema};

use super::fault::{At, Faults};
use super::text::{check_characters, text_of};
use super::{ClientKey, Input, schema};

/// Longest address, in characters, as it is stored.
const CHARACTERS_MAX: usize = 254;

/// The address of a new account: NFC, lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email(String);

/// An address that somebody signs in with, as it was sent. Nothing is asked of it that an account from before may not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInAddress(ClientKey<CHARACTERS_MAX>);

impl Email {
    /// Reads an address. Enough to catch a slip; whether the address exists, only a message to it can show.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        check_characters(text, &[])?;
        let composed: String = text.trim().nfc().collect();
        let address: String = composed.to_lowercase().nfc().collect();
        let parts: Vec<&str> = address.split('@').collect();
        let is_address = match parts.as_slice() {
            [name, domain] => {
                !name.is_empty() && domain.contains('.') && !address.contains(char::is_whitespace)
            }
            _ => false,
        };
        // Counted as it is stored: lower-casing can make it longer.
        if !is_address {
            return Err("must be an email address such as ada@example.com".to_owned());
        }
        if address.chars().count() > CHARACTERS_MAX {
            return Err(format!("must have {CHARACTERS_MAX} characters at most"));
        }
        Ok(Self(address))
    }
}

impl Deref for Email {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Deref for SignInAddress {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Input for Email {
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let text = text_of(value, at, faults)?;
        Self::parse(&text).map_err(|why| faults.add(at, why)).ok()
    }

    fn schema() -> RefOr<Schema> {
        schema::text(3, Some(CHARACTERS_MAX)).into()
    }
}

impl Input for SignInAddress {
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        ClientKey::read(value, at, faults).map(Self)
    }

    fn schema() -> RefOr<Schema> {
        ClientKey::<CHARACTERS_MAX>::schema()
    }
}
