//! Small values: truths, whole numbers, ids, and text that is kept as it was sent.

use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use uuid::Uuid;

use super::fault::{At, Faults};
use super::text::text_of;
use super::{Input, schema};

/// A whole number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Whole<const MIN: i64, const MAX: i64>(i64);

/// A number above zero that arithmetic with units and percentages cannot overflow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Positive(f64);

/// What a client calls an object of its own, as it was sent: 1 to `MAX` characters, none of them a control character.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientKey<const MAX: usize>(String);

/// A password, code or token of `MIN` to `MAX` bytes, as it was sent. It is not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<const MIN: usize, const MAX: usize>(String);

/// Any text, as it was sent, for a type that checks it further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AsSent(pub String);

/// A free JSON object, as it was sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Object(pub Map<String, Value>);

/// Free JSON, as it was sent; null is a value too.
#[derive(Debug, Clone, PartialEq)]
pub struct Json(pub Value);

impl Input for bool {
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let read = value.as_bool();
        if read.is_none() {
            faults.add(at, "must be true or false");
        }
        read
    }

    fn read_text(text: String, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let value = text.parse().map_or(Value::String(text), Value::Bool);
        Self::read(value, at, faults)
    }

    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Boolean).build().into()
    }
}

impl Input for Uuid {
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let read = value.as_str().and_then(|text| Self::parse_str(text).ok());
        if read.is_none() {
            faults.add(at, "must be a UUID such as 019a0000-0000-7000-8000-000000000000");
        }
        read
    }

    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::Uuid);
        ObjectBuilder::new().schema_type(Type::String).format(Some(format)).build().into()
    }
}

impl<const MIN: i64, const MAX: i64> Whole<MIN, MAX> {
    /// The number.
    #[must_use]
    pub fn get(self) -> i64 {
        self.0
    }

    /// The number, where the bounds lie within 16 bits.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the bounds are checked when this is compiled")]
    pub fn to_i16(self) -> i16 {
        const { assert!(MIN >= i16::MIN as i64 && MAX <= i16::MAX as i64) };
        self.0 as i16
    }
}

impl<const MIN: i64, const MAX: i64> Input for Whole<MIN, MAX> {
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let read = value.as_i64().filter(|number| (MIN..=MAX).contains(number));
        if read.is_none() {
            faults.add(at, format!("must be a whole number from {MIN} to {MAX}"));
        }
        read.map(Self)
    }

    fn read_text(text: String, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let value = text.parse::<i64>().map_or(Value::String(text), Value::from);
        Self::read(value, at, faults)
    }

    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new().schema_type(Type::Integer);
        number.minimum(Some(MIN)).maximum(Some(MAX)).build().into()
    }
}

impl Positive {
    const MIN: f64 = 1e-9;
    const MAX: f64 = 1e12;

    /// The number.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Input for Positive {
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let read = value.as_f64().filter(|number| (Self::MIN..=Self::MAX).contains(number));
        if read.is_none() {
            faults.add(at, format!("must be a number above zero, from {} to {}", Self::MIN, Self::MAX));
        }
        read.map(Self)
    }

    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new().schema_type(Type::Number);
        number.minimum(Some(Self::MIN)).maximum(Some(Self::MAX)).build().into()
    }
}

impl<const MAX: usize> Input for ClientKey<MAX> {
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let text = text_of(value, at, faults)?;
        if let Some(control) = text.chars().find(|character| character.is_control()) {
            faults.add(at, format!("has the control character U+{:04X}; remove it", u32::from(control)));
            return None;
        }
        if !(1..=MAX).contains(&text.chars().count()) {
            faults.add(at, format!("must have 1 to {MAX} characters"));
            return None;
        }
        Some(Self(text))
    }

    fn schema() -> RefOr<Schema> {
        schema::text(1, Some(MAX)).into()
    }
}

impl<const MAX: usize> ClientKey<MAX> {
    /// The text alone.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl<const MAX: usize> Deref for ClientKey<MAX> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MIN: usize, const MAX: usize> Input for Secret<MIN, MAX> {
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let text = text_of(value, at, faults)?;
        if !(MIN..=MAX).contains(&text.len()) {
            faults.add(at, format!("must have {MIN} to {MAX} bytes"));
            return None;
        }
        Some(Self(text))
    }

    fn schema() -> RefOr<Schema> {
        // Bounds in bytes are not bounds in characters, but nothing longer fits.
        secret_schema(usize::from(MIN > 0), MAX).into()
    }
}

pub(super) fn secret_schema(characters_min: usize, characters_max: usize) -> utoipa::openapi::schema::Object {
    let mut secret = schema::text(characters_min, Some(characters_max));
    secret.format = Some(SchemaFormat::KnownFormat(KnownFormat::Password));
    secret
}

impl<const MIN: usize, const MAX: usize> Deref for Secret<MIN, MAX> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MIN: usize, const MAX: usize> fmt::Debug for Secret<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Input for AsSent {
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        text_of(value, at, faults).map(Self)
    }

    fn schema() -> RefOr<Schema> {
        schema::text(0, None).into()
    }
}

impl Input for Object {
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        match value {
            Value::Object(members) => Some(Self(members)),
            _ => {
                faults.add(at, "must be a JSON object");
                None
            }
        }
    }

    fn schema() -> RefOr<Schema> {
        schema::object().into()
    }
}

impl Input for Json {
    fn read(value: Value, _: &At<'_>, _: &mut Faults) -> Option<Self> {
        Some(Self(value))
    }

    fn schema() -> RefOr<Schema> {
        schema::any().into()
    }
}
