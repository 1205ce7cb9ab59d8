//! Where a building stands: whose law applies there, and which day it is.

mod jurisdiction;
mod time_zone;

pub use jurisdiction::Jurisdiction;
pub use time_zone::TimeZone;

use time::{Date, OffsetDateTime};

/// What decides by the place of a building.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// Whose law applies; none where nobody said.
    pub jurisdiction: Option<Jurisdiction>,
    /// Which day it is.
    pub time_zone: TimeZone,
}

/// What a building, or an organisation, says of its place.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stated {
    /// Its jurisdiction.
    pub jurisdiction: Option<Jurisdiction>,
    /// Its time zone.
    pub time_zone: Option<TimeZone>,
}

impl Place {
    /// The place of a building, whose organisation says what the building leaves open. A time zone follows from the building's own
    /// jurisdiction before the organisation's zone is asked for.
    pub fn of(building: Stated, organisation: Stated) -> Self {
        let jurisdiction = building.jurisdiction.or(organisation.jurisdiction);
        let time_zone = building
            .time_zone
            .or_else(|| building.jurisdiction.map(Jurisdiction::time_zone))
            .or(organisation.time_zone)
            .or_else(|| jurisdiction.map(Jurisdiction::time_zone))
            .unwrap_or_default();
        Self { jurisdiction, time_zone }
    }

    /// The day at this place.
    pub fn day(&self, at: OffsetDateTime) -> Date {
        self.time_zone.day(at)
    }
}
