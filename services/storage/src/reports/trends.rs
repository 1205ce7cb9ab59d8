//! What was tested and found from one month, or year, to the next.

use std::collections::BTreeMap;

use firemode_domain::words;
use firemode_reports::{Cell, Chart, Column, Report, Table};
use time::{Date, Duration, Month, OffsetDateTime};
use uuid::Uuid;

use super::NOTHING_THERE;
use super::asked::{Asked, AskedFault, ReportFilter};
use super::compliance::add_outcome;
use super::figures::Items;
use crate::{Executor, StorageError};

/// The most years that trends go back.
pub(super) const YEARS_MAX: i32 = 10;

words! {
    /// What a row of trends stands for.
    pub enum Period {
        /// A calendar month.
        Month = "month",
        /// A calendar year.
        Year = "year",
    }
}

impl Period {
    /// The first day of the one that a day lies in.
    fn first_day(self, day: Date) -> Date {
        let month = if self == Self::Month { day.month() } else { Month::January };
        Date::from_calendar_date(day.year(), month, 1).unwrap_or(day)
    }

    /// The first day of the next.
    fn next(self, first: Date) -> Option<Date> {
        let (month, year) = match self {
            Self::Month => (first.month().next(), first.year() + i32::from(first.month() == Month::December)),
            Self::Year => (Month::January, first.year() + 1),
        };
        Date::from_calendar_date(year, month, 1).ok()
    }

    /// With a first and a last day: those that are asked for, else the last months or years up to today.
    pub(super) fn fill(self, filter: ReportFilter) -> Result<ReportFilter, AskedFault> {
        // At a building it may be tomorrow already.
        let until = filter.as_of.unwrap_or_else(OffsetDateTime::now_utc).date().saturating_add(Duration::DAY);
        let to = filter.to.unwrap_or_else(|| filter.from.map_or(until, |from| from.max(until)));
        let usual = match self {
            Self::Month => months_before(to, 11),
            Self::Year => months_before(to, 4 * 12).replace_month(Month::January).unwrap_or(to),
        };
        let from = filter.from.unwrap_or(usual);
        if from < months_before(to, 12 * YEARS_MAX) {
            return Err(AskedFault::TooLong);
        }
        Ok(ReportFilter { from: Some(from), to: Some(to), ..filter })
    }

    fn cell(self, first: Date) -> Cell {
        match self {
            Self::Month => Cell::Month(first),
            Self::Year => first.year().to_string().as_str().into(),
        }
    }
}

/// The first day of the month so many months before that of a day.
fn months_before(day: Date, months: i32) -> Date {
    let month = 12 * day.year() + i32::from(u8::from(day.month())) - 1 - months;
    let of_year = u8::try_from(month.rem_euclid(12) + 1).unwrap_or(1);
    let first = Month::try_from(of_year)
        .and_then(|of_year| Date::from_calendar_date(month.div_euclid(12), of_year, 1));
    first.unwrap_or(day)
}

/// What happened in a month or year.
#[derive(Debug, Default)]
struct Happened {
    items: Items,
    opened: i64,
    closed: i64,
    /// From the first observation to the repair, in days.
    repaired_after: Vec<i64>,
}

/// Counts what was tested, failed, opened and closed in each month or year of the days that are asked for; these have a beginning and an
/// end.
///
/// # Errors
/// The database does not answer.
pub(super) async fn trends(
    on: &impl Executor,
    asked: &Asked,
    period: Period,
) -> Result<Report, StorageError> {
    let (from, to) = (asked.filter.from.unwrap_or(Date::MIN), asked.filter.to.unwrap_or(Date::MAX));
    let mut periods = BTreeMap::new();
    let mut first = Some(period.first_day(from));
    while let Some(day) = first.filter(|day| *day <= to) {
        periods.insert(day, Happened::default());
        first = period.next(day);
    }
    let mut add = |day: Date, add: &mut dyn FnMut(&mut Happened)| {
        if from <= day && day <= to {
            add(periods.entry(period.first_day(day)).or_default());
        }
    };
    let items = asked.statement().known().of_building().of_section().of_days().in_sessions_that_count();
    let sql = "select local_date, outcome, count(*) from item_states where {} and outcome in ('pass', 'fail') group by 1, 2";
    for row in items.rows(on, sql).await? {
        add(row.get(0), &mut |happened| add_outcome(&mut happened.items, row.get(1), row.get(2)));
    }
    let opened =
        asked.statement().known().of_building().of_section().of_days().holds("status <> 'withdrawn'");
    let sql = "select local_date, count(*) from defect_versions where {} group by 1";
    for row in opened.rows(on, sql).await? {
        add(row.get(0), &mut |happened| happened.opened += row.get::<_, i64>(1));
    }
    for Ended { building_id, observed_at, repaired_at, closed_at } in ended(on, asked).await? {
        if let Some(day) = closed_at.and_then(|at| asked.day(building_id, at)) {
            add(day, &mut |happened| happened.closed += 1);
        }
        let day = |at| asked.day(building_id, at);
        if let Some((found, repaired)) = day(observed_at).zip(repaired_at.and_then(day)) {
            let after = (repaired - found).whole_days().max(0);
            add(repaired, &mut |happened| happened.repaired_after.push(after));
        }
    }

    let mut notes = vec![
        "An item counts in the month of its outcome, and a defect in that of its first observation, of its closing and of its repair, each \
         by the days at its building. Defects that were withdrawn are not counted as opened."
            .to_owned(),
    ];
    if periods.values().all(|happened| happened.items.is_empty() && happened.opened == 0) {
        notes.push(NOTHING_THERE.to_owned());
    }
    Ok(asked.report("trends", "Trends", notes, vec![table(period, periods)]))
}

/// A defect that was repaired or closed.
struct Ended {
    building_id: Uuid,
    observed_at: OffsetDateTime,
    repaired_at: Option<OffsetDateTime>,
    /// When somebody closed it, as he said.
    closed_at: Option<OffsetDateTime>,
}

async fn ended(on: &impl Executor, asked: &Asked) -> Result<Vec<Ended>, StorageError> {
    let mut rows = asked.statement().known().of_building().of_section();
    let recorded = match asked.filter.as_of {
        Some(at) => format!("a.recorded_at <= {}", rows.place(at)),
        None => "true".to_owned(),
    };
    let sql = format!(
        "select building_id, observed_at, repaired_at,
                case when status = 'closed' then (
                    select max(a.at) from defect_acts a where a.organisation_id = $1 and a.defect_id = v.defect_id
                      and a.kind = 'transition' and a.body ->> 'to' = 'closed' and {recorded}
                ) end as closed_at
         from defect_versions v where {{}} and (status = 'closed' or repaired_at is not null) and status <> 'withdrawn'"
    );
    let ended = |row: &tokio_postgres::Row| Ended {
        building_id: row.get("building_id"),
        observed_at: row.get("observed_at"),
        repaired_at: row.get("repaired_at"),
        closed_at: row.get("closed_at"),
    };
    Ok(rows.rows(on, &sql).await?.iter().map(ended).collect())
}

fn table(period: Period, periods: BTreeMap<Date, Happened>) -> Table {
    let columns = [
        Column::new("period", "Period"),
        Column::new("tested", "Tested").drawn(),
        Column::new("failed", "Failed").drawn(),
        Column::new("pass_rate", "Pass rate").drawn(),
        Column::new("defects_opened", "Defects found").drawn(),
        Column::new("defects_closed", "Defects closed").drawn(),
        Column::new("median_days_to_repair", "Median days to repair"),
    ];
    let rows = periods.into_iter().map(|(first, mut happened)| {
        [
            period.cell(first),
            Cell::Integer(happened.items.tested()),
            Cell::Integer(happened.items.failed),
            happened.items.pass_rate(),
            Cell::Integer(happened.opened),
            Cell::Integer(happened.closed),
            median(&mut happened.repaired_after).map_or(Cell::Empty, Cell::Decimal),
        ]
    });
    Table::new("trends", "From period to period", columns, rows).with_chart(Chart::Lines)
}

/// The middle one, or half-way between the two in the middle.
#[expect(clippy::cast_precision_loss, reason = "days of any calendar are far below 2^52")]
fn median(days: &mut [i64]) -> Option<f64> {
    days.sort_unstable();
    let middle = days.len() / 2;
    let upper = *days.get(middle)?;
    let lower = if days.len().is_multiple_of(2) { *days.get(middle.checked_sub(1)?)? } else { upper };
    Some((lower + upper) as f64 / 2.0)
}
