//! The figures of reports, counted when they are asked for. Each function gives a whole report of what one [`Asked`] is about; nothing of
//! another organisation is in it, and no name of a person.

mod asked;
mod compliance;
mod defects;
mod figures;
mod sync;
mod technicians;
mod trends;

use firemode_reports::Report;

pub use self::asked::{Asked, ReportFilter};
pub use self::compliance::compliance;
pub use self::defects::defects;
pub use self::sync::sync;
pub use self::technicians::technicians;
pub use self::trends::{Period, trends};

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
