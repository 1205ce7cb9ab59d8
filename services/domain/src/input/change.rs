//! Changes: what a client leaves out stays, null clears, and a value takes the place of what is there.

use serde_json::Value;
use time::{Date, OffsetDateTime};
use utoipa::openapi::{RefOr, Schema};
use uuid::Uuid;

use super::fault::{At, Faults};
use super::{ClientKey, Day, Input, Line, Metadata, Text, Time, Whole};

/// A value that may be left out, and that null does not leave out. `Given<Option<T>>` distinguishes null, which clears, from nothing,
/// which keeps what there is; to `Given<T>` null is as wrong as any other value that is no `T`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given<T>(pub Option<T>);

impl<T> Given<T> {
    /// Puts the value, where one was given, in the place of what is there.
    pub fn apply<Kept>(self, kept: &mut Kept)
    where
        T: Becomes<Kept>,
    {
        if let Some(value) = self.0 {
            *kept = value.becomes();
        }
    }
}

impl<T: Input> Input for Given<T> {
    const IS_REQUIRED: bool = false;

    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        T::read(value, at, faults).map(|value| Self(Some(value)))
    }

    fn absent(_: &At<'_>, _: &mut Faults) -> Option<Self> {
        Some(Self(None))
    }

    fn schema() -> RefOr<Schema> {
        T::schema()
    }
}

/// What a client sends, as the object that it describes keeps it: a line of text as text, a day as a date.
pub trait Becomes<Kept> {
    /// The kept form.
    fn becomes(self) -> Kept;
}

/// For what is kept as it is read.
#[doc(hidden)]
#[macro_export]
macro_rules! becomes_itself {
    ($($type:ty),+) => {
        $(impl $crate::input::Becomes<$type> for $type {
            fn becomes(self) -> $type {
                self
            }
        })+
    };
}

becomes_itself!(bool, Uuid);

impl<T: Becomes<Kept>, Kept> Becomes<Option<Kept>> for Option<T> {
    fn becomes(self) -> Option<Kept> {
        self.map(T::becomes)
    }
}

impl<const MAX: usize, const MIN: usize> Becomes<String> for Line<MAX, MIN> {
    fn becomes(self) -> String {
        self.into_string()
    }
}

impl<const MAX: usize> Becomes<String> for Text<MAX> {
    fn becomes(self) -> String {
        self.into_string()
    }
}

impl<const MAX: usize> Becomes<String> for ClientKey<MAX> {
    fn becomes(self) -> String {
        self.into_string()
    }
}

impl<const MIN: i64, const MAX: i64> Becomes<i16> for Whole<MIN, MAX> {
    fn becomes(self) -> i16 {
        self.to_i16()
    }
}

impl<const MIN: i64, const MAX: i64> Becomes<i64> for Whole<MIN, MAX> {
    fn becomes(self) -> i64 {
        self.get()
    }
}

impl Becomes<Date> for Day {
    fn becomes(self) -> Date {
        self.get()
    }
}

impl Becomes<OffsetDateTime> for Time {
    fn becomes(self) -> OffsetDateTime {
        self.get()
    }
}

impl Becomes<Value> for Metadata {
    fn becomes(self) -> Value {
        Value::Object(self.0)
    }
}

/// Free fields that were left out are none.
impl Becomes<Value> for Option<Metadata> {
    fn becomes(self) -> Value {
        self.unwrap_or_default().becomes()
    }
}
