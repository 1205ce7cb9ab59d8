//! The changes on record of several sessions at once, each from where its reader left off.

use std::collections::HashMap;

use tokio_postgres::Row;
use uuid::Uuid;

use super::{ReadUpTo, StoredChange, stored};
use crate::sql::{Statement, params};
use crate::{Executor, StorageError};

/// A session, and how far its document has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionTail {
    /// The tenant.
    pub organisation_id: Uuid,
    /// The session.
    pub session_id: Uuid,
    /// How far it was read; none: not at all.
    pub since: Option<ReadUpTo>,
}

/// Reads what belongs to the documents of these sessions and may not have been read yet, by session and in the order of arrival.
///
/// # Errors
/// The database does not answer.
pub(crate) async fn read_tails(
    on: &impl Executor,
    tails: &[SessionTail],
) -> Result<HashMap<Uuid, Vec<StoredChange>>, StorageError> {
    Ok(tails_by_session(&find_tails(tails, None).rows(on).await?))
}

/// Finds what [`read_tails`] reads. A process that knows what it wrote itself leaves that out with its `instance_id`: what it does not
/// know of was not committed.
pub(crate) fn find_tails(tails: &[SessionTail], instance_id: Option<Uuid>) -> Statement<'_> {
    let (organisations, sessions, since) = columns(tails);
    let sql = unseen("c.hash, c.bytes, c.user_id, c.device, c.received_at, c.start_op");
    let sql = format!("{sql} order by {}", super::ARRIVAL);
    Statement::new(sql, params![organisations, sessions, since, instance_id])
}

/// What [`find_tails`] found.
pub(crate) fn tails_by_session(rows: &[Row]) -> HashMap<Uuid, Vec<StoredChange>> {
    let mut by_session: HashMap<Uuid, Vec<StoredChange>> = HashMap::new();
    for row in rows {
        by_session.entry(row.get("session_id")).or_default().push(stored(row));
    }
    by_session
}

/// How many bytes [`read_tails`] would give for each session.
///
/// # Errors
/// The database does not answer.
pub(crate) async fn sizes(
    on: &impl Executor,
    tails: &[SessionTail],
) -> Result<HashMap<Uuid, i64>, StorageError> {
    let (organisations, sessions, since) = columns(tails);
    let sql = unseen("octet_length(c.bytes) as bytes");
    let sql = format!("select session_id, sum(bytes)::int8 from ({sql}) as unseen group by session_id");
    let rows = on.rows(&sql, &[&organisations, &sessions, &since, &None::<Uuid>]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

fn columns(tails: &[SessionTail]) -> (Vec<Uuid>, Vec<Uuid>, Vec<Option<&str>>) {
    (
        tails.iter().map(|tail| tail.organisation_id).collect(),
        tails.iter().map(|tail| tail.session_id).collect(),
        tails.iter().map(|tail| tail.since.as_ref().map(|ReadUpTo(since)| since.as_str())).collect(),
    )
}

/// A first reader takes every row. For the others a row counts as unseen from the transaction on where they left off; rows of
/// a plain dump carry the ids of another cluster, and an id that this one has not given out yet is no news.
///
/// `offset 0` keeps each session's part an index scan of its own, whatever the planner thinks of the tables' sizes. The bounds are
/// plain `xid8` by `case` alone: of anything that might fail, as reading text, and of `coalesce` PostgreSQL fears that it tells of
/// rows that a policy hides, and so it compares after the policy's check, with every change of the session instead of the index.
/// The organisation is compared as no index can: the one that begins with it has to look at the changes of all its sessions, and
/// as long as the tables were not analysed the planner takes that one as gladly.
fn unseen(columns: &str) -> String {
    format!(
        "select c.*, t.session_id
         from (
             select w.organisation_id, w.session_id, w.since is null as is_first,
                    case when w.since is null then '0'::xid8 else w.since end as since,
                    case when w.since is null then '18446744073709551615'::xid8
                         else pg_snapshot_xmax(pg_current_snapshot()) end as until
             from unnest($1::uuid[], $2::uuid[], $3::text[]::xid8[]) as w (organisation_id, session_id, since)
         ) t
         cross join lateral (
             (select {columns} from session_changes c
              where c.session_id = t.session_id and c.xid >= t.since and c.xid < t.until
                and c.organisation_id is not distinct from t.organisation_id
                and ($4::uuid is null or c.instance_id <> $4)
                and not exists (select from late_changes l where l.organisation_id = c.organisation_id
                                  and l.session_id = c.session_id and l.hash = c.hash and l.state <> 'accepted')
              offset 0)
             union all
             (select {columns} from late_changes l
              join session_changes c on c.organisation_id = l.organisation_id and c.session_id = l.session_id
                                    and c.hash = l.hash
              where l.session_id = t.session_id and l.organisation_id is not distinct from t.organisation_id
                and l.state = 'accepted' and not t.is_first and l.xid >= t.since and l.xid < t.until
              offset 0)
         ) c"
    )
}

/// Finds the hashes of changes that are stored as late and not accepted, so that they are not on record.
pub(crate) fn find_apart(sessions: &[(Uuid, Uuid)]) -> Statement<'static> {
    let (organisations, sessions): (Vec<Uuid>, Vec<Uuid>) = sessions.iter().copied().unzip();
    Statement::new(
        "select l.session_id, l.hash from unnest($1::uuid[], $2::uuid[]) as w (organisation_id, session_id)
         cross join lateral (
             select l.session_id, l.hash from late_changes l
             where l.session_id = w.session_id and l.organisation_id is not distinct from w.organisation_id
               and l.state <> 'accepted'
             offset 0
         ) l",
        params![organisations, sessions],
    )
}

/// What [`find_apart`] found, by session.
pub(crate) fn apart_by_session(rows: &[Row]) -> HashMap<Uuid, Vec<Vec<u8>>> {
    let mut by_session: HashMap<Uuid, Vec<Vec<u8>>> = HashMap::new();
    for row in rows {
        by_session.entry(row.get(0)).or_default().push(row.get(1));
    }
    by_session
}
