//! How much each person did: counts, and no judgement.

use std::collections::BTreeMap;

use firemode_reports::{Cell, Column, Report, Table};
use uuid::Uuid;

use super::asked::Asked;
use super::compliance::add_outcome;
use super::figures::Items;
use super::{NOTHING_THERE, cut};
use crate::{Executor, StorageError};

/// What one person did.
#[derive(Debug, Default)]
struct Work {
    sessions: i64,
    sessions_completed: i64,
    items: Items,
    evidence: i64,
    acts: i64,
}

/// Counts sessions and items by whom they were given to, and evidence and acts about defects by who brought them.
///
/// # Errors
/// The database does not answer.
pub(super) async fn technicians(on: &impl Executor, asked: &Asked) -> Result<Report, StorageError> {
    let mut people = BTreeMap::<Uuid, Work>::new();
    add_sessions(on, asked, &mut people).await?;
    add_items(on, asked, &mut people).await?;
    let evidence = asked.statement().of_building().made().made_on_days().holds("building_id is not null");
    for row in evidence.rows(on, "select uploaded_by, count(*) from evidence where {} group by 1").await? {
        people.entry(row.get(0)).or_default().evidence += row.get::<_, i64>(1);
    }
    let acts = asked.statement().of_building().made().made_on_days();
    let sql = "select user_id, count(*) from (
                   select organisation_id, user_id, building_id, recorded_at as created_at from defect_acts where organisation_id = $1
               ) acts where {} group by 1";
    for row in acts.rows(on, sql).await? {
        people.entry(row.get(0)).or_default().acts += row.get::<_, i64>(1);
    }

    let mut notes = vec!["Sessions and items are those of the sessions that a person was given. Counts say nothing of how hard or how good the work was.".to_owned()];
    if people.is_empty() {
        notes.push(NOTHING_THERE.to_owned());
    }
    let mut people: Vec<_> = people.into_iter().collect();
    cut(&mut people, "people", &mut notes);
    Ok(asked.report("technicians", "Work by technician", notes, vec![table(people)]))
}

/// By whom a session was given to; none: nobody.
async fn add_sessions(
    on: &impl Executor,
    asked: &Asked,
    people: &mut BTreeMap<Uuid, Work>,
) -> Result<(), StorageError> {
    let mut rows = asked.statement().of_building().made().made_on_days().holds("technician_id is not null");
    let status = rows.status_of_session();
    let sql = format!(
        "select technician_id, count(*), count(*) filter (where status = 'completed') from (
             select technician_id, {status} as status from test_sessions t where {{}}
         ) sessions where status <> 'cancelled' group by 1"
    );
    for row in rows.rows(on, &sql).await? {
        let work = people.entry(row.get(0)).or_default();
        (work.sessions, work.sessions_completed) = (row.get(1), row.get(2));
    }
    Ok(())
}

async fn add_items(
    on: &impl Executor,
    asked: &Asked,
    people: &mut BTreeMap<Uuid, Work>,
) -> Result<(), StorageError> {
    let rows = asked.statement().known().of_building().of_days().in_sessions_that_count();
    let sql = "select t.technician_id, i.outcome, sum(i.items)::int8 from (
                   select session_id, outcome, count(*) as items from item_states where {} group by 1, 2
               ) i join test_sessions t on t.organisation_id = $1 and t.id = i.session_id
               where t.technician_id is not null group by 1, 2";
    for row in rows.rows(on, sql).await? {
        add_outcome(&mut people.entry(row.get(0)).or_default().items, row.get(1), row.get(2));
    }
    Ok(())
}

fn table(people: Vec<(Uuid, Work)>) -> Table {
    let columns = [
        ("user_id", "User"),
        ("sessions", "Sessions"),
        ("sessions_completed", "Sessions completed"),
        ("tested", "Items tested"),
        ("failed", "Items failed"),
        ("untested", "Items untested"),
        ("evidence", "Pieces of evidence"),
        ("defect_acts", "Acts about defects"),
    ];
    let rows = people.into_iter().map(|(user_id, work)| {
        let counts = [
            work.sessions,
            work.sessions_completed,
            work.items.tested(),
            work.items.failed,
            work.items.untested,
            work.evidence,
            work.acts,
        ];
        let [sessions, completed, tested, failed, untested, evidence, acts] = counts.map(Cell::Integer);
        [user_id.into(), sessions, completed, tested, failed, untested, evidence, acts]
    });
    Table::new("technicians", "By user", columns.map(|(name, title)| Column::new(name, title)), rows)
}
