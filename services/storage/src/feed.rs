//! What changed since a reader looked: sessions that were made or changed, or whose documents were added to.
//!
//! A reader's place is a snapshot: which transactions it has seen. Numbers and times commit out of order and would lose rows;
//! "not visible then, visible now" does not. One *round* covers what lies between two snapshots, session by session.

use uuid::Uuid;

use crate::page::{Horizon, is_in_sight};
use crate::row::Row as _;
use crate::sessions::Session;
use crate::{Executor, StorageError};

/// A reader's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What it had seen when the round began, as a snapshot; none: nothing.
    pub seen: Option<String>,
    /// The last session that it was given in this round.
    pub after: Option<Uuid>,
}

/// One page of a round: sessions as they are now, by id.
#[derive(Debug)]
pub struct Changed {
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
    place: &Place,
    until: &Horizon,
    limit: i64,
) -> Result<Changed, StorageError> {
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
                "with touched as (
                     select session_id as id from session_changes where organisation_id = $1 and {between}
                     union
                     select session_id from late_changes where organisation_id = $1 and {between}
                     union
                     select id from test_sessions where organisation_id = $1 and {session_between}
                 )
                 select {columns} from test_sessions join touched using (id)
                 where organisation_id = $1 and ($4::uuid is null or id > $4) order by id limit $5",
                between = between("xid"),
                session_between = between("changed_xid"),
            );
            on.rows(&sql, &[&organisation_id, seen, &until.snapshot, &place.after, &(limit + 1)]).await?
        }
    };
    let mut sessions = Session::read_all(&rows)?;
    let limit = usize::try_from(limit).unwrap_or_default();
    let has_more = sessions.len() > limit;
    sessions.truncate(limit);
    Ok(Changed { sessions, has_more })
}

/// Committed after the snapshot `$2` and before the snapshot `$3`. The outer bounds are what an index can answer.
fn between(xid: &str) -> String {
    format!(
        "{xid} >= pg_snapshot_xmin($2::text::pg_snapshot) and {xid} < pg_snapshot_xmax($3::text::pg_snapshot)
         and not pg_visible_in_snapshot({xid}, $2::text::pg_snapshot)
         and pg_visible_in_snapshot({xid}, $3::text::pg_snapshot)"
    )
}
