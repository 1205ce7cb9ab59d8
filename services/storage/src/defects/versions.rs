//! What is known of defects, written as far as it differs from what is stored.

use std::collections::{BTreeMap, BTreeSet};

use firemode_domain::defect::{DefectVersion, Known};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::rows_of_json::RowsOfJson;
use crate::{Executor as _, StorageError, Transaction, sql};

/// The defects of a thing by their ids.
type Defects = BTreeMap<Uuid, Vec<Known<DefectVersion>>>;

const VERSIONS: RowsOfJson =
    RowsOfJson { table: "defect_versions", key: &["organisation_id", "defect_id", "known_from"] };

/// Writes the defects of these things, and removes what no fact gives any more. Gives how many versions differed.
pub(super) async fn write(
    tx: &Transaction,
    organisation_id: Uuid,
    subjects: &BTreeSet<Uuid>,
    folded: Vec<(Uuid, Defects)>,
) -> Result<u64, StorageError> {
    add_new(tx, organisation_id, &folded).await?;
    let mut rows = Vec::new();
    for (subject_id, defects) in folded {
        for (defect_id, versions) in defects {
            for version in versions {
                rows.push(row(organisation_id, subject_id, defect_id, version)?);
            }
        }
    }
    let (ids, rows): (Vec<Uuid>, Value) = (subjects.iter().copied().collect(), rows.into());
    let removed = VERSIONS.remove_others(tx, "subject_id", organisation_id, &ids, &rows).await?;
    let changed = VERSIONS.write(tx, &rows).await?;
    if !removed.is_empty() {
        let empty = "delete from defects d where organisation_id = $1 and subject_id = any ($2)
                     and not exists (select from defect_versions v where v.organisation_id = d.organisation_id and v.defect_id = d.id)";
        tx.run(empty, &[&organisation_id, &ids]).await?;
    }
    Ok((removed.len() + changed.len()) as u64)
}

fn row(
    organisation_id: Uuid,
    subject_id: Uuid,
    defect_id: Uuid,
    version: Known<DefectVersion>,
) -> Result<Value, StorageError> {
    let encode = |error: serde_json::Error| StorageError::Damaged(format!("a defect: {error}"));
    let mut row = serde_json::to_value(version.what).map_err(encode)?;
    row["organisation_id"] = json!(organisation_id);
    row["defect_id"] = json!(defect_id);
    row["subject_id"] = json!(subject_id);
    row["known_from"] = instant(version.from);
    row["known_to"] = version.to.map(instant).unwrap_or_default();
    Ok(row)
}

/// A moment, as JSON has it.
pub(crate) fn instant(at: OffsetDateTime) -> Value {
    at.format(&Rfc3339).map(Value::String).unwrap_or_default()
}

/// Gives numbers to defects that are new, the one first that became known first.
async fn add_new(
    tx: &Transaction,
    organisation_id: Uuid,
    folded: &[(Uuid, Defects)],
) -> Result<(), StorageError> {
    let found = folded.iter().flat_map(|(subject_id, defects)| {
        defects.iter().filter_map(|(id, versions)| Some((versions.first()?, *id, *subject_id)))
    });
    let mut found: Vec<(&Known<DefectVersion>, Uuid, Uuid)> = found.collect();
    let ids: Vec<Uuid> = found.iter().map(|(_, id, _)| *id).collect();
    let known = tx
        .rows(
            "select id from defects where organisation_id = $1 and id = any ($2)",
            &[&organisation_id, &ids],
        )
        .await?;
    let known: BTreeSet<Uuid> = known.iter().map(|row| row.get(0)).collect();
    found.retain(|(_, id, _)| !known.contains(id));
    if found.is_empty() {
        return Ok(());
    }
    found.sort_by_key(|(first, id, _)| (first.from, *id));
    let count = i64::try_from(found.len()).unwrap_or(i64::MAX);
    let numbers = "insert into defect_numbers as n (organisation_id, last_number) values ($1, $2)
                   on conflict (organisation_id) do update set last_number = n.last_number + excluded.last_number
                   returning last_number";
    let last: i64 = sql::one(tx, numbers, &[&organisation_id, &count]).await?.get(0);
    let column =
        |of: fn(&(&Known<DefectVersion>, Uuid, Uuid)) -> Uuid| found.iter().map(of).collect::<Vec<Uuid>>();
    let ids = column(|(_, id, _)| *id);
    let subjects = column(|(_, _, subject_id)| *subject_id);
    let buildings = column(|(first, _, _)| first.what.building_id);
    let known_from: Vec<OffsetDateTime> = found.iter().map(|(first, _, _)| first.from).collect();
    let observed: Vec<bool> =
        found.iter().map(|(first, _, _)| !first.what.observation_ids.is_empty()).collect();
    tx.run(
        "insert into defects (id, organisation_id, number, subject_id, building_id, from_history)
         select n.id, $1, $2 + n.place, n.subject_id, n.building_id,
                n.is_observed and n.known_from < coalesce((select history_until from projection_place), 'infinity')
         from unnest($3::uuid[], $4::uuid[], $5::uuid[], $6::timestamptz[], $7::bool[]) with ordinality
              as n (id, subject_id, building_id, known_from, is_observed, place)",
        &[&organisation_id, &(last - count), &ids, &subjects, &buildings, &known_from, &observed],
    )
    .await?;
    Ok(())
}
