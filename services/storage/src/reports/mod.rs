//! The figures of reports, counted when they are asked for. Nothing of another organisation is in one, and no name of a person.

mod asked;
mod compliance;
mod defects;
mod figures;
mod sync;
mod technicians;
mod trends;

use firemode_domain::words;
use firemode_reports::Report;
use uuid::Uuid;

use self::asked::Asked;
use crate::{Executor, StorageError};

pub use self::asked::{AskedFault, ReportFilter};
pub use self::trends::Period;

words! {
    /// Which report.
    pub enum ReportName {
        /// What was tested, what came of it, and what is open.
        Compliance = "compliance",
        /// The same from month to month, or from year to year.
        Trends = "trends",
        /// Defects by class, status, section and age.
        Defects = "defects",
        /// What each person did, in counts.
        Technicians = "technicians",
        /// Devices and sessions with work that is not in the record.
        Sync = "sync",
    }
}

/// Counts the figures of a report; `period` is what a row of trends stands for.
///
/// # Errors
/// The database does not answer. Inside: such a report cannot be asked for.
pub async fn report(
    on: &impl Executor,
    organisation_id: Uuid,
    name: ReportName,
    filter: ReportFilter,
    period: Period,
) -> Result<Result<Report, AskedFault>, StorageError> {
    let filter = match filter.checked().and_then(|filter| match name {
        ReportName::Trends => period.fill(filter),
        _ => Ok(filter),
    }) {
        Ok(filter) => filter,
        Err(fault) => return Ok(Err(fault)),
    };
    let Some(asked) = Asked::read(on, organisation_id, filter).await? else {
        return Ok(Err(AskedFault::NoBuilding));
    };
    Ok(Ok(match name {
        ReportName::Compliance => compliance::compliance(on, &asked).await?,
        ReportName::Trends => trends::trends(on, &asked, period).await?,
        ReportName::Defects => defects::defects(on, &asked).await?,
        ReportName::Technicians => technicians::technicians(on, &asked).await?,
        ReportName::Sync => sync::sync(on, &asked).await?,
    }))
}

/// The most buildings, or rows of another kind that grows with the organisation, that a table has.
const ROWS_MAX: usize = 2_000;

/// What is said where nothing lies in the days that were asked for.
const NOTHING_THERE: &str = "Nothing was tested on these days.";

impl Asked {
    /// The report with this name and these figures, which says what it was asked for.
    fn report(
        &self,
        name: &'static str,
        title: &'static str,
        notes: Vec<String>,
        tables: Vec<firemode_reports::Table>,
    ) -> Report {
        let ReportFilter { building_id, section, from, to, as_of } = self.filter;
        let filters = [
            ("building_id", building_id.map(|id| id.to_string())),
            ("section", section.map(|section| section.to_string())),
            ("from", from.map(|day| day.to_string())),
            ("to", to.map(|day| day.to_string())),
        ];
        let filters = filters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let (generated_at, time_zone) = (self.generated_at, self.time_zone.clone());
        Report { name, title, generated_at, as_of, time_zone, filters, notes, tables }
    }
}

/// Cuts what a table has no room for, and says how much that was.
fn cut<T>(rows: &mut Vec<T>, what: &str, notes: &mut Vec<String>) {
    if rows.len() > ROWS_MAX {
        notes.push(format!("{} more {what} are not listed; the totals count all.", rows.len() - ROWS_MAX));
        rows.truncate(ROWS_MAX);
    }
}
