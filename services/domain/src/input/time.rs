//! Times and days that every later step can carry.

use serde_json::Value;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime, UtcOffset};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};

use super::Input;
use super::fault::{At, Faults};

/// A moment from 1970 to 9999, in UTC. Sent as RFC 3339, with any offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(OffsetDateTime);

/// A day from 1800 to 9999. Sent as `2021-03-01`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(Date);

impl Time {
    /// The moment, in UTC.
    #[must_use]
    pub fn get(self) -> OffsetDateTime {
        self.0
    }

    fn parse(text: &str) -> Option<Self> {
        let time = OffsetDateTime::parse(text, &Rfc3339).ok()?.checked_to_offset(UtcOffset::UTC)?;
        (1970..=9999).contains(&time.year()).then_some(Self(time))
    }
}

impl Day {
    /// The day.
    #[must_use]
    pub fn get(self) -> Date {
        self.0
    }

    fn parse(text: &str) -> Option<Self> {
        let is_plain = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        let day = is_plain
            .then(|| Date::parse(text, format_description!("[year]-[month]-[day]")).ok())
            .flatten()?;
        (1800..=9999).contains(&day.year()).then_some(Self(day))
    }
}

impl Input for Time {
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let read = value.as_str().and_then(Self::parse);
        if read.is_none() {
            faults.add(at, "must be a time from 1970 to 9999 like 2026-11-21T08:30:00Z");
        }
        read
    }

    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
        ObjectBuilder::new().schema_type(Type::String).format(Some(format)).build().into()
    }
}

impl Input for Day {
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let read = value.as_str().and_then(Self::parse);
        if read.is_none() {
            faults.add(at, "must be a day from 1800 to 9999 like 2021-03-01");
        }
        read
    }

    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::Date);
        ObjectBuilder::new().schema_type(Type::String).format(Some(format)).build().into()
    }
}
