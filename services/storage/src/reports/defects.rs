//! Which defects there are, by what, and which have been open for longest.

use std::collections::BTreeMap;

use firemode_domain::defect::{DefectClass, DefectStatus};
use firemode_reports::{Cell, Chart, Report, Table};
use tokio_postgres::Row;
use uuid::Uuid;

use super::asked::{Asked, days_between};
use super::compliance::{IS_OPEN, class_columns, class_row, section_cell};
use super::figures::{Age, Classes};
use crate::row::Column;
use crate::{Executor, StorageError};

/// The most of the oldest that are listed.
const OLDEST_MAX: usize = 100;

/// Counts defects by class, status, section and age, and lists those that have been open for longest.
///
/// # Errors
/// The database does not answer.
pub(super) async fn defects(on: &impl Executor, asked: &Asked) -> Result<Report, StorageError> {
    let counted = count(on, asked).await?;
    let mut statuses: BTreeMap<usize, Classes> =
        (0..DefectStatus::ALL.len()).map(|at| (at, Classes::default())).collect();
    let mut sections = BTreeMap::<Option<i16>, Classes>::new();
    let mut ages: BTreeMap<Age, Classes> =
        Age::ALL.into_iter().map(|age| (age, Classes::default())).collect();
    let mut all = Classes::default();
    for Counted { status, class, section, age, defects } in counted {
        all.add(class, defects);
        statuses.entry(status as usize).or_default().add(class, defects);
        if !status.is_end() {
            sections.entry(section).or_default().add(class, defects);
            ages.entry(age).or_default().add(class, defects);
        }
    }
    let mut notes = vec!["Sections, ages and the oldest are those of open defects; age counts from when a defect became known.".to_owned()];
    if all.total() == 0 {
        notes.push("No defect was found on these days.".to_owned());
    }
    let by_status =
        statuses.into_iter().map(|(at, classes)| class_row(DefectStatus::ALL[at].as_str().into(), classes));
    let by_section = sections.into_iter().map(|(section, classes)| class_row(section_cell(section), classes));
    let by_age = ages.into_iter().map(|(age, classes)| class_row(age.as_str().into(), classes));
    let tables = vec![
        Table::new("by_status", "By status", class_columns("status", "Status"), by_status)
            .with_chart(Chart::Bars),
        Table::new("by_section", "Open, by section", class_columns("section", "Section"), by_section)
            .with_chart(Chart::Bars),
        Table::new("by_age", "Open, by age", class_columns("age", "Known for"), by_age)
            .with_chart(Chart::Bars),
        oldest(on, asked).await?,
    ];
    Ok(asked.report("defects", "Defects", notes, tables))
}

/// Defects that have all of this in common.
struct Counted {
    status: DefectStatus,
    class: DefectClass,
    section: Option<i16>,
    age: Age,
    defects: i64,
}

async fn count(on: &impl Executor, asked: &Asked) -> Result<Vec<Counted>, StorageError> {
    let mut rows = asked.statement().known().of_building().of_section().of_days();
    let at = rows.place(asked.at());
    let sql = format!(
        "select status, classification, section, extract(day from {at}::timestamptz - opened_at)::int8 as days, count(*) as defects
         from defect_versions where {{}} group by 1, 2, 3, 4"
    );
    let counted = |row: &Row| {
        Ok(Counted {
            status: DefectStatus::read(row, "status")?,
            class: DefectClass::read(row, "classification")?,
            section: row.get("section"),
            age: Age::of_days(row.get("days")),
            defects: row.get("defects"),
        })
    };
    rows.rows(on, &sql).await?.iter().map(counted).collect()
}

async fn oldest(on: &impl Executor, asked: &Asked) -> Result<Table, StorageError> {
    let rows = asked.statement().known().of_building().of_section().of_days().holds(IS_OPEN);
    let sql = format!(
        "select d.number, v.* from (
             select defect_id, building_id, section, classification, status, item_code, condition, location, needs_review, opened_at
             from defect_versions where {{}} order by opened_at, defect_id limit {OLDEST_MAX}
         ) v cross join lateral (select number from defects d where d.organisation_id = $1 and d.id = v.defect_id offset 0) d
         order by v.opened_at, v.defect_id"
    );
    let rows = rows.rows(on, &sql).await?;
    let cells = |row: &Row| {
        let text = |name: &str| Cell::from(row.get::<_, Option<String>>(name));
        let opened_at = row.get("opened_at");
        [
            Cell::Integer(row.get("number")),
            row.get::<_, Uuid>("defect_id").into(),
            row.get::<_, Uuid>("building_id").into(),
            section_cell(row.get("section")),
            text("classification"),
            text("status"),
            text("item_code"),
            text("condition"),
            text("location"),
            Cell::Instant(opened_at),
            Cell::Integer(days_between(opened_at, asked.at())),
            if row.get("needs_review") { "yes".into() } else { "no".into() },
        ]
    };
    let columns = [
        ("number", "Number"),
        ("defect_id", "Defect"),
        ("building_id", "Building"),
        ("section", "Section"),
        ("classification", "Class"),
        ("status", "Status"),
        ("item_code", "Item code"),
        ("condition", "Condition"),
        ("location", "Location"),
        ("opened_at", "Known since"),
        ("age_days", "Age in days"),
        ("needs_review", "To be looked at"),
    ];
    let columns = columns.map(|(name, title)| firemode_reports::Column::new(name, title));
    Ok(Table::new("oldest", "Open for longest", columns, rows.iter().map(cells)))
}
