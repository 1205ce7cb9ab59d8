//! The changes on record of several sessions at once, each from where its reader left off.

use std::collections::{HashMap, HashSet};

use firemode_domain::document::DocumentSize;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{ReadUpTo, StoredChange, stored};
use crate::pg_snapshot::{Ids, PgSnapshot};
use crate::sql::{Param, Statement, params};
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
    Ok(tails_by_session(&find(looks(tails, PgSnapshot::unseen), None).rows(on).await?))
}

/// Finds for a batch what [`read_tails`] reads and other processes wrote: what this one wrote and does not know of was not committed. The
/// next batch goes on from a later moment, so this one may look roughly: it has many sessions, beside many open transactions.
pub(crate) fn find_tails_of_others(tails: &[SessionTail], process_id: Uuid) -> Statement<'static> {
    find(looks(tails, PgSnapshot::unseen_roughly), Some(process_id))
}

fn find(mut params: Vec<Param<'static>>, not_of: Option<Uuid>) -> Statement<'static> {
    let sql = unseen("c.hash, c.bytes, c.user_id, c.device, c.received_at, c.start_op");
    params.push(Box::new(not_of));
    Statement::new(format!("{sql} order by {}", super::ARRIVAL), params)
}

/// Finds all changes of sessions that may not have been read, with those that came late, but for what was rejected.
pub(crate) fn find_with_late(tails: &[SessionTail]) -> Statement<'static> {
    let sql = format!(
        "select c.hash, c.bytes, c.user_id, c.device, c.received_at
         from ({LOOKS}) t cross join lateral ({LOOK}) c
         where not exists (select from late_changes l where l.organisation_id = c.organisation_id
                             and l.session_id = c.session_id and l.hash = c.hash and l.state = 'rejected')
         order by {}",
        super::ARRIVAL
    );
    Statement::new(sql, looks(tails, PgSnapshot::unseen))
}

/// What [`find_tails_of_others`] found.
pub(crate) fn tails_by_session(rows: &[Row]) -> HashMap<Uuid, Vec<StoredChange>> {
    let mut by_session: HashMap<Uuid, Vec<StoredChange>> = HashMap::new();
    for row in rows {
        by_session.entry(row.get("session_id")).or_default().push(stored(row));
    }
    by_session
}

/// How many changes [`read_tails`] would give of a session, and their bytes.
///
/// # Errors
/// The database does not answer.
pub(crate) async fn size(on: &impl Executor, tail: SessionTail) -> Result<DocumentSize, StorageError> {
    let sql = unseen("octet_length(c.bytes) as bytes, c.seq");
    let sql = format!(
        "select count(*), coalesce(sum(bytes), 0)::int8, count(*) filter (where seq = 1) from ({sql}) as unseen"
    );
    let mut params = looks(&[tail], PgSnapshot::unseen);
    params.push(Box::new(None::<Uuid>));
    let rows = Statement::new(sql, params).rows(on).await?;
    let number = |row: &Row, at| usize::try_from(row.get::<_, i64>(at)).unwrap_or(0);
    let size = |row: &Row| DocumentSize::of_changes(number(row, 0), number(row, 1), number(row, 2));
    Ok(rows.first().map(size).unwrap_or_default())
}

/// Those of these sessions whose record has something that was committed after their reader looked.
///
/// # Errors
/// The database does not answer.
pub(crate) async fn with_news(
    on: &impl Executor,
    tails: &[SessionTail],
) -> Result<HashSet<Uuid>, StorageError> {
    let sql = format!(
        "select distinct t.session_id
         from ({LOOKS}) t
         cross join lateral (
             (select 1 from ({LOOK}) c
              where not exists (select from late_changes l where l.organisation_id = c.organisation_id
                                  and l.session_id = c.session_id and l.hash = c.hash and l.state <> 'accepted')
              limit 1)
             union all
             (select 1 from late_changes l
              where l.session_id = t.session_id and l.organisation_id is not distinct from t.organisation_id
                and l.state = 'accepted' and l.xid >= t.since and l.xid < t.until
              limit 1)
         ) news"
    );
    let rows = Statement::new(sql, looks(tails, PgSnapshot::unseen)).rows(on).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Finds the highest number of each actor among what [`read_tails`] would read, and a row without an actor for each session where one of
/// those changes builds on what is neither among them nor on record.
///
/// What is among them is taken away as a set, which takes no longer than reading them whatever the planner expects; the rest is looked
/// for one by one.
pub(crate) fn find_seen(tails: &[SessionTail]) -> Statement<'static> {
    let unseen = unseen("c.hash, c.actor, c.seq, c.deps");
    let sql = format!(
        "with unseen as materialized ({unseen}), needed as (
             select u.organisation_id, u.session_id, d.hash from unseen u cross join lateral unnest(u.deps) as d (hash)
             except select organisation_id, session_id, hash from unseen
         )
         select session_id, encode(actor, 'hex') as actor, max(seq) as seq from unseen group by session_id, actor
         union all
         select distinct n.session_id, null::text, null::int8 from needed n
         where (select true from session_changes p
                where p.session_id = n.session_id and p.hash >= n.hash and p.hash <= n.hash
                  and p.organisation_id is not distinct from n.organisation_id
                  and not exists (select from late_changes l where l.organisation_id = p.organisation_id
                                    and l.session_id = p.session_id and l.hash = p.hash and l.state <> 'accepted')
                order by p.hash limit 1) is null"
    );
    let mut params = looks(tails, PgSnapshot::unseen);
    params.push(Box::new(None::<Uuid>));
    Statement::new(sql, params)
}

/// The parameters of [`LOOKS`], for what is unseen behind each tail.
fn looks(tails: &[SessionTail], unseen: fn(&PgSnapshot) -> Vec<Ids>) -> Vec<Param<'static>> {
    let (mut organisations, mut sessions) = (Vec::new(), Vec::new());
    let (mut since, mut until) = (Vec::new(), Vec::new());
    for SessionTail { organisation_id, session_id, since: read_up_to } in tails {
        let ids = read_up_to.as_ref().map(|read_up_to| unseen(&read_up_to.snapshot));
        let looks = ids.map_or_else(|| vec![None], |ids| ids.into_iter().map(Some).collect());
        for ids in looks {
            organisations.push(*organisation_id);
            sessions.push(*session_id);
            since.push(ids.map(|ids| ids.from.to_string()));
            until.push(ids.and_then(|ids| ids.until).map(|id| id.to_string()));
        }
    }
    params![organisations, sessions, since, until]
}

/// Sessions, and between which transactions to look for what they have added. A first reader takes every row. For the others a row
/// counts as unseen where their snapshot did not see its transaction end; rows of a plain dump carry the ids of another cluster, and
/// an id that this one has not given out yet is no news.
///
/// The bounds are plain `xid8`, made with `case` alone. PostgreSQL does not trust what might fail (reading text), nor `coalesce`: it
/// could reveal rows that a policy hides. So it would compare after the policy's check, with every change of the session instead of
/// the index.
const LOOKS: &str = "
    select w.organisation_id, w.session_id, w.since is null as is_first,
           case when w.since is null then '0'::xid8 else w.since end as since,
           case when w.since is null then '18446744073709551615'::xid8
                when w.until is null then pg_snapshot_xmax(pg_current_snapshot())
                else w.until end as until
    from unnest($1::uuid[], $2::uuid[], $3::text[]::xid8[], $4::text[]::xid8[])
             as w (organisation_id, session_id, since, until)";

/// What a look of [`LOOKS`], called `t`, finds among all changes of its session: one scan of the index on session and transaction,
/// however the planner judges the table. A row for each session, which it believes of a table that was looked at in its first
/// minutes, can be found by any index that begins with the session; but what is wanted in the order of transactions can be had from
/// that index as it is, and from the others only sorted. `offset 0` keeps the look by itself. The organisation is compared as no index
/// can: the one that begins with it would have to look at the changes of all its sessions.
const LOOK: &str = "
    select * from session_changes c
    where c.session_id = t.session_id and c.xid >= t.since and c.xid < t.until
      and c.organisation_id is not distinct from t.organisation_id
    order by c.xid offset 0";

/// What [`LOOKS`] find on record. Late changes that were accepted meanwhile are looked for from their side, since there are few.
fn unseen(columns: &str) -> String {
    format!(
        "select c.*, t.session_id, t.organisation_id
         from ({LOOKS}) t
         cross join lateral (
             (select {columns} from ({LOOK}) c
              where ($5::uuid is null or c.instance_id <> $5)
                and not exists (select from late_changes l where l.organisation_id = c.organisation_id
                                  and l.session_id = c.session_id and l.hash = c.hash and l.state <> 'accepted'))
             union all
             (select {columns} from (
                  select l.session_id, l.hash from late_changes l
                  where l.session_id = t.session_id and l.organisation_id is not distinct from t.organisation_id
                    and l.state = 'accepted' and not t.is_first and l.xid >= t.since and l.xid < t.until
                  offset 0
              ) l
              cross join lateral (
                  select * from session_changes c
                  where c.session_id = l.session_id and c.hash >= l.hash and c.hash <= l.hash
                    and c.organisation_id is not distinct from t.organisation_id
                  order by c.hash limit 1
              ) c)
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
