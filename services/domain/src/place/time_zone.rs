//! Time zones by their names in the IANA database, which is part of the binary.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::{self, TimeZoneDatabase};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::{Date, OffsetDateTime, PrimitiveDateTime, UtcOffset};
use utoipa::openapi::{RefOr, Schema};

use super::jurisdiction::KNOWN;
use crate::input::{self, At, Faults, Input};

/// A time zone of the IANA database, such as `Australia/Sydney`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeZone(tz::TimeZone);

/// There is no such time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be the name of a time zone in the IANA database, such as Australia/Sydney")]
pub struct UnknownTimeZone;

impl TimeZone {
    /// The longest name in the database is half as long.
    const CHARACTERS_MAX: usize = 64;

    /// Its name, as the database writes it.
    pub fn as_str(&self) -> &str {
        self.0.iana_name().unwrap_or_default()
    }

    /// When a day begins there.
    pub fn start_of(&self, day: Date) -> OffsetDateTime {
        let midnight = i16::try_from(day.year()).ok().and_then(|year| {
            let (month, day) = (i8::try_from(u8::from(day.month())).ok()?, i8::try_from(day.day()).ok()?);
            let begins = jiff::civil::Date::new(year, month, day).ok()?.to_zoned(self.0.clone()).ok()?;
            OffsetDateTime::from_unix_timestamp_nanos(begins.timestamp().as_nanosecond()).ok()
        });
        midnight.unwrap_or_else(|| day.midnight().assume_utc())
    }

    /// The day there.
    pub fn day(&self, at: OffsetDateTime) -> Date {
        self.local(at).date()
    }

    /// The day and the time of the day there.
    pub fn local(&self, at: OffsetDateTime) -> PrimitiveDateTime {
        let instant = Timestamp::from_nanosecond(at.unix_timestamp_nanos());
        let offset = instant.map(|instant| self.0.to_offset(instant).seconds()).ok();
        let offset = offset.and_then(|seconds| UtcOffset::from_whole_seconds(seconds).ok());
        let local = at.checked_to_offset(offset.unwrap_or(UtcOffset::UTC)).unwrap_or(at);
        PrimitiveDateTime::new(local.date(), local.time())
    }
}

impl Default for TimeZone {
    /// Where nobody said which.
    fn default() -> Self {
        KNOWN.default_time_zone.clone()
    }
}

impl FromStr for TimeZone {
    type Err = UnknownTimeZone;

    fn from_str(name: &str) -> Result<Self, UnknownTimeZone> {
        // Of the binary, so that a name means the same on every machine.
        let zone = TimeZoneDatabase::bundled().get(name).map_err(|_| UnknownTimeZone)?;
        zone.iana_name().is_some().then_some(Self(zone)).ok_or(UnknownTimeZone)
    }
}

impl TryFrom<String> for TimeZone {
    type Error = UnknownTimeZone;

    fn try_from(name: String) -> Result<Self, UnknownTimeZone> {
        name.parse()
    }
}

impl From<TimeZone> for String {
    fn from(zone: TimeZone) -> Self {
        zone.as_str().to_owned()
    }
}

impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Input for TimeZone {
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let read = value.as_str().ok_or(UnknownTimeZone).and_then(str::parse);
        read.map_err(|unknown| faults.add(at, unknown.to_string())).ok()
    }

    fn schema() -> RefOr<Schema> {
        input::text(1, Some(Self::CHARACTERS_MAX)).into()
    }
}

crate::becomes_itself!(TimeZone);
impl crate::audit::Plain for TimeZone {}

#[cfg(test)]
mod tests {
    use time::macros::{date, datetime};

    use super::*;

    fn day(zone: &str, at: OffsetDateTime) -> Date {
        zone.parse::<TimeZone>().expect("the zone is known").day(at)
    }

    #[test]
    fn a_day_begins_when_it_does_there() {
        // Daylight saving in Sydney began on 4 October 2026, half an hour counts in Broken Hill, three quarters in Eucla.
        assert_eq!(day("Australia/Sydney", datetime!(2026-10-03 13:59:59 UTC)), date!(2026 - 10 - 03));
        assert_eq!(day("Australia/Sydney", datetime!(2026-10-03 14:00 UTC)), date!(2026 - 10 - 04));
        assert_eq!(day("Australia/Sydney", datetime!(2026-10-04 13:00 UTC)), date!(2026 - 10 - 05));
        assert_eq!(day("Australia/Broken_Hill", datetime!(2026-07-01 14:29:59 UTC)), date!(2026 - 07 - 01));
        assert_eq!(day("Australia/Broken_Hill", datetime!(2026-07-01 14:30 UTC)), date!(2026 - 07 - 02));
        assert_eq!(day("Australia/Eucla", datetime!(2026-07-01 15:14:59 UTC)), date!(2026 - 07 - 01));
        assert_eq!(day("Australia/Eucla", datetime!(2026-07-01 15:15 UTC)), date!(2026 - 07 - 02));
        assert_eq!(day("Australia/Perth", datetime!(2028-02-28 16:00 UTC)), date!(2028 - 02 - 29));
    }

    #[test]
    fn a_time_of_the_day_is_the_one_there() {
        let sydney: TimeZone = "Australia/Sydney".parse().expect("the zone is known");
        assert_eq!(sydney.local(datetime!(2026-10-03 15:59:59 UTC)), datetime!(2026-10-04 01:59:59));
        assert_eq!(sydney.local(datetime!(2026-10-03 16:00 UTC)), datetime!(2026-10-04 03:00));
        assert_eq!(
            sydney.local(datetime!(9999-12-31 23:00 UTC)),
            datetime!(9999-12-31 23:00),
            "no year 10000"
        );
    }

    #[test]
    fn a_zone_has_one_name() {
        let zone: TimeZone = "australia/sydney".parse().expect("names are found in any case");
        assert_eq!(zone.as_str(), "Australia/Sydney");
        for unknown in ["", "Sydney", "Australia/Atlantis", "+10:00", "../../etc/passwd", "UTC+10"] {
            assert_eq!(unknown.parse::<TimeZone>(), Err(UnknownTimeZone), "{unknown}");
        }
    }

    #[test]
    fn each_jurisdiction_has_a_zone() {
        for jurisdiction in crate::place::Jurisdiction::ALL {
            assert!(jurisdiction.time_zone().as_str().starts_with("Australia/"), "{jurisdiction}");
        }
    }

    #[test]
    fn a_day_begins_at_midnight_there_or_when_the_clock_goes_on_from_it() {
        for (zone, on, begins) in [
            ("Australia/Sydney", date!(2026 - 10 - 04), datetime!(2026-10-03 14:00 UTC)),
            ("Australia/Sydney", date!(2026 - 10 - 05), datetime!(2026-10-04 13:00 UTC)),
            ("Australia/Broken_Hill", date!(2026 - 07 - 02), datetime!(2026-07-01 14:30 UTC)),
            // There was no midnight: it was one o'clock at once.
            ("America/Sao_Paulo", date!(2018 - 11 - 04), datetime!(2018-11-04 03:00 UTC)),
        ] {
            let known: TimeZone = zone.parse().expect("the zone is known");
            assert_eq!(known.start_of(on), begins, "{zone} {on}");
            assert_eq!(
                (day(zone, begins), day(zone, begins - time::Duration::SECOND)),
                (on, on.previous_day().unwrap())
            );
        }
    }
}
