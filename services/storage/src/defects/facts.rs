//! The facts of things, as they are stored.

use std::collections::{BTreeMap, BTreeSet};

use firemode_domain::defect::{Act, Deed, ItemPass, ItemState, Known, Observation, SubjectFacts};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{Executor as _, StorageError, Transaction};

/// Reads all facts of these things.
pub(super) async fn read(
    tx: &Transaction,
    organisation_id: Uuid,
    subjects: &BTreeSet<Uuid>,
) -> Result<Vec<SubjectFacts>, StorageError> {
    let ids: Vec<Uuid> = subjects.iter().copied().collect();
    let of = |subject_id: &Uuid| {
        (*subject_id, SubjectFacts { subject_id: *subject_id, ..SubjectFacts::default() })
    };
    let mut facts: BTreeMap<Uuid, SubjectFacts> = ids.iter().map(of).collect();
    let observations = "select subject_id, id, session_id, item_id, building_id, known_from, known_to, content from item_observations
                        where organisation_id = $1 and subject_id = any ($2) order by id, known_from";
    for row in tx.rows(observations, &[&organisation_id, &ids]).await? {
        if let Some(facts) = facts.get_mut(&row.get("subject_id")) {
            add_observation(&mut facts.observations, &row)?;
        }
    }
    let passes = "select subject_id, session_id, observed_at, known_from, known_to from item_passes
                  where organisation_id = $1 and subject_id = any ($2)";
    for row in tx.rows(passes, &[&organisation_id, &ids]).await? {
        if let Some(facts) = facts.get_mut(&row.get("subject_id")) {
            let pass = ItemPass { session_id: row.get("session_id"), observed_at: row.get("observed_at") };
            facts.passes.push(Known { from: row.get("known_from"), to: row.get("known_to"), what: pass });
        }
    }
    let acts =
        "select subject_id, id, defect_id, building_id, at, recorded_at, user_id, kind, body from defect_acts
                where organisation_id = $1 and subject_id = any ($2)";
    for row in tx.rows(acts, &[&organisation_id, &ids]).await? {
        if let Some(facts) = facts.get_mut(&row.get("subject_id")) {
            facts.acts.push(act(&row)?);
        }
    }
    Ok(facts.into_values().collect())
}

fn add_observation(observations: &mut Vec<Observation>, row: &Row) -> Result<(), StorageError> {
    let id: Uuid = row.get("id");
    let what: ItemState = decode("an observation", row.get("content"))?;
    let version = Known { from: row.get("known_from"), to: row.get("known_to"), what };
    match observations.last_mut().filter(|last| last.id == id) {
        Some(last) => last.versions.push(version),
        None => observations.push(Observation {
            id,
            session_id: row.get("session_id"),
            item_id: row.get("item_id"),
            building_id: row.get("building_id"),
            versions: vec![version],
        }),
    }
    Ok(())
}

fn act(row: &Row) -> Result<Act, StorageError> {
    let (kind, body): (&str, Value) = (row.get("kind"), row.get("body"));
    let deed: Deed = decode("an act", json!({"kind": kind, "body": body}))?;
    Ok(Act {
        id: row.get("id"),
        defect_id: row.get("defect_id"),
        building_id: row.get("building_id"),
        at: row.get("at"),
        recorded_at: row.get("recorded_at"),
        user_id: row.get("user_id"),
        deed,
    })
}

fn decode<T: DeserializeOwned>(what: &str, stored: Value) -> Result<T, StorageError> {
    serde_json::from_value(stored).map_err(|error| StorageError::Damaged(format!("{what}: {error}")))
}
