//! Working out again all that follows from what is on record, beside whoever follows it.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::{Depth, project};
use crate::clocks::SessionKey;
use crate::defects::{lock_subjects, refold_all};
use crate::{Database, Executor as _, Purpose, StorageError};

/// Sessions that are looked for at a time.
const PAGE: i64 = 256;

/// What working everything out again came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Sessions that were worked out.
    pub sessions: usize,
    /// Rows that differed from what was stored.
    pub rows: u64,
    /// Sessions that could not be worked out, and why.
    pub failed: Vec<(Uuid, String)>,
}

/// Works all sessions out again, one by one, each with the defects that follow in one transaction: nobody sees half of it. What is left that
/// no fact gives is removed then.
///
/// # Errors
/// The database does not answer.
pub async fn rebuild(database: &Database) -> Result<Rebuilt, StorageError> {
    let mut rebuilt = Rebuilt::default();
    let mut after = Uuid::nil();
    loop {
        let sessions = sessions_after(database, after).await?;
        let Some((_, last)) = sessions.last() else { break };
        after = *last;
        for (organisation_id, session_id) in sessions {
            let tx = database.tenant(organisation_id).transaction().await?;
            match project(tx, organisation_id, &BTreeSet::from([session_id]), Depth::All).await {
                Ok(rows) => {
                    rebuilt.sessions += 1;
                    rebuilt.rows += rows;
                }
                Err(error @ (StorageError::TooLarge { .. } | StorageError::Damaged(_))) => {
                    rebuilt.failed.push((session_id, error.to_string()));
                }
                Err(error) => return Err(error),
            }
        }
    }
    for organisation_id in organisations(database).await? {
        rebuilt.rows += remove_rest(database, organisation_id).await?;
    }
    Ok(rebuilt)
}

async fn sessions_after(database: &Database, after: Uuid) -> Result<Vec<SessionKey>, StorageError> {
    let tx = database.across_tenants(Purpose::Work).read().await?;
    let sql = "select organisation_id, id from test_sessions where id > $1 order by id limit $2";
    let rows = tx.rows(sql, &[&after, &PAGE]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

async fn organisations(database: &Database) -> Result<Vec<Uuid>, StorageError> {
    let tx = database.across_tenants(Purpose::Work).read().await?;
    let rows = tx.rows("select id from organisations order by id", &[]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Folds again whatever no session has led to: what people opened by hand, and what no fact gives any more.
async fn remove_rest(database: &Database, organisation_id: Uuid) -> Result<u64, StorageError> {
    let tx = database.tenant(organisation_id).transaction().await?;
    let sql = "select distinct subject_id from defects d where organisation_id = $1
               and not exists (select from item_observations o
                               where o.organisation_id = d.organisation_id and o.subject_id = d.subject_id)";
    let rows = tx.rows(sql, &[&organisation_id]).await?;
    let subjects: BTreeSet<Uuid> = rows.iter().map(|row| row.get(0)).collect();
    lock_subjects(&tx, organisation_id, &subjects).await?;
    let rows = refold_all(&tx, organisation_id, &subjects).await?;
    tx.commit().await?;
    Ok(rows)
}
