//! A figure of a report.

use serde::{Serialize, Serializer};
use time::format_description::well_known::Rfc3339;
use time::{Date, OffsetDateTime, UtcOffset};
use uuid::Uuid;

/// A figure of a report, or a word that says what the figures beside it are about.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// There is nothing to say: nothing was tested, so there is no rate.
    Empty,
    /// Words, of ours or of users.
    Text(String),
    /// Names an object of the API.
    Id(Uuid),
    /// How many.
    Integer(i64),
    /// How much, in the unit that the column's title names.
    Decimal(f64),
    /// A share, from 0 to 1.
    Ratio(f64),
    /// A day, where the building stands.
    Day(Date),
    /// A month, by its first day.
    Month(Date),
    /// A moment. Tables and pages show it in the report's time zone.
    Instant(OffsetDateTime),
}

impl Cell {
    /// The share that a part has in the whole; empty where the whole is nothing.
    #[expect(clippy::cast_precision_loss, reason = "counts of rows are far below 2^52")]
    pub fn share(part: i64, whole: i64) -> Self {
        if whole == 0 { Self::Empty } else { Self::Ratio(part as f64 / whole as f64) }
    }

    /// The same, where a number can be shown. There is no way to write infinity or what is no number.
    pub(crate) fn shown(self) -> Self {
        match self {
            Self::Decimal(number) | Self::Ratio(number) if !number.is_finite() => Self::Empty,
            other => other,
        }
    }

    /// Is it a number, which stands at the right of its column?
    pub(crate) fn is_number(&self) -> bool {
        matches!(self, Self::Integer(_) | Self::Decimal(_) | Self::Ratio(_))
    }

    /// As programs read it; a number has no unit, and an instant is in UTC.
    pub(crate) fn plain(&self) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Text(text) => text.clone(),
            Self::Id(id) => id.to_string(),
            Self::Integer(number) => number.to_string(),
            Self::Decimal(number) | Self::Ratio(number) => number.to_string(),
            Self::Day(day) => day.to_string(),
            Self::Month(day) => month(*day),
            Self::Instant(at) => instant(*at),
        }
    }
}

/// A month as ISO 8601 writes it.
pub(crate) fn month(day: Date) -> String {
    format!("{:04}-{:02}", day.year(), u8::from(day.month()))
}

/// A moment as RFC 3339 writes it, in UTC.
pub(crate) fn instant(at: OffsetDateTime) -> String {
    at.to_offset(UtcOffset::UTC).format(&Rfc3339).unwrap_or_default()
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Empty => serializer.serialize_none(),
            Self::Integer(number) => serializer.serialize_i64(*number),
            Self::Decimal(number) | Self::Ratio(number) => serializer.serialize_f64(*number),
            Self::Text(_) | Self::Id(_) | Self::Day(_) | Self::Month(_) | Self::Instant(_) => {
                serializer.serialize_str(&self.plain())
            }
        }
    }
}

/// What becomes a cell as it is; `None` becomes an empty one.
macro_rules! becomes_a_cell {
    ($($kind:ty => $variant:ident),+) => {
        $(impl From<$kind> for Cell {
            fn from(value: $kind) -> Self {
                Self::$variant(value.into())
            }
        })+
    };
}

becomes_a_cell!(String => Text, &str => Text, Uuid => Id, i64 => Integer, OffsetDateTime => Instant);

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Into::into)
    }
}
