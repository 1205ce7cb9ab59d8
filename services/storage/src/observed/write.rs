//! The facts of sessions, written as far as they differ from what is stored.

use std::collections::BTreeSet;

use firemode_domain::defect::observation_id;
use serde_json::{Value, json};
use uuid::Uuid;

use super::WorkedOut;
use crate::defects::instant;
use crate::rows_of_json::RowsOfJson;
use crate::{Executor, StorageError, Transaction, sql};

const OBSERVATIONS: RowsOfJson =
    RowsOfJson { table: "item_observations", key: &["organisation_id", "id", "known_from"] };

const PASSES: RowsOfJson =
    RowsOfJson { table: "item_passes", key: &["organisation_id", "session_id", "item_id", "known_from"] };

const STATES: RowsOfJson =
    RowsOfJson { table: "item_states", key: &["organisation_id", "session_id", "item_id", "known_from"] };

/// The things that the stored facts of these sessions are about.
pub(super) async fn stored_subjects(
    tx: &Transaction,
    organisation_id: Uuid,
    session_ids: &BTreeSet<Uuid>,
) -> Result<BTreeSet<Uuid>, StorageError> {
    let ids: Vec<Uuid> = session_ids.iter().copied().collect();
    let sql = "select subject_id from item_observations where organisation_id = $1 and session_id = any ($2)
               union select subject_id from item_passes where organisation_id = $1 and session_id = any ($2)";
    let rows = tx.rows(sql, &[&organisation_id, &ids]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Writes facts. Gives how many rows differed, and the things that the defects' facts among them are about, and were about before.
pub(super) async fn facts(
    tx: &Transaction,
    organisation_id: Uuid,
    sessions: &[WorkedOut],
) -> Result<(u64, BTreeSet<Uuid>), StorageError> {
    let ids: Vec<Uuid> = sessions.iter().map(|session| session.session_id).collect();
    let mut changed = BTreeSet::new();
    let observations =
        sessions.iter().flat_map(|session| observations_of(organisation_id, session)).collect();
    let passes = sessions.iter().flat_map(|session| passes_of(organisation_id, session)).collect();
    let mut rows = 0;
    let states = sessions.iter().flat_map(|session| states_of(organisation_id, session)).collect();
    for (table, new) in [(OBSERVATIONS, observations), (PASSES, passes), (STATES, states)] {
        let removed = table.remove_others(tx, "session_id", organisation_id, &ids, &new).await?;
        let written = table.write(tx, &new).await?;
        rows += (removed.len() + written.len()) as u64;
        if table.table != STATES.table {
            changed.extend(removed);
            changed.extend(written);
        }
    }
    Ok((rows, changed))
}

/// Those of these things that have observations or acts: what passes alone is no defect.
pub(super) async fn with_defects(
    tx: &Transaction,
    organisation_id: Uuid,
    subjects: BTreeSet<Uuid>,
) -> Result<BTreeSet<Uuid>, StorageError> {
    let ids: Vec<Uuid> = subjects.into_iter().collect();
    let has = |table: &str| {
        format!("exists (select from {table} t where t.organisation_id = $1 and t.subject_id = s.id)")
    };
    let sql = format!(
        "select s.id from unnest($2::uuid[]) as s (id) where {} or {} or {}",
        has("item_observations"),
        has("defect_acts"),
        has("defects")
    );
    let rows = tx.rows(&sql, &[&organisation_id, &ids]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

fn observations_of(organisation_id: Uuid, session: &WorkedOut) -> Vec<Value> {
    let WorkedOut { session_id, building_id, items, .. } = session;
    let rows = items.iter().flat_map(|item| {
        item.observations.iter().map(move |version| {
            json!({
                "organisation_id": organisation_id,
                "id": observation_id(*session_id, &item.item_id),
                "known_from": instant(version.from),
                "known_to": version.to.map(instant),
                "session_id": session_id,
                "item_id": item.item_id,
                "building_id": building_id,
                "subject_id": item.subject(*building_id, version.what.asset_id),
                "content": version.what,
                "observed_at": instant(version.what.observed_at),
                "received_at": instant(version.what.received_at),
                "classification": version.what.classification,
            })
        })
    });
    rows.collect()
}

fn passes_of(organisation_id: Uuid, session: &WorkedOut) -> Vec<Value> {
    let WorkedOut { session_id, building_id, items, .. } = session;
    let rows = items.iter().flat_map(|item| {
        item.passes.iter().map(move |version| {
            json!({
                "organisation_id": organisation_id,
                "session_id": session_id,
                "item_id": item.item_id,
                "known_from": instant(version.from),
                "known_to": version.to.map(instant),
                "subject_id": item.subject(*building_id, version.what.asset_id),
                "observed_at": instant(version.what.observed_at),
            })
        })
    });
    rows.collect()
}

fn states_of(organisation_id: Uuid, session: &WorkedOut) -> Vec<Value> {
    let WorkedOut { session_id, building_id, items, .. } = session;
    let rows = items.iter().flat_map(|item| {
        item.states.iter().map(move |version| {
            json!({
                "organisation_id": organisation_id,
                "session_id": session_id,
                "item_id": item.item_id,
                "known_from": instant(version.from),
                "known_to": version.to.map(instant),
                "building_id": building_id,
                "subject_id": item.subject(*building_id, version.what.asset_id),
                "asset_id": version.what.asset_id,
                "item_code": version.what.item_code,
                "section": version.what.section,
                "outcome": version.what.outcome,
                "observed_at": version.what.observed_at.map(instant),
                "local_date": version.what.local_date.to_string(),
            })
        })
    });
    rows.collect()
}

/// Notes what somebody has to look at in these sessions, and that nothing keeps them from being worked out.
pub(super) async fn reviews(
    tx: &Transaction,
    organisation_id: Uuid,
    sessions: &[WorkedOut],
) -> Result<(), StorageError> {
    let ids: Vec<Uuid> = sessions.iter().map(|session| session.session_id).collect();
    let lineage: Vec<Vec<u8>> =
        sessions.iter().map(|session| session.read_up_to.lineage().as_bytes().to_vec()).collect();
    let read_up_to: Vec<String> =
        sessions.iter().map(|session| session.read_up_to.snapshot.to_string()).collect();
    let needs_review: Vec<bool> =
        sessions.iter().map(|session| session.review.in_conflict || session.review.late > 0).collect();
    let count = |of: fn(&WorkedOut) -> usize| -> Vec<i32> {
        sessions.iter().map(|session| i32::try_from(of(session)).unwrap_or(i32::MAX)).collect()
    };
    let (held, quarantined) =
        (count(|session| session.review.held), count(|session| session.review.quarantined));
    let late = count(|session| session.review.late);
    let devices: Vec<Value> = sessions.iter().map(|session| session.review.devices()).collect();
    tx.run(
        "insert into session_reviews
             (session_id, organisation_id, lineage, read_up_to, states_read_up_to, needs_review, has_held, held, quarantined, late,
              devices)
         select n.session_id, $1, n.lineage, n.read_up_to, n.read_up_to, n.needs_review, n.held > 0 or n.quarantined > 0, n.held, n.quarantined, n.late,
                n.devices
         from unnest($2::uuid[], $3::bytea[], $4::text[], $5::bool[], $6::int4[], $7::int4[], $8::int4[],
                     $9::jsonb[])
              as n (session_id, lineage, read_up_to, needs_review, held, quarantined, late, devices)
         on conflict (session_id) do update
             set (lineage, read_up_to, states_read_up_to, needs_review, has_held, held, quarantined, late, devices)
               = row (excluded.lineage, excluded.read_up_to, excluded.states_read_up_to, excluded.needs_review, excluded.has_held, excluded.held,
                      excluded.quarantined, excluded.late, excluded.devices)",
        &[&organisation_id, &ids, &lineage, &read_up_to, &needs_review, &held, &quarantined, &late, &devices],
    )
    .await?;
    let mended = "delete from projection_failures where organisation_id = $1 and session_id = any ($2)";
    tx.run(mended, &[&organisation_id, &ids]).await?;
    Ok(())
}

/// Notes that a session could not be worked out, for operators.
///
/// # Errors
/// The database does not answer.
pub async fn note_failure(
    tx: &Transaction,
    organisation_id: Uuid,
    session_id: Uuid,
    error: &str,
) -> Result<(), StorageError> {
    tx.run(
        "insert into projection_failures as f (session_id, organisation_id, tries, error) values ($2, $1, 1, $3)
         on conflict (session_id) do update set tries = f.tries + 1, error = excluded.error",
        &[&organisation_id, &session_id, &error],
    )
    .await?;
    Ok(())
}

/// Sessions that cannot be worked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    /// How many there are.
    pub sessions: i64,
    /// Why the one cannot that failed first.
    pub error: String,
}

/// Which sessions cannot be worked out; none where all can.
///
/// # Errors
/// The database does not answer.
pub async fn failing(on: &impl Executor) -> Result<Option<Failing>, StorageError> {
    let sql = "select count(*) over () as sessions, error from projection_failures order by since, session_id limit 1";
    let row = sql::optional(on, sql, &[]).await?;
    Ok(row.map(|row| Failing { sessions: row.get("sessions"), error: row.get("error") }))
}
