//! What changed since a reader looked: sessions that were made or changed, or whose documents were added to.
//!
//! A reader's place is a snapshot: which transactions it has seen. Numbers and times commit out of order and would lose rows;
//! "not visible then, visible now" does not. One *round* covers what lies between two snapshots, session by session.

use tokio_postgres::Row;
use uuid::Uuid;

use crate::page::{VisibleUpTo, is_in_sight};
use crate::pg_snapshot::{Ids, PgSnapshot};
use crate::row::Row as _;
use crate::sessions::Session;
use crate::sql::{self, Params};
use crate::{Executor, StorageError};

/// A reader's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedPosition {
    /// What it had seen when the round began, as a snapshot; none: nothing.
    pub seen: Option<String>,
    /// The last session that it was given in this round.
    pub after: Option<Uuid>,
}

/// One page of a round: sessions as they are now, by id.
#[derive(Debug)]
pub struct FeedPage {
    /// The sessions.
    pub sessions: Vec<Session>,
    /// True when the round has more.
    pub has_more: bool,
}

/// The next sessions of a round up to `until`, at most `limit` of them. Each session comes once in a round.
///
/// A session that changes again while the round is read may be left out here; it is then in the next one.
///
/// # Errors
/// The database does not answer.
pub async fn changed(
    on: &impl Executor,
    organisation_id: Uuid,
    place: &FeedPosition,
    until: &VisibleUpTo,
    limit: i64,
) -> Result<FeedPage, StorageError> {
    let limit = limit + 1;
    let rows = match &place.seen {
        None => first_round(on, organisation_id, place.after, until, limit).await?,
        Some(seen) => {
            let (since, ends) = looks(seen, &until.snapshot)?;
            let range = Range { organisation_id, seen, until: &until.snapshot, since: &since, ends: &ends };
            match range.is_short(on).await? {
                true => range.of_touched(on, place.after, limit).await?,
                false => range.of_all(on, place.after, limit).await?,
            }
        }
    };
    let mut sessions = Session::read_all(&rows)?;
    let limit = usize::try_from(limit - 1).unwrap_or_default();
    let has_more = sessions.len() > limit;
    sessions.truncate(limit);
    Ok(FeedPage { sessions, has_more })
}

/// Between which transactions what is new at the second snapshot was written, to somebody who has seen the first.
fn looks(seen: &str, until: &str) -> Result<(Vec<String>, Vec<String>), StorageError> {
    let read = |text: &str| {
        PgSnapshot::parse(text).ok_or_else(|| StorageError::Damaged(format!("{text} is no snapshot")))
    };
    let (seen, until) = (read(seen)?, read(until)?);
    let end = |ids: &Ids| ids.until.unwrap_or_else(|| until.next());
    let unseen = seen.unseen_roughly();
    Ok(unseen.iter().map(|ids| (ids.from.to_string(), end(ids).to_string())).unzip())
}

/// All sessions that a round without a beginning may show.
async fn first_round(
    on: &impl Executor,
    organisation_id: Uuid,
    after: Option<Uuid>,
    until: &VisibleUpTo,
    limit: i64,
) -> Result<Vec<Row>, StorageError> {
    let sql = format!(
        "select {} from test_sessions where organisation_id = $1 and {} and id > $4 order by id limit $5",
        Session::columns(),
        is_in_sight("created_xid", "created_at", "$2", "$3"),
    );
    let after = after.unwrap_or_default();
    on.rows(&sql, &[&organisation_id, &until.snapshot, &until.began_at, &after, &limit]).await
}

/// With more rows between the two snapshots, sessions are gone through in their order, and each is asked whether it has some.
const ROWS_SHORT_MAX: i64 = 2_000;

/// What lies between two snapshots.
struct Range<'a> {
    organisation_id: Uuid,
    seen: &'a str,
    until: &'a str,
    since: &'a [String],
    ends: &'a [String],
}

/// Between which transactions what is new was written.
const LOOK: &str =
    "look as (select * from unnest($2::text[]::xid8[], $3::text[]::xid8[]) as look (since, until))";

impl Range<'_> {
    /// Are there so few rows that all of them can be looked at for each page?
    async fn is_short(&self, on: &impl Executor) -> Result<bool, StorageError> {
        let rows = |table: &str, xid: &str| {
            format!(
                "(select 1 from look cross join lateral (
                     select from {table} where organisation_id = $1 and {xid} >= look.since and {xid} < look.until limit $4
                 ) c)"
            )
        };
        let sql = format!(
            "with {LOOK} select count(*) from ({} union all {} union all {} limit $4) few",
            rows("session_changes", "xid"),
            rows("late_changes", "xid"),
            rows("test_sessions", "changed_xid"),
        );
        let params: Params<'_> = &[&self.organisation_id, &self.since, &self.ends, &ROWS_SHORT_MAX];
        Ok(sql::one(on, &sql, params).await?.get::<_, i64>(0) < ROWS_SHORT_MAX)
    }

    /// Sessions by what was written between the snapshots.
    async fn of_touched(
        &self,
        on: &impl Executor,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Row>, StorageError> {
        let touched = |table: &str, id: &str, xid: &str| {
            format!(
                "select c.id from look cross join lateral ({} offset 0) c",
                written(table, id, xid, "organisation_id = $1")
            )
        };
        let sql = format!(
            "with {LOOK}, touched as ({} union {} union {})
             select {} from test_sessions join touched using (id)
             where organisation_id = $1 and id > $6 order by id limit $7",
            touched("session_changes", "session_id", "xid"),
            touched("late_changes", "session_id", "xid"),
            touched("test_sessions", "id", "changed_xid"),
            Session::columns(),
        );
        self.rows(on, &sql, after, limit).await
    }

    /// The same, session by session. Whether there is something is told by one look into an index.
    async fn of_all(
        &self,
        on: &impl Executor,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Row>, StorageError> {
        let is_touched = |table: &str| {
            // As no index can compare: the one that begins with the organisation has the changes of all its sessions.
            let of = "session_id = s.id and organisation_id is not distinct from $1";
            let of_session = written(table, "session_id", "xid", of);
            format!("exists (select from look cross join lateral ({of_session} order by xid limit 1) c)")
        };
        let is_changed = "s.changed_xid >= look.since and s.changed_xid < look.until
                          and not pg_visible_in_snapshot(s.changed_xid, $4::text::pg_snapshot)
                          and pg_visible_in_snapshot(s.changed_xid, $5::text::pg_snapshot)";
        let sql = format!(
            "with {LOOK}
             select {} from test_sessions s
             where organisation_id = $1 and id > $6
               and (exists (select from look where {is_changed}) or {} or {})
             order by id limit $7",
            Session::columns(),
            is_touched("session_changes"),
            is_touched("late_changes"),
        );
        self.rows(on, &sql, after, limit).await
    }

    async fn rows(
        &self,
        on: &impl Executor,
        sql: &str,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Row>, StorageError> {
        let Self { organisation_id, seen, until, since, ends } = self;
        let after = after.unwrap_or_default();
        on.rows(sql, &[organisation_id, since, ends, seen, until, &after, &limit]).await
    }
}

/// Rows that were committed after the snapshot `$4` and before the snapshot `$5`. The outer bounds are what an index can answer; there
/// they are plain `xid8`, as row-level security demands of whatever an index is to compare with.
fn written(table: &str, id: &str, xid: &str, of: &str) -> String {
    format!(
        "select {id} as id from {table}
         where {of} and {xid} >= look.since and {xid} < look.until
           and not pg_visible_in_snapshot({xid}, $4::text::pg_snapshot)
           and pg_visible_in_snapshot({xid}, $5::text::pg_snapshot)"
    )
}
