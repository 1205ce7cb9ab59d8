//! Defects from before defects were followed, withdrawn together: what is asked for, which are left, and how they take the step.

use std::collections::BTreeSet;

use firemode_domain::defect::{Deed, DefectStatus, Transition};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::acts::{self, NewAct};
use super::{lock_subjects, read, refold_all};
use crate::{Executor, StorageError, Transaction, sql};

/// The kind of the jobs that do it.
pub const JOB_KIND: &str = "defect_withdrawal";

/// What such a job is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithdrawalOrder {
    /// Who wants it.
    pub user_id: Uuid,
    /// Why.
    pub reason: String,
    /// Of one building; none: of all.
    pub building_id: Option<Uuid>,
}

/// A defect that is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// The defect.
    pub id: Uuid,
    /// What is defective.
    pub subject_id: Uuid,
}

/// What is left of the organisation `$1` in the building `$2`, if that is given.
const LEFT: &str = "from defects d
     join defect_versions v on v.organisation_id = d.organisation_id and v.defect_id = d.id and v.known_to is null
     where d.organisation_id = $1 and d.from_history and v.status not in ('closed', 'withdrawn')
       and ($2::uuid is null or d.building_id = $2)";

impl WithdrawalOrder {
    /// What each of them goes through.
    pub fn deed(&self) -> Deed {
        Deed::Transition(Transition {
            to: DefectStatus::Withdrawn,
            reason: Some(self.reason.clone()),
            scheduled_for: None,
            until: None,
            accepted_by: None,
            evidence: Vec::new(),
        })
    }

    /// How many are left.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn count_left(&self, on: &impl Executor, organisation_id: Uuid) -> Result<i64, StorageError> {
        let statement = format!("select count(*) {LEFT}");
        Ok(sql::one(on, &statement, &[&organisation_id, &self.building_id]).await?.get(0))
    }

    /// The next ones in the order of their ids.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn left(
        &self,
        on: &impl Executor,
        organisation_id: Uuid,
        after: Uuid,
        limit: i64,
    ) -> Result<Vec<Left>, StorageError> {
        let statement = format!("select d.id, d.subject_id {LEFT} and d.id > $3 order by d.id limit $4");
        let rows = on.rows(&statement, &[&organisation_id, &self.building_id, &after, &limit]).await?;
        Ok(rows.iter().map(|row| Left { id: row.get(0), subject_id: row.get(1) }).collect())
    }

    /// Withdraws these, but for those that somebody else has ended by now. Gives each with the status that it had.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn withdraw(
        &self,
        tx: &Transaction,
        organisation_id: Uuid,
        left: &[Left],
    ) -> Result<Vec<(Uuid, DefectStatus)>, StorageError> {
        let subjects: BTreeSet<Uuid> = left.iter().map(|left| left.subject_id).collect();
        lock_subjects(tx, organisation_id, &subjects).await?;
        let (deed, at) = (self.deed(), OffsetDateTime::now_utc());
        let mut withdrawn = Vec::new();
        for Left { id, subject_id } in left {
            let defect = read::find(tx, organisation_id, *id, None).await?;
            let Some(defect) = defect.filter(|defect| !defect.status.is_end()) else { continue };
            let act = NewAct {
                id: Uuid::now_v7(),
                organisation_id,
                defect_id: *id,
                subject_id: *subject_id,
                building_id: defect.building_id,
                user_id: self.user_id,
                at,
                deed: &deed,
            };
            acts::record(tx, &act).await?;
            withdrawn.push((*id, defect.status));
        }
        refold_all(tx, organisation_id, &subjects).await?;
        Ok(withdrawn)
    }
}
