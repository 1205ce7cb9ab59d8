//! What people do about defects, as it is recorded, and what it is checked against.

use firemode_domain::defect::Deed;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Executor, StorageError, Transaction, sql};

/// An act to be recorded.
#[derive(Debug)]
pub struct NewAct<'a> {
    /// The act's id; that of an `open` is the id of its defect.
    pub id: Uuid,
    /// The tenant.
    pub organisation_id: Uuid,
    /// The defect.
    pub defect_id: Uuid,
    /// What is defective. The transaction holds its lock.
    pub subject_id: Uuid,
    /// The building.
    pub building_id: Uuid,
    /// Who did it.
    pub user_id: Uuid,
    /// When it was done.
    pub at: OffsetDateTime,
    /// What was done.
    pub deed: &'a Deed,
}

/// Records an act.
///
/// # Errors
/// A reference is not the organisation's (a constraint), or the database does not answer.
pub async fn record(tx: &Transaction, new: &NewAct<'_>) -> Result<(), StorageError> {
    let said = serde_json::to_value(new.deed).map_err(|error| StorageError::Damaged(error.to_string()))?;
    tx.run(
        "insert into defect_acts (id, organisation_id, defect_id, subject_id, building_id, kind, at, user_id, body)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &[
            &new.id,
            &new.organisation_id,
            &new.defect_id,
            &new.subject_id,
            &new.building_id,
            &new.deed.kind(),
            &new.at,
            &new.user_id,
            &said["body"],
        ],
    )
    .await?;
    Ok(())
}

/// When a defect took its last step; none: it is as it was found.
///
/// # Errors
/// The database does not answer.
pub async fn last_step_at(
    on: &impl Executor,
    organisation_id: Uuid,
    defect_id: Uuid,
) -> Result<Option<OffsetDateTime>, StorageError> {
    let row = sql::optional(
        on,
        "select at from defect_acts where organisation_id = $1 and defect_id = $2 and kind = 'transition'
         order by at desc, id desc limit 1",
        &[&organisation_id, &defect_id],
    )
    .await?;
    Ok(row.map(|row| row.get(0)))
}

/// The number and id of the open defect of a thing that has this condition.
///
/// # Errors
/// The database does not answer.
pub async fn open_with_condition(
    on: &impl Executor,
    organisation_id: Uuid,
    subject_id: Uuid,
    condition: &str,
) -> Result<Option<(Uuid, i64)>, StorageError> {
    let row = sql::optional(
        on,
        "select d.id, d.number from defect_versions v
         join defects d on d.organisation_id = v.organisation_id and d.id = v.defect_id
         where v.organisation_id = $1 and v.subject_id = $2 and v.known_to is null and v.condition = $3
           and v.status not in ('closed', 'withdrawn')
         limit 1",
        &[&organisation_id, &subject_id, &condition],
    )
    .await?;
    Ok(row.map(|row| (row.get(0), row.get(1))))
}

/// Who else has what another system calls a defect: its number. Openings with one external id wait for each other.
///
/// # Errors
/// The database does not answer.
pub async fn with_external_id(
    tx: &Transaction,
    organisation_id: Uuid,
    external_id: &str,
) -> Result<Option<(Uuid, i64)>, StorageError> {
    let lock = "select pg_advisory_xact_lock(hashtextextended('defect ' || $1 || ' ' || $2, 0))";
    tx.rows(lock, &[&organisation_id.to_string(), &external_id]).await?;
    let row = sql::optional(
        tx,
        "select d.id, d.number from defect_versions v
         join defects d on d.organisation_id = v.organisation_id and d.id = v.defect_id
         where v.organisation_id = $1 and v.external_id = $2 and v.known_to is null
         limit 1",
        &[&organisation_id, &external_id],
    )
    .await?;
    Ok(row.map(|row| (row.get(0), row.get(1))))
}
