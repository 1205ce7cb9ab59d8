//! Work that comes behind what is written to sessions: which of them have something new, and how far the search for them has come.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::changes::{self, ReadUpTo};
use crate::clocks::SessionKey;
use crate::lineage::Lineage;
use crate::pg_snapshot::PgSnapshot;
use crate::{Executor, StorageError, Transaction, sql};

/// What comes behind.
#[derive(Debug, Clone, Copy)]
pub struct Following {
    /// The table with the one row that says how far it has come.
    pub(crate) place: &'static str,
    /// The table, or what stands for it, with a row for each session that it has dealt with, and the history of the database in which that
    /// was.
    pub(crate) done: &'static str,
    /// Is a decision on late work something new?
    pub(crate) with_late: bool,
    /// What an earlier release left behind: rows that it is about, where there are any. Then all that has not been dealt with is looked for.
    pub(crate) left_behind: Option<&'static str>,
}

/// How far a search has come, for the worker that goes on with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    lineage: Lineage,
    /// The sessions of what was committed before this have been dealt with.
    pub read_up_to: ReadUpTo,
    /// Up to this session those from before the first search have been dealt with; none: all of them.
    pub filled_up_to: Option<Uuid>,
}

impl Following {
    /// Where to go on. In a history of the database that is not the one of before, everything is looked at again.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn place(&self, on: &impl Executor) -> Result<Place, StorageError> {
        let now = changes::read_up_to(on).await?;
        let is_left_behind =
            self.left_behind.map_or_else(|| "false".to_owned(), |rows| format!("exists ({rows})"));
        let sql = format!(
            "select database_lineage(), p.lineage, p.read_up_to, p.filled_up_to, {is_left_behind}
             from (select) one left join {} p on true",
            self.place
        );
        let row = sql::one(on, &sql, &[]).await?;
        let lineage = Lineage::named(row.get(0));
        let is_of_lineage = row.get::<_, Option<Vec<u8>>>(1).is_some_and(|stored| lineage.is(&stored));
        let stored: Option<&str> = row.get(2);
        let known = stored.filter(|_| is_of_lineage).and_then(PgSnapshot::parse);
        Ok(match known {
            Some(snapshot) => {
                let is_left_behind: bool = row.get(4);
                let filled_up_to = row.get::<_, Option<Uuid>>(3).or(is_left_behind.then(Uuid::nil));
                Place { lineage, read_up_to: ReadUpTo { snapshot, lineage }, filled_up_to }
            }
            None => Place { lineage, read_up_to: now, filled_up_to: Some(Uuid::nil()) },
        })
    }

    /// Notes how far the search has come.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn keep_place(&self, tx: &Transaction, place: &Place) -> Result<(), StorageError> {
        let sql = format!(
            "insert into {} (lineage, read_up_to, filled_up_to) values ($1, $2, $3)
             on conflict (only_row) do update
                 set lineage = excluded.lineage, read_up_to = excluded.read_up_to, filled_up_to = excluded.filled_up_to",
            self.place
        );
        let read_up_to = place.read_up_to.snapshot.to_string();
        tx.run(&sql, &[&place.lineage.as_bytes().as_slice(), &read_up_to, &place.filled_up_to]).await?;
        Ok(())
    }

    /// Sessions with something that may not have been looked at, and since when that is there. Whatever is committed after the next look
    /// began is found by that.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn touched(
        &self,
        on: &impl Executor,
        since: &ReadUpTo,
    ) -> Result<Vec<(SessionKey, OffsetDateTime)>, StorageError> {
        let looks = since.snapshot.unseen_roughly();
        let from: Vec<String> = looks.iter().map(|ids| ids.from.to_string()).collect();
        let until: Vec<Option<String>> = looks.iter().map(|ids| ids.until.map(|id| id.to_string())).collect();
        let written = |table: &str, at: &str| {
            format!(
                "select o.id, c.session_id, c.at from look cross join organisations o cross join lateral (
                     select c.session_id, min({at}) as at from {table} c
                     where c.organisation_id = o.id and c.xid >= look.since and c.xid < look.until
                     group by c.session_id offset 0
                 ) c"
            )
        };
        let decided = format!(" union all {}", written("late_changes", "coalesce(c.decided_at, now())"));
        let sql = format!(
            "with look as materialized (
                 select w.since, case when w.until is null then pg_snapshot_xmax(pg_current_snapshot()) else w.until end as until
                 from unnest($1::text[]::xid8[], $2::text[]::xid8[]) as w (since, until)
             )
             {}{}",
            written("session_changes", "c.received_at"),
            if self.with_late { &decided } else { "" }
        );
        let rows = on.rows(&sql, &[&from, &until]).await?;
        Ok(rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect())
    }

    /// The next sessions by id that have not been dealt with in this history of the database, at most `limit` of them.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn unfilled(
        &self,
        on: &impl Executor,
        place: &Place,
        after: Uuid,
        limit: i64,
    ) -> Result<Vec<SessionKey>, StorageError> {
        let sql = format!(
            "select s.organisation_id, s.id from test_sessions s
             where s.id > $1 and not exists (select from {} k where k.session_id = s.id and k.lineage = $2)
             order by s.id limit $3",
            self.done
        );
        let rows = on.rows(&sql, &[&after, &place.lineage.as_bytes().as_slice(), &limit]).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }
}
