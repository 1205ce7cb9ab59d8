//! Where buildings stand: now, and as it was known at any moment.

use std::collections::{HashMap, HashSet};

use firemode_domain::place::{Jurisdiction, Place, Stated, TimeZone};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::row::{Row as _, row};
use crate::{Executor, StorageError, sql};

/// What stands somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlaceOf {
    /// A building that says nothing of its place.
    AnyBuilding,
    /// A building.
    Building(Uuid),
    /// The building of a session.
    Session(Uuid),
}

/// Which place is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PlaceKey {
    /// The tenant.
    pub organisation_id: Uuid,
    /// What stands there.
    pub of: PlaceOf,
    /// What was corrected later counts as it was before; none: as it is now.
    pub known_at: Option<OffsetDateTime>,
}

/// A building, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The building; none for any building.
    pub building_id: Option<Uuid>,
    /// Where it stands.
    pub place: Place,
}

impl PlaceKey {
    /// Where something stands, by all that is known now.
    pub fn now(organisation_id: Uuid, of: PlaceOf) -> Self {
        Self { organisation_id, of, known_at: None }
    }

    fn building_id(&self) -> Option<Uuid> {
        if let PlaceOf::Building(id) = self.of { Some(id) } else { None }
    }

    fn session_id(&self) -> Option<Uuid> {
        if let PlaceOf::Session(id) = self.of { Some(id) } else { None }
    }
}

row! {
    /// What a building and its organisation say of where it stands.
    struct StatedPlaces {
        pub building_id: Option<Uuid>,
        pub default_jurisdiction: Option<Jurisdiction>,
        pub default_time_zone: Option<TimeZone>,
        pub jurisdiction: Option<Jurisdiction>,
        pub time_zone: Option<TimeZone>,
    }
}

impl StatedPlaces {
    fn found(self) -> Found {
        let building = Stated { jurisdiction: self.jurisdiction, time_zone: self.time_zone };
        let organisation =
            Stated { jurisdiction: self.default_jurisdiction, time_zone: self.default_time_zone };
        Found { building_id: self.building_id, place: Place::of(building, organisation) }
    }
}

/// The place for each key; nothing for a building or a session that the organisation does not have.
///
/// # Errors
/// The database does not answer.
pub async fn find_all(
    on: &impl Executor,
    keys: &HashSet<PlaceKey>,
) -> Result<HashMap<PlaceKey, Found>, StorageError> {
    let keys: Vec<PlaceKey> = keys.iter().copied().collect();
    let organisations: Vec<Uuid> = keys.iter().map(|key| key.organisation_id).collect();
    let buildings: Vec<Option<Uuid>> = keys.iter().map(PlaceKey::building_id).collect();
    let sessions: Vec<Option<Uuid>> = keys.iter().map(PlaceKey::session_id).collect();
    let moments: Vec<Option<OffsetDateTime>> = keys.iter().map(|key| key.known_at).collect();
    // `limit 1` makes each of them a look into an index, whatever is known of the tables. The oldest correction behind a moment has what was
    // known at it.
    let sql = "select w.place, b.id as building_id,
                      case when f.former is null then o.default_jurisdiction else f.former ->> 'default_jurisdiction' end
                          as default_jurisdiction,
                      case when f.former is null then o.default_time_zone else f.former ->> 'default_time_zone' end as default_time_zone,
                      case when was.is_corrected then was.jurisdiction else b.jurisdiction end as jurisdiction,
                      case when was.is_corrected then was.time_zone else b.time_zone end as time_zone
               from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[]) with ordinality
                    as w (organisation_id, building_id, session_id, known_at, place)
               cross join lateral (
                   select default_jurisdiction, default_time_zone from organisations where id = w.organisation_id limit 1
               ) o
               left join lateral (
                   select former from former_values
                   where organisation_id = w.organisation_id and subject_id = w.organisation_id and known_to > w.known_at
                   order by known_to limit 1
               ) f on true
               left join lateral (
                   select building_id from test_sessions where organisation_id = w.organisation_id and id = w.session_id limit 1
               ) s on true
               left join lateral (
                   select id, jurisdiction, time_zone from buildings
                   where organisation_id = w.organisation_id and id = coalesce(w.building_id, s.building_id) limit 1
               ) b on true
               left join lateral (
                   select true as is_corrected, jurisdiction, time_zone from corrected_places
                   where organisation_id = w.organisation_id and building_id = b.id and known_to > w.known_at
                   order by known_to limit 1
               ) was on true
               where b.id is not null or (w.building_id is null and w.session_id is null)";
    let rows = on.rows(sql, &[&organisations, &buildings, &sessions, &moments]).await?;
    rows.iter()
        .map(|row| Ok((keys[sql::place(row.get("place"))], StatedPlaces::read(row)?.found())))
        .collect()
}

/// One of these places.
///
/// # Errors
/// The database does not answer.
pub async fn find(on: &impl Executor, key: PlaceKey) -> Result<Option<Place>, StorageError> {
    Ok(find_all(on, &HashSet::from([key])).await?.remove(&key).map(|found| found.place))
}
