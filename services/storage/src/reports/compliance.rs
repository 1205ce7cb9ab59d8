//! What was tested, what came of it, and what is open.

use std::collections::BTreeMap;

use firemode_domain::defect::DefectClass;
use firemode_domain::session::SessionStatus;
use firemode_reports::{Cell, Chart, Column, Report, Table};
use tokio_postgres::Row;
use uuid::Uuid;

use super::asked::Asked;
use super::figures::{Age, Classes, Figures, Items};
use super::{NOTHING_THERE, cut};
use crate::row::Column as _;
use crate::{Executor, StorageError};

/// A defect that is neither closed nor withdrawn.
pub(super) const IS_OPEN: &str = "status not in ('closed', 'withdrawn')";

type Section = Option<i16>;

/// Counts sessions, items by building and section, open defects by class and age, what is to be looked at, and evidence.
///
/// # Errors
/// The database does not answer.
pub(super) async fn compliance(on: &impl Executor, asked: &Asked) -> Result<Report, StorageError> {
    let items = items(on, asked).await?;
    let defects = open_defects(on, asked).await?;
    let mut buildings: BTreeMap<Uuid, Figures> =
        asked.buildings.iter().map(|building| (building.id, Figures::default())).collect();
    let mut sections = BTreeMap::<Section, Items>::new();
    for ((building_id, section), counted) in &items {
        buildings.entry(*building_id).or_default().items += *counted;
        *sections.entry(*section).or_default() += *counted;
    }
    let mut ages = BTreeMap::<Age, Classes>::new();
    for defect in &defects {
        let of = buildings.entry(defect.building_id).or_default();
        of.open_defects.add(defect.class, 1);
        of.defects_to_review += i64::from(defect.needs_review);
        ages.entry(defect.age).or_default().add(defect.class, 1);
    }
    add_sessions(on, asked, &mut buildings).await?;
    add_evidence(on, asked, &mut buildings).await?;
    let mut totals = Figures::default();
    buildings.values().for_each(|figures| totals += figures);

    let mut notes = notes(asked);
    if totals.items.is_empty() {
        notes.push(NOTHING_THERE.to_owned());
    }
    let tables = vec![
        totals_table(asked, &totals),
        buildings_table(asked, &buildings, &mut notes),
        sections_table(&sections),
        building_sections_table(&items, &mut notes),
        open_defects_table(&ages),
    ];
    Ok(asked.report("compliance", "Compliance", notes, tables))
}

fn notes(asked: &Asked) -> Vec<String> {
    let mut notes = vec![
        "An item counts on the day of its outcome; one without, on the day on which its session was made. Nothing of cancelled sessions \
         is counted as tested or untested, and what is in dispute counts as failed."
            .to_owned(),
        "Open defects are those at the end of what is reported, whenever they were found.".to_owned(),
    ];
    if asked.filter.section.is_some() {
        notes.push("Sessions and evidence are those of all sections.".to_owned());
    }
    if asked.filter.as_of.is_some() {
        notes.push(
            "Sessions have the status that they had then as far as somebody had set it; which of them were to be looked at then is not known."
                .to_owned(),
        );
    }
    notes
}

/// Items by building and section.
async fn items(on: &impl Executor, asked: &Asked) -> Result<BTreeMap<(Uuid, Section), Items>, StorageError> {
    let rows = asked.statement().known().of_building().of_section().of_days().in_sessions_that_count();
    let sql = "select building_id, section, outcome, count(*) from item_states where {} group by 1, 2, 3";
    let mut items = BTreeMap::<_, Items>::new();
    for row in rows.rows(on, sql).await? {
        add_outcome(items.entry((row.get(0), row.get(1))).or_default(), row.get(2), row.get(3));
    }
    Ok(items)
}

/// Adds so many items with an outcome.
pub(super) fn add_outcome(items: &mut Items, outcome: &str, count: i64) {
    match outcome {
        "pass" => items.passed += count,
        "fail" => items.failed += count,
        "not_applicable" => items.not_applicable += count,
        _ => items.untested += count,
    }
}

struct OpenDefect {
    building_id: Uuid,
    class: DefectClass,
    age: Age,
    needs_review: bool,
}

async fn open_defects(on: &impl Executor, asked: &Asked) -> Result<Vec<OpenDefect>, StorageError> {
    let rows = asked.statement().known().of_building().of_section().holds(IS_OPEN);
    let sql = "select building_id, classification, opened_at, needs_review from defect_versions where {}";
    let defect = |row: &Row| {
        let days = super::asked::days_between(row.get("opened_at"), asked.at());
        Ok(OpenDefect {
            building_id: row.get("building_id"),
            class: DefectClass::read(row, "classification")?,
            age: Age::of_days(days),
            needs_review: row.get("needs_review"),
        })
    };
    rows.rows(on, sql).await?.iter().map(defect).collect()
}

/// Sessions by building and status.
async fn add_sessions(
    on: &impl Executor,
    asked: &Asked,
    buildings: &mut BTreeMap<Uuid, Figures>,
) -> Result<(), StorageError> {
    let mut rows = asked.statement().of_building().made().made_on_days();
    let status = rows.status_of_session();
    let needs_review = match asked.filter.as_of {
        None => {
            "exists (select from session_reviews r where r.organisation_id = $1 and r.session_id = t.id and r.needs_review offset 0)"
        }
        Some(_) => "false",
    };
    let sql = format!(
        "select building_id, status, needs_review, count(*) from (
             select building_id, {status} as status, {needs_review} as needs_review from test_sessions t where {{}}
         ) sessions group by 1, 2, 3"
    );
    for row in rows.rows(on, &sql).await? {
        let of = buildings.entry(row.get(0)).or_default();
        let count = row.get(3);
        of.add_sessions(SessionStatus::read(&row, "status")?, count);
        if row.get(2) {
            of.sessions_to_review += count;
        }
    }
    Ok(())
}

async fn add_evidence(
    on: &impl Executor,
    asked: &Asked,
    buildings: &mut BTreeMap<Uuid, Figures>,
) -> Result<(), StorageError> {
    let rows = asked.statement().of_building().made().made_on_days().holds("building_id is not null");
    for row in rows.rows(on, "select building_id, count(*) from evidence where {} group by 1").await? {
        buildings.entry(row.get(0)).or_default().evidence += row.get::<_, i64>(1);
    }
    Ok(())
}

fn totals_table(asked: &Asked, totals: &Figures) -> Table {
    let buildings = i64::try_from(asked.buildings.len()).unwrap_or(i64::MAX);
    let mut names = vec![("buildings", "Buildings", Cell::Integer(buildings))];
    names.extend(figures(asked, totals));
    let rows = names.into_iter().map(|(name, title, cell)| [name.into(), title.into(), cell]);
    let columns =
        [Column::new("figure", "Figure"), Column::new("title", "Meaning"), Column::new("value", "Value")];
    Table::new("totals", "In all", columns, rows)
}

/// All figures, each with its name for programs and for people.
fn figures(asked: &Asked, of: &Figures) -> [(&'static str, &'static str, Cell); FIGURES] {
    let [pending, active, completed, cancelled] = of.sessions.map(Cell::Integer);
    let [critical, non_critical, non_conformance, unclassified] = of.open_defects.cells();
    let is_present = asked.filter.as_of.is_none();
    let to_review = if is_present { Cell::Integer(of.sessions_to_review) } else { Cell::Empty };
    [
        ("sessions", "Sessions", Cell::Integer(of.sessions.iter().sum())),
        ("sessions_pending", "Sessions pending", pending),
        ("sessions_active", "Sessions active", active),
        ("sessions_completed", "Sessions completed", completed),
        ("sessions_cancelled", "Sessions cancelled", cancelled),
        ("sessions_to_review", "Sessions to be looked at", to_review),
        ("items_tested", "Items tested", Cell::Integer(of.items.tested())),
        ("items_passed", "Items passed", Cell::Integer(of.items.passed)),
        ("items_failed", "Items failed", Cell::Integer(of.items.failed)),
        ("items_untested", "Items untested", Cell::Integer(of.items.untested)),
        ("items_not_applicable", "Items not applicable", Cell::Integer(of.items.not_applicable)),
        ("pass_rate", "Pass rate", of.items.pass_rate()),
        ("open_defects", "Open defects", Cell::Integer(of.open_defects.total())),
        ("open_critical_defects", "Open critical defects", critical),
        ("open_non_critical_defects", "Open non-critical defects", non_critical),
        ("open_non_conformances", "Open non-conformances", non_conformance),
        ("open_unclassified", "Open, not classified", unclassified),
        ("defects_to_review", "Defects to be looked at", Cell::Integer(of.defects_to_review)),
        ("evidence", "Pieces of evidence", Cell::Integer(of.evidence)),
    ]
}

const FIGURES: usize = 19;

fn buildings_table(asked: &Asked, buildings: &BTreeMap<Uuid, Figures>, notes: &mut Vec<String>) -> Table {
    let mut listed: Vec<_> = asked.buildings.iter().collect();
    cut(&mut listed, "buildings", notes);
    let nothing = Figures::default();
    let titles = figures(asked, &nothing).map(|(name, title, _)| Column::new(name, title));
    let rows = listed.into_iter().map(|building| {
        let of = figures(asked, buildings.get(&building.id).unwrap_or(&nothing)).map(|(_, _, cell)| cell);
        with_two([building.id.into(), building.site_name.as_str().into()], of)
    });
    let columns =
        with_two([Column::new("building_id", "Building"), Column::new("site_name", "Site")], titles);
    Table::new("buildings", "By building", columns, rows)
}

/// Two values in front of the figures.
fn with_two<T>(two: [T; 2], figures: [T; FIGURES]) -> [T; FIGURES + 2] {
    let mut all = two.into_iter().chain(figures);
    std::array::from_fn(|_| all.next().expect("there are as many"))
}

const ITEM_COLUMNS: [(&str, &str); 6] = [
    ("tested", "Tested"),
    ("passed", "Passed"),
    ("failed", "Failed"),
    ("untested", "Untested"),
    ("not_applicable", "Not applicable"),
    ("pass_rate", "Pass rate"),
];

fn sections_table(sections: &BTreeMap<Section, Items>) -> Table {
    let [tested, passed, failed, untested, not_applicable, pass_rate] =
        ITEM_COLUMNS.map(|(name, title)| Column::new(name, title));
    let columns = [
        Column::new("section", "Section"),
        tested,
        passed,
        failed,
        untested,
        not_applicable,
        pass_rate.drawn(),
    ];
    let rows = sections.iter().map(|(section, items)| {
        let [tested, passed, failed, untested, not_applicable, pass_rate] = item_cells(*items);
        [section_cell(*section), tested, passed, failed, untested, not_applicable, pass_rate]
    });
    Table::new("sections", "By section", columns, rows).with_chart(Chart::Bars)
}

fn building_sections_table(items: &BTreeMap<(Uuid, Section), Items>, notes: &mut Vec<String>) -> Table {
    let [tested, passed, failed, untested, not_applicable, pass_rate] =
        ITEM_COLUMNS.map(|(name, title)| Column::new(name, title));
    let columns = [
        Column::new("building_id", "Building"),
        Column::new("section", "Section"),
        tested,
        passed,
        failed,
        untested,
        not_applicable,
        pass_rate,
    ];
    let mut listed: Vec<_> = items.iter().collect();
    cut(&mut listed, "sections of buildings", notes);
    let rows = listed.into_iter().map(|((building_id, section), items)| {
        let [tested, passed, failed, untested, not_applicable, pass_rate] = item_cells(*items);
        let (building_id, section) = (Cell::from(*building_id), section_cell(*section));
        [building_id, section, tested, passed, failed, untested, not_applicable, pass_rate]
    });
    Table::new("building_sections", "By building and section", columns, rows)
}

pub(super) fn section_cell(section: Section) -> Cell {
    section.map(i64::from).into()
}

fn item_cells(items: Items) -> [Cell; 6] {
    let Items { passed, failed, untested, not_applicable } = items;
    let [tested, passed, failed, untested, not_applicable] =
        [items.tested(), passed, failed, untested, not_applicable].map(Cell::Integer);
    [tested, passed, failed, untested, not_applicable, items.pass_rate()]
}

fn open_defects_table(ages: &BTreeMap<Age, Classes>) -> Table {
    let rows = Age::ALL.map(|age| {
        let classes = ages.get(&age).copied().unwrap_or_default();
        class_row(age.as_str().into(), classes)
    });
    Table::new("open_defects", "Open defects by age", class_columns("age", "Known for"), rows)
        .with_chart(Chart::Bars)
}

/// The columns of a table of defects: what they are counted by, how many there are, and how many of each class.
pub(super) fn class_columns(name: &'static str, title: &'static str) -> [Column; 6] {
    [
        Column::new(name, title),
        Column::new("defects", "Defects").drawn(),
        Column::new("critical_defect", "Critical"),
        Column::new("non_critical_defect", "Non-critical"),
        Column::new("non_conformance", "Non-conformance"),
        Column::new("unclassified", "Not classified"),
    ]
}

pub(super) fn class_row(by: Cell, classes: Classes) -> [Cell; 6] {
    let [critical, non_critical, non_conformance, unclassified] = classes.cells();
    [by, Cell::Integer(classes.total()), critical, non_critical, non_conformance, unclassified]
}
