//! The changes on record of several sessions at once, each from where its reader left off.

use std::collections::HashMap;

use uuid::Uuid;

use crate::changes::{ReadUpTo, StoredChange, stored};
use crate::{Executor, StorageError};

/// A session, and how far its document has been read.
pub(crate) type Tail = (Uuid, Option<ReadUpTo>);

/// The changes that belong to the documents and that their readers may not have seen, each with its session.
///
/// # Errors
/// The database does not answer.
pub(crate) async fn read(
    on: &impl Executor,
    organisation_id: Uuid,
    tails: &[Tail],
) -> Result<Vec<(Uuid, StoredChange)>, StorageError> {
    let (ids, since) = columns(tails);
    let sql = unseen("c.hash, c.bytes, c.user_id, c.device, c.received_at, c.session_id");
    let rows = on.rows(&format!("{sql} order by received_at"), &[&organisation_id, &ids, &since]).await?;
    Ok(rows.iter().map(|row| (row.get(5), stored(row))).collect())
}

/// How many bytes [`read`] would give for each session.
///
/// # Errors
/// The database does not answer.
pub(crate) async fn sizes(
    on: &impl Executor,
    organisation_id: Uuid,
    tails: &[Tail],
) -> Result<HashMap<Uuid, i64>, StorageError> {
    let (ids, since) = columns(tails);
    let sql = unseen("c.session_id, octet_length(c.bytes) as bytes");
    let sql = format!("select session_id, sum(bytes)::int8 from ({sql}) as unseen group by session_id");
    let rows = on.rows(&sql, &[&organisation_id, &ids, &since]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

fn columns(tails: &[Tail]) -> (Vec<Uuid>, Vec<Option<&str>>) {
    tails.iter().map(|(id, since)| (*id, since.as_ref().map(|ReadUpTo(since)| since.as_str()))).unzip()
}

/// A first reader takes every row. For the others a row counts as unseen from the transaction on where they left off; rows of
/// a plain dump carry the ids of another cluster, and an id that this one has not given out yet is no news.
fn unseen(columns: &str) -> String {
    format!(
        "with tails as (
             select t.id, t.since is null as is_first, coalesce(t.since, '0')::xid8 as since,
                    case when t.since is null then '18446744073709551615'::xid8
                         else pg_snapshot_xmax(pg_current_snapshot()) end as until
             from unnest($2::uuid[], $3::text[]) as t (id, since)
         )
         select {columns} from tails t join session_changes c on c.session_id = t.id
         where c.organisation_id = $1 and c.xid >= t.since and c.xid < t.until
           and not exists (select from late_changes l where l.organisation_id = c.organisation_id
                             and l.session_id = c.session_id and l.hash = c.hash and l.state <> 'accepted')
         union all
         select {columns} from tails t
         join late_changes l on l.session_id = t.id and l.organisation_id = $1 and l.state = 'accepted'
                            and not t.is_first and l.xid >= t.since and l.xid < t.until
         join session_changes c on c.organisation_id = l.organisation_id and c.session_id = l.session_id
                                and c.hash = l.hash
         where c.organisation_id = $1"
    )
}
