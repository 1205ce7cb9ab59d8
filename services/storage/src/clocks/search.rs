//! Which sessions have something new, and which have never been looked at.

use uuid::Uuid;

use super::SessionKey;
use crate::changes::{self, ReadUpTo};
use crate::lineage::Lineage;
use crate::pg_snapshot::PgSnapshot;
use crate::{Executor, StorageError, Transaction, sql};

/// How far the search has come, for the worker that goes on with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    lineage: Lineage,
    /// The sessions of what was committed before this have been dealt with.
    pub read_up_to: ReadUpTo,
    /// Up to this session clocks from before the first search have been reckoned; none: all of them.
    pub filled_up_to: Option<Uuid>,
}

/// Where to go on. In a history of the database that is not the one of before, everything is looked at again.
///
/// # Errors
/// The database does not answer.
pub async fn place(on: &impl Executor) -> Result<Place, StorageError> {
    let now = changes::read_up_to(on).await?;
    let sql = "select database_lineage(), p.lineage, p.read_up_to, p.filled_up_to
               from (select) one left join session_clocks_place p on true";
    let row = sql::one(on, sql, &[]).await?;
    let lineage = Lineage::named(row.get(0));
    let is_of_lineage = row.get::<_, Option<Vec<u8>>>(1).is_some_and(|stored| lineage.is(&stored));
    let stored: Option<&str> = row.get(2);
    let known = stored.filter(|_| is_of_lineage).and_then(PgSnapshot::parse);
    Ok(match known {
        Some(snapshot) => {
            Place { lineage, read_up_to: ReadUpTo { snapshot, lineage }, filled_up_to: row.get(3) }
        }
        None => Place { lineage, read_up_to: now, filled_up_to: Some(Uuid::nil()) },
    })
}

/// Notes how far the search has come.
///
/// # Errors
/// The database does not answer.
pub async fn keep_place(tx: &Transaction, place: &Place) -> Result<(), StorageError> {
    tx.run(
        "insert into session_clocks_place (lineage, read_up_to, filled_up_to) values ($1, $2, $3)
         on conflict (only_row) do update
             set lineage = excluded.lineage, read_up_to = excluded.read_up_to, filled_up_to = excluded.filled_up_to",
        &[&place.lineage.as_bytes().as_slice(), &place.read_up_to.snapshot.to_string(), &place.filled_up_to],
    )
    .await?;
    Ok(())
}

/// Sessions with changes that may not have been looked at, and how far that is. Nothing where no transaction has ended since.
///
/// # Errors
/// The database does not answer.
pub async fn touched(
    on: &impl Executor,
    since: &ReadUpTo,
) -> Result<Option<(Vec<SessionKey>, ReadUpTo)>, StorageError> {
    // Taken before the rows: whatever is committed in between is found again next time.
    let now = changes::read_up_to(on).await?;
    if now == *since {
        return Ok(None);
    }
    let looks = since.snapshot.unseen();
    let from: Vec<String> = looks.iter().map(|ids| ids.from.to_string()).collect();
    let until: Vec<Option<String>> = looks.iter().map(|ids| ids.until.map(|id| id.to_string())).collect();
    let sql = "select o.id, c.session_id
               from (select w.since, case when w.until is null then pg_snapshot_xmax(pg_current_snapshot()) else w.until end as until
                     from unnest($1::text[]::xid8[], $2::text[]::xid8[]) as w (since, until)) look
               cross join organisations o
               cross join lateral (
                   select distinct c.session_id from session_changes c
                   where c.organisation_id = o.id and c.xid >= look.since and c.xid < look.until offset 0
               ) c";
    let rows = on.rows(sql, &[&from, &until]).await?;
    Ok(Some((rows.iter().map(|row| (row.get(0), row.get(1))).collect(), now)))
}

/// The next sessions by id whose clocks have not been reckoned in this history of the database, at most `limit` of them.
///
/// # Errors
/// The database does not answer.
pub async fn unfilled(
    on: &impl Executor,
    place: &Place,
    after: Uuid,
    limit: i64,
) -> Result<Vec<SessionKey>, StorageError> {
    let sql = "select s.organisation_id, s.id from test_sessions s
               where s.id > $1
                 and not exists (select from session_clocks k where k.session_id = s.id and k.lineage = $2)
               order by s.id limit $3";
    let rows = on.rows(sql, &[&after, &place.lineage.as_bytes().as_slice(), &limit]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Sessions with changes that are not merged, of which a release before this one did not say how many.
///
/// # Errors
/// The database does not answer.
pub async fn uncounted(on: &impl Executor, limit: i64) -> Result<Vec<SessionKey>, StorageError> {
    let sql = "select organisation_id, session_id from session_clocks where has_unmerged and held is null
               order by session_id limit $1";
    let rows = on.rows(sql, &[&limit]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}
