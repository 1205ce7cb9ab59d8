//! What versions of rules would have changed: the reports of jobs.

use firemode_domain::classification::Finding;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::page::{Keyset, Listing, Page};
use crate::row::{Row as _, row};
use crate::{Executor, StorageError, Transaction, sql};

/// The kind of these jobs.
pub const JOB_KIND: &str = "rule_impact";

/// What such a job is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImpactQuestion {
    /// The version of a rule.
    pub rule_id: Uuid,
    /// The first moment.
    #[serde(with = "time::serde::rfc3339")]
    pub from: OffsetDateTime,
    /// The moment behind the last.
    #[serde(with = "time::serde::rfc3339")]
    pub to: OffsetDateTime,
}

row! {
    /// A classification that would have come to something else.
    #[derive(Debug, Clone, Serialize, ToSchema)]
    #[schema(as = RuleImpact)]
    pub struct RuleImpact {
        /// The row's id.
        pub id: Uuid,
        /// The classification: `GET /v1/classifications/{audit_log_id}`.
        pub audit_log_id: Uuid,
        /// When it was decided.
        #[serde(with = "time::serde::rfc3339")]
        pub classified_at: OffsetDateTime,
        /// The item.
        #[schema(example = "EXT-PRESSURE")]
        pub item_code: String,
        /// The condition that was seen.
        #[schema(example = "pressure_low")]
        pub observed_condition: String,
        /// The session in which it was seen.
        pub session_id: Option<Uuid>,
        /// What it came to.
        #[schema(value_type = Finding)]
        pub was: Value,
        /// What it would have come to.
        #[schema(value_type = Finding)]
        pub would_be: Value,
    }
}

/// Adds rows to the report of a job; those that are there already stay.
///
/// # Errors
/// The database does not answer.
pub async fn add(
    tx: &Transaction,
    organisation_id: Uuid,
    job_id: Uuid,
    rows: &[RuleImpact],
) -> Result<(), StorageError> {
    let rows = serde_json::to_value(rows).map_err(|error| StorageError::Damaged(error.to_string()))?;
    tx.run(
        "insert into rule_impacts (organisation_id, job_id, id, audit_log_id, classified_at, item_code, observed_condition, session_id,
                                   was, would_be)
         select $1, $2, id, audit_log_id, classified_at, item_code, observed_condition, session_id, was, would_be
         from jsonb_populate_recordset(null::rule_impacts, $3)
         on conflict (job_id, audit_log_id) do nothing",
        &[&organisation_id, &job_id, &rows],
    )
    .await?;
    Ok(())
}

/// Empties the report of a job that begins again.
///
/// # Errors
/// The database does not answer.
pub async fn clear(tx: &Transaction, organisation_id: Uuid, job_id: Uuid) -> Result<(), StorageError> {
    let sql = "delete from rule_impacts where organisation_id = $1 and job_id = $2";
    tx.run(sql, &[&organisation_id, &job_id]).await?;
    Ok(())
}

/// One page of the report of a job; none where the organisation has no such job.
///
/// # Errors
/// The database does not answer.
pub async fn list(
    on: &impl Executor,
    organisation_id: Uuid,
    job_id: Uuid,
    keyset: &Keyset,
) -> Result<Option<Page<RuleImpact>>, StorageError> {
    let job = "select from jobs where organisation_id = $1 and id = $2 and kind = $3";
    if sql::optional(on, job, &[&organisation_id, &job_id, &JOB_KIND]).await?.is_none() {
        return Ok(None);
    }
    let select = |page: &str| format!("select {}, created_at from {page} page", RuleImpact::columns());
    let listing = Listing::of("rule_impacts", organisation_id, keyset).only("job_id = {}", job_id);
    listing.page_from(on, RuleImpact::read, select).await.map(Some)
}
