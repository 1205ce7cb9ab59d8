//! What a report is asked for, and the conditions of its statements that follow.

use std::collections::HashMap;

use firemode_domain::place::{Jurisdiction, Place, Stated, TimeZone};
use time::{Date, Duration, OffsetDateTime};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::defects::{KNOWN_NOW, KNOWN_THEN};
use crate::row::{Row as _, row};
use crate::sql::{self, Param};
use crate::{Executor, StorageError};

/// What a report is to be about.
#[derive(Debug, Clone, Default)]
pub struct ReportFilter {
    /// One building; none: all.
    pub building_id: Option<Uuid>,
    /// One section of AS 1851-2012; none: all.
    pub section: Option<i16>,
    /// From this day at each building on.
    pub from: Option<Date>,
    /// Up to this day at each building, with it.
    pub to: Option<Date>,
    /// As it was known then; none: now.
    pub as_of: Option<OffsetDateTime>,
}

/// Why a report cannot be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AskedFault {
    /// The days are turned round.
    #[error("must not be before `from`")]
    TurnedRound,
    /// Trends do not go back so far.
    #[error("must lie within {} years before `to`", super::trends::YEARS_MAX)]
    TooLong,
    /// The organisation does not have the building.
    #[error("is not a building of the organisation")]
    NoBuilding,
}

impl AskedFault {
    /// The field of the filter that it is about.
    pub fn field(self) -> &'static str {
        match self {
            Self::TurnedRound => "to",
            Self::TooLong => "from",
            Self::NoBuilding => "building_id",
        }
    }
}

impl ReportFilter {
    pub(super) fn checked(self) -> Result<Self, AskedFault> {
        match self.from.zip(self.to) {
            Some((from, to)) if from > to => Err(AskedFault::TurnedRound),
            _ => Ok(self),
        }
    }
}

/// A report that is asked for: what about, of which buildings, and when.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) organisation_id: Uuid,
    pub(super) filter: ReportFilter,
    /// By name.
    pub(super) buildings: Vec<Building>,
    /// Where each of them is among these.
    places: HashMap<Uuid, usize>,
    /// Of the one building that it is about, else of the organisation.
    pub(super) time_zone: TimeZone,
    pub(super) generated_at: OffsetDateTime,
}

/// A building that a report is about.
#[derive(Debug)]
pub(super) struct Building {
    pub(super) id: Uuid,
    pub(super) site_name: String,
    pub(super) place: Place,
}

row! {
    struct StoredBuilding {
        pub id: Uuid,
        pub site_name: String,
        pub jurisdiction: Option<Jurisdiction>,
        pub time_zone: Option<TimeZone>,
    }
}

row! {
    struct Defaults {
        pub default_jurisdiction: Option<Jurisdiction>,
        pub default_time_zone: Option<TimeZone>,
    }
}

impl Asked {
    /// None where the organisation does not have the building.
    ///
    /// # Errors
    /// The database does not answer.
    pub(super) async fn read(
        on: &impl Executor,
        organisation_id: Uuid,
        filter: ReportFilter,
    ) -> Result<Option<Self>, StorageError> {
        let defaults = "select default_jurisdiction, default_time_zone from organisations where id = $1";
        let defaults = Defaults::read(&sql::one(on, defaults, &[&organisation_id]).await?)?;
        let of_organisation = || Stated {
            jurisdiction: defaults.default_jurisdiction,
            time_zone: defaults.default_time_zone.clone(),
        };
        let columns = StoredBuilding::columns();
        let rows = match &filter.building_id {
            None => {
                let all = format!(
                    "select {columns} from buildings where organisation_id = $1 order by site_name, id"
                );
                on.rows(&all, &[&organisation_id]).await?
            }
            Some(id) => {
                let one = format!("select {columns} from buildings where organisation_id = $1 and id = $2");
                on.rows(&one, &[&organisation_id, id]).await?
            }
        };
        let building = |stored: StoredBuilding| {
            let stated = Stated { jurisdiction: stored.jurisdiction, time_zone: stored.time_zone };
            let place = Place::of(stated, of_organisation());
            Building { id: stored.id, site_name: stored.site_name, place }
        };
        let buildings: Vec<Building> = StoredBuilding::read_all(&rows)?.into_iter().map(building).collect();
        let only = buildings.first().filter(|_| filter.building_id.is_some());
        if filter.building_id.is_some() && only.is_none() {
            return Ok(None);
        }
        let time_zone = match only {
            Some(building) => building.place.time_zone.clone(),
            None => Place::of(Stated::default(), of_organisation()).time_zone,
        };
        let places = buildings.iter().enumerate().map(|(place, building)| (building.id, place)).collect();
        let generated_at = OffsetDateTime::now_utc();
        Ok(Some(Self { organisation_id, filter, buildings, places, time_zone, generated_at }))
    }

    /// The moment at which things are as they are reported.
    pub(super) fn at(&self) -> OffsetDateTime {
        self.filter.as_of.unwrap_or(self.generated_at)
    }

    /// The day of a moment at a building.
    pub(super) fn day(&self, building_id: Uuid, at: OffsetDateTime) -> Option<Date> {
        Some(self.buildings.get(*self.places.get(&building_id)?)?.place.day(at))
    }

    /// A statement of which the first parameter is the organisation.
    pub(super) fn statement(&self) -> Statement<'_> {
        let mut statement = Statement { asked: self, conditions: Vec::new(), params: Vec::new() };
        let organisation = statement.place(self.organisation_id);
        statement.holds(&format!("organisation_id = {organisation}"))
    }
}

/// A statement while it is said of which rows.
pub(super) struct Statement<'a> {
    asked: &'a Asked,
    conditions: Vec<String>,
    params: Vec<Param<'a>>,
}

impl<'a> Statement<'a> {
    /// The place of a value among the parameters.
    pub(super) fn place(&mut self, value: impl ToSql + Sync + Send + 'a) -> String {
        self.params.push(Box::new(value));
        format!("${}", self.params.len())
    }

    pub(super) fn holds(mut self, condition: &str) -> Self {
        self.conditions.push(condition.to_owned());
        self
    }

    /// A condition, where there is a value for its `{}`.
    fn only_if(mut self, condition: &str, value: Option<impl ToSql + Sync + Send + 'a>) -> Self {
        if let Some(value) = value {
            let place = self.place(value);
            self.conditions.push(condition.replace("{}", &place));
        }
        self
    }

    /// Rows of the building that is asked for.
    pub(super) fn of_building(self) -> Self {
        let building_id = self.asked.filter.building_id;
        self.only_if("building_id = {}", building_id)
    }

    /// Rows of the section that is asked for.
    pub(super) fn of_section(self) -> Self {
        let section = self.asked.filter.section;
        self.only_if("section = {}", section)
    }

    /// Rows that have the day under which they count.
    pub(super) fn of_days(self) -> Self {
        let ReportFilter { from, to, .. } = self.asked.filter;
        self.only_if("local_date >= {}", from).only_if("local_date <= {}", to)
    }

    /// What is known, or was at the moment that is asked for.
    pub(super) fn known(self) -> Self {
        match self.asked.filter.as_of {
            None => self.holds(KNOWN_NOW),
            Some(at) => self.only_if(KNOWN_THEN, Some(at)),
        }
    }

    /// What was made by the moment that is asked for.
    pub(super) fn made(self) -> Self {
        let as_of = self.asked.filter.as_of;
        self.only_if("created_at <= {}", as_of)
    }

    /// What was made on the days that are asked for, each building's own.
    pub(super) fn made_on_days(mut self) -> Self {
        let ReportFilter { from, to, .. } = self.asked.filter;
        if from.is_none() && to.is_none() {
            return self;
        }
        let asked = self.asked;
        let ids: Vec<Uuid> = asked.buildings.iter().map(|building| building.id).collect();
        let begins =
            |building: &Building, day: Option<Date>| day.map(|day| building.place.time_zone.start_of(day));
        let after = to.map(|to| to.next_day().unwrap_or(to));
        let began: Vec<Option<OffsetDateTime>> =
            asked.buildings.iter().map(|building| begins(building, from)).collect();
        let ended: Vec<Option<OffsetDateTime>> =
            asked.buildings.iter().map(|building| begins(building, after)).collect();
        let (ids, began, ended) = (self.place(ids), self.place(began), self.place(ended));
        self.holds(&format!(
            "exists (select from unnest({ids}::uuid[], {began}::timestamptz[], {ended}::timestamptz[]) as w (id, began, ended)
                     where w.id = building_id and (w.began is null or created_at >= w.began) and (w.ended is null or created_at < w.ended))"
        ))
    }

    /// The status of the session `t`. At a moment in the past it was what the first act since then found.
    pub(super) fn status_of_session(&mut self) -> String {
        let Some(at) = self.asked.filter.as_of else { return "t.status".to_owned() };
        let at = self.place(at);
        format!(
            "coalesce((select l.before ->> 'status' from audit_log l
                       where l.organisation_id = $1 and l.resource_type = 'session' and l.resource_id = t.id::text
                         and l.status = 'success' and l.created_at > {at} and l.before ->> 'status' is not null
                       order by l.created_at limit 1), t.status)"
        )
    }

    /// Rows of sessions that were not cancelled: of those that were, nothing counts as tested, or as left to be tested.
    pub(super) fn in_sessions_that_count(mut self) -> Self {
        let status = self.status_of_session();
        self.holds(&format!(
            "session_id not in (select t.id from test_sessions t where t.organisation_id = $1 and {status} = 'cancelled')"
        ))
    }

    /// Its rows, given all of it but the conditions, for which `{}` stands.
    pub(super) async fn rows(self, on: &impl Executor, sql: &str) -> Result<Vec<Row>, StorageError> {
        let sql = sql.replace("{}", &self.conditions.join(" and "));
        on.rows(&sql, &sql::borrowed(&self.params)).await
    }
}

/// Whole days from one moment to another.
pub(super) fn days_between(from: OffsetDateTime, to: OffsetDateTime) -> i64 {
    (to - from).max(Duration::ZERO).whole_days()
}
