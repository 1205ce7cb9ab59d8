//! Which day it was at a building, as its place was known.

use std::collections::HashSet;

use firemode_domain::place::Place;
use time::{Date, Duration, OffsetDateTime};
use uuid::Uuid;

use crate::places::{self, PlaceKey, PlaceOf};
use crate::{Executor as _, StorageError, Transaction};

/// The days of what is said in a session.
pub(super) struct Days {
    session_made_at: OffsetDateTime,
    /// When its place was corrected, the first first.
    corrections: Vec<OffsetDateTime>,
    /// The place until each of these, and since the last.
    places: Vec<Place>,
}

impl Days {
    pub(super) async fn read(
        tx: &Transaction,
        organisation_id: Uuid,
        building_id: Uuid,
        session_made_at: OffsetDateTime,
    ) -> Result<Self, StorageError> {
        let sql = "select known_to from corrected_places where organisation_id = $1 and building_id = $2
                   union select known_to from former_values where organisation_id = $1 and subject_id = $1 order by known_to";
        let rows = tx.rows(sql, &[&organisation_id, &building_id]).await?;
        let corrections: Vec<OffsetDateTime> = rows.iter().map(|row| row.get(0)).collect();
        // The database keeps microseconds: so long before it is corrected, a place is what it was.
        let until = corrections.iter().map(|at| Some(at.saturating_sub(Duration::MICROSECOND)));
        let of = PlaceOf::Building(building_id);
        let keys: Vec<PlaceKey> =
            until.chain([None]).map(|known_at| PlaceKey { organisation_id, of, known_at }).collect();
        let found = places::find_all(tx, &keys.iter().copied().collect::<HashSet<_>>()).await?;
        let place = |key| found.get(key).map(|found| found.place.clone());
        let places = keys.iter().filter_map(place).collect();
        Ok(Self { session_made_at, corrections, places })
    }

    /// The day on which something was observed, or the session made where nothing was, by the place as it was known at a moment.
    pub(super) fn day(&self, observed_at: Option<OffsetDateTime>, known_at: OffsetDateTime) -> Date {
        let at = observed_at.unwrap_or(self.session_made_at);
        let behind = self.corrections.partition_point(|corrected_at| *corrected_at <= known_at);
        self.places.get(behind).map_or_else(|| at.date(), |place| place.day(at))
    }
}
