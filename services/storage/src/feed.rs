//! What changed since a reader looked: sessions that were made or changed, or whose documents were added to.
//!
//! A reader's place is a snapshot: which transactions it has seen. Numbers and times commit out of order and would lose rows;
//! "not visible then, visible now" does not. One *round* covers what lies between two snapshots, session by session.

use uuid::Uuid;

use crate::page::{VisibleUpTo, is_in_sight};
use crate::pg_snapshot::{Ids, PgSnapshot};
use crate::row::Row as _;
use crate::sessions::Session;
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
    let columns = Session::columns();
    let rows = match &place.seen {
        None => {
            let sql = format!(
                "select {columns} from test_sessions
                 where organisation_id = $1 and ($3::uuid is null or id > $3) and {}
                 order by id limit $5",
                is_in_sight("created_xid", "created_at", "$2", "$4")
            );
            let began_at = &until.began_at;
            on.rows(&sql, &[&organisation_id, &until.snapshot, &place.after, began_at, &(limit + 1)]).await?
        }
        Some(seen) => {
            let sql = format!(
                "with look as (
                     select * from unnest($6::text[]::xid8[], $7::text[]::xid8[]) as look (since, until)
                 ), touched as (
                     {changes} union {late} union {sessions}
                 )
                 select {columns} from test_sessions join touched using (id)
                 where organisation_id = $1 and ($4::uuid is null or id > $4) order by id limit $5",
                changes = touched("session_changes", "session_id", "xid"),
                late = touched("late_changes", "session_id", "xid"),
                sessions = touched("test_sessions", "id", "changed_xid"),
            );
            let (since, ends) = looks(seen, &until.snapshot)?;
            let limit = limit + 1;
            on.rows(&sql, &[&organisation_id, seen, &until.snapshot, &place.after, &limit, &since, &ends])
                .await?
        }
    };
    let mut sessions = Session::read_all(&rows)?;
    let limit = usize::try_from(limit).unwrap_or_default();
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
    let unseen = seen.unseen();
    Ok(unseen.iter().map(|ids| (ids.from.to_string(), end(ids).to_string())).unzip())
}

/// Sessions with rows that were committed after the snapshot `$2` and before the snapshot `$3`. The outer bounds are what an index can
/// answer; there they are plain `xid8`, as row-level security demands of a value that an index is to compare with.
fn touched(table: &str, id: &str, xid: &str) -> String {
    format!(
        "select c.id from look cross join lateral (
             select {id} as id from {table}
             where organisation_id = $1 and {xid} >= look.since and {xid} < look.until
               and not pg_visible_in_snapshot({xid}, $2::text::pg_snapshot)
               and pg_visible_in_snapshot({xid}, $3::text::pg_snapshot)
             offset 0
         ) c"
    )
}
