//! What the record and the store of evidence hold by now, of all tenants together. Nothing is counted that is not small: the worker keeps
//! how many changes of a session are not merged, and triggers keep how much evidence there is (`migrations/V45__what_must_be_seen.sql`).

use crate::{Executor, StorageError, Transaction, sql};

/// What there is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordFigures {
    /// Changes that wait for others; one for a session that is too large to count what is not merged.
    pub held: i64,
    /// Changes that are kept and would damage their documents.
    pub quarantined: i64,
    /// Changes that came after their sessions were completed, and that nobody has decided about.
    pub late: i64,
    /// Files of evidence; the same content of a tenant is one.
    pub evidence_files: i64,
    /// Their bytes.
    pub evidence_bytes: i64,
}

/// Looks. What is not merged is as of a few seconds ago.
///
/// # Errors
/// The database does not answer.
pub async fn find(on: &impl Executor) -> Result<RecordFigures, StorageError> {
    let sql = "select unmerged.held, unmerged.quarantined, (select count(*) from late_changes where state = 'late'),
                      total.files + growth.files, total.bytes + growth.bytes
               from (select coalesce(sum(coalesce(held, 1)), 0) as held, coalesce(sum(quarantined), 0) as quarantined
                     from session_clocks where has_unmerged) unmerged,
                    (select files, bytes from evidence_totals) total,
                    (select coalesce(sum(files), 0)::int8 as files, coalesce(sum(bytes), 0)::int8 as bytes
                     from evidence_growth) growth";
    let row = sql::one(on, sql, &[]).await?;
    Ok(RecordFigures {
        held: row.get(0),
        quarantined: row.get(1),
        late: row.get(2),
        evidence_files: row.get(3),
        evidence_bytes: row.get(4),
    })
}

/// Adds what has come and gone to the total of evidence, at most so many rows of it. Gives how many they were.
///
/// # Errors
/// The database does not answer.
pub async fn add_up(tx: &Transaction, limit: i64) -> Result<u64, StorageError> {
    let sql = "with taken as (
                   delete from evidence_growth
                   where ctid = any (array (select ctid from evidence_growth limit $1 for update skip locked))
                   returning files, bytes
               ), sums as (
                   select count(*) as rows, coalesce(sum(files), 0) as files, coalesce(sum(bytes), 0) as bytes from taken
               ), added as (
                   update evidence_totals t set files = t.files + s.files, bytes = t.bytes + s.bytes from sums s where s.rows > 0
               )
               select rows from sums";
    let row = sql::one(tx, sql, &[&limit]).await?;
    Ok(row.get::<_, i64>(0).unsigned_abs())
}
