//! Who changed what of a session's document, and when.

use std::collections::HashMap;

use firemode_domain::document::DocumentSize;
use firemode_domain::session::LateState;
use time::OffsetDateTime;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::changes::{ARRIVAL, StoredChange, change_hash, stored};
use crate::page::{Keyset, Page, is_in_sight};
use crate::row::Column;
use crate::{Executor, StorageError};

/// A change in a session's history.
#[derive(Debug, Clone)]
pub struct HistoryEntry {
    /// The change.
    pub change: StoredChange,
    /// Automerge actor.
    pub actor: Vec<u8>,
    /// The actor's number for it.
    pub seq: i64,
    /// What became of it, where it came after the completion.
    pub late_state: Option<LateState>,
    /// Its place among changes of the same moment: the first half of its hash.
    place: Uuid,
}

/// One page of a session's history, late work included, newest first.
///
/// # Errors
/// The database does not answer.
pub async fn list(
    on: &impl Executor,
    organisation_id: Uuid,
    session_id: Uuid,
    keyset: &Keyset,
) -> Result<Page<HistoryEntry>, StorageError> {
    let in_sight = is_in_sight("xid", "received_at", "$3", "$4");
    // The key has the first half of a hash, which comes before the hash itself in the order of bytes, and behind every smaller one.
    let after = keyset.after.map(|(at, place)| (at, place.as_bytes().to_vec()));
    let behind = after.as_ref().map_or("", |_| "and (received_at, hash) < ($6, $7)");
    // The changes are read once, and `offset 0` keeps late work a look into its index for each row of the page. A join by hashes
    // compared each with each where the tables had no statistics yet: after many changes within a minute. The organisation is
    // compared as no index can, for the same reason as in [`crate::changes::read_tails`].
    let sql = format!(
        "with page as (
             select hash, bytes, user_id, device, received_at, actor, seq from session_changes
             where organisation_id is not distinct from $1 and session_id = $2 and {in_sight} {behind}
             order by received_at desc, hash desc limit $5
         )
         select p.hash, p.bytes, p.user_id, p.device, p.received_at, p.actor, p.seq, l.state
         from page p left join lateral (
             select state from late_changes
             where session_id = $2 and hash = p.hash and organisation_id is not distinct from $1
             offset 0
         ) l on true
         order by p.received_at desc, p.hash desc"
    );
    let (snapshot, began_at) = (&keyset.visible_up_to.snapshot, &keyset.visible_up_to.began_at);
    let limit = keyset.limit + 1;
    let mut params: Vec<&(dyn ToSql + Sync)> =
        vec![&organisation_id, &session_id, snapshot, began_at, &limit];
    if let Some((at, place)) = &after {
        params.extend([at as &(dyn ToSql + Sync), place]);
    }
    let rows = on.rows(&sql, &params).await?;
    let entries = rows.iter().map(entry).collect::<Result<_, _>>()?;
    Ok(Page::cut(entries, keyset, |entry: &HistoryEntry| (entry.change.received_at, entry.place)))
}

fn entry(row: &Row) -> Result<HistoryEntry, StorageError> {
    let change = stored(row);
    let mut place = [0; 16];
    place.copy_from_slice(&change_hash(&change.hash)?.0[..16]);
    Ok(HistoryEntry {
        place: Uuid::from_bytes(place),
        change,
        actor: row.get(5),
        seq: row.get(6),
        late_state: Column::read(row, "state")?,
    })
}

/// A change's place in the history, without the change.
#[derive(Debug, Clone)]
pub struct PlacedChange {
    /// SHA-256 of the change, 32 bytes.
    pub hash: Vec<u8>,
    /// How many bytes it has.
    pub bytes: usize,
    /// Who brought it.
    pub user_id: Uuid,
    /// The device that a JSON operation named.
    pub device: Option<String>,
    /// When it was accepted.
    pub received_at: OffsetDateTime,
    /// Automerge actor.
    pub actor: Vec<u8>,
    /// The actor's number for it.
    pub seq: i64,
    /// Hashes of what it depends on.
    pub deps: Vec<Vec<u8>>,
}

impl PlacedChange {
    /// What it takes in a document.
    pub fn size(&self) -> DocumentSize {
        DocumentSize::of_changes(1, self.bytes, usize::from(self.seq == 1))
    }
}

/// The places of all changes of a session that are on record.
///
/// # Errors
/// The database does not answer.
pub async fn placed(
    on: &impl Executor,
    organisation_id: Uuid,
    session_id: Uuid,
) -> Result<Vec<PlacedChange>, StorageError> {
    let rows = on
        .rows(
            &format!(
                "select c.hash, octet_length(c.bytes), c.user_id, c.device, c.received_at, c.actor, c.seq, c.deps
                 from session_changes c
                 where c.organisation_id = $1 and c.session_id = $2
                   and not exists (select from late_changes l where l.organisation_id = c.organisation_id
                                     and l.session_id = c.session_id and l.hash = c.hash and l.state <> 'accepted')
                 order by {ARRIVAL}"
            ),
            &[&organisation_id, &session_id],
        )
        .await?;
    let placed = |row: &Row| PlacedChange {
        hash: row.get(0),
        bytes: usize::try_from(row.get::<_, i32>(1)).unwrap_or(0),
        user_id: row.get(2),
        device: row.get(3),
        received_at: row.get(4),
        actor: row.get(5),
        seq: row.get(6),
        deps: row.get(7),
    };
    Ok(rows.iter().map(placed).collect())
}

/// The bytes of changes, by hash.
///
/// # Errors
/// The database does not answer.
pub async fn bytes_of(
    on: &impl Executor,
    organisation_id: Uuid,
    session_id: Uuid,
    hashes: &[&[u8]],
) -> Result<HashMap<Vec<u8>, Vec<u8>>, StorageError> {
    let rows = on
        .rows(
            "select c.hash, c.bytes from unnest($3::bytea[]) as w (hash)
             cross join lateral (
                 select hash, bytes from session_changes c
                 where c.session_id = $2 and c.hash >= w.hash and c.hash <= w.hash
                   and c.organisation_id is not distinct from $1
                 order by c.hash limit 1
             ) c",
            &[&organisation_id, &session_id, &hashes],
        )
        .await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// A writer of a session's changes, and the last of them.
#[derive(Debug, Clone)]
pub struct Writer {
    /// Automerge actor.
    pub actor: Vec<u8>,
    /// The device that JSON operations named; none where the device makes its own changes.
    pub device: Option<String>,
    /// Who brought the last change.
    pub user_id: Uuid,
    /// The last number.
    pub seq: i64,
    /// When the last change came.
    pub received_at: OffsetDateTime,
}

/// The writers of a session whose changes came last, late ones included, and how many there are in all.
///
/// # Errors
/// The database does not answer.
pub async fn writers(
    on: &impl Executor,
    organisation_id: Uuid,
    session_id: Uuid,
    limit: i64,
) -> Result<(Vec<Writer>, i64), StorageError> {
    let rows = on
        .rows(
            // From actor to actor: one look into the index for each, however much it has written.
            "with recursive last as (
                 (select actor, device, user_id, seq, received_at from session_changes
                  where session_id = $2 and organisation_id is not distinct from $1 order by actor desc, seq desc limit 1)
                 union all
                 select next.* from last cross join lateral (
                     select c.actor, c.device, c.user_id, c.seq, c.received_at from session_changes c
                     where c.session_id = $2 and c.actor < last.actor and c.organisation_id is not distinct from $1
                     order by c.actor desc, c.seq desc limit 1
                 ) next
             )
             select actor, device, user_id, seq, received_at, count(*) over () from last
             order by received_at desc, actor limit $3",
            &[&organisation_id, &session_id, &limit],
        )
        .await?;
    let total = rows.first().map_or(0, |row| row.get(5));
    let writer = |row: &Row| Writer {
        actor: row.get(0),
        device: row.get(1),
        user_id: row.get(2),
        seq: row.get(3),
        received_at: row.get(4),
    };
    Ok((rows.iter().map(writer).collect(), total))
}

/// A change that came after a session's completion.
#[derive(Debug, Clone)]
pub struct LateChange {
    /// SHA-256 of the change, 32 bytes.
    pub hash: Vec<u8>,
    /// Who brought it.
    pub user_id: Uuid,
    /// The device that a JSON operation named.
    pub device: Option<String>,
    /// When it came.
    pub received_at: OffsetDateTime,
    /// What became of it.
    pub state: LateState,
    /// Who decided on it, and when.
    pub decided: Option<(Uuid, OffsetDateTime)>,
}

/// The changes of a session that came late, the last first, and how many there are in all.
///
/// # Errors
/// The database does not answer.
pub async fn late(
    on: &impl Executor,
    organisation_id: Uuid,
    session_id: Uuid,
    limit: i64,
) -> Result<(Vec<LateChange>, i64), StorageError> {
    let rows = on
        .rows(
            "select c.hash, c.user_id, c.device, c.received_at, l.state, l.decided_by, l.decided_at, count(*) over ()
             from late_changes l join session_changes c using (organisation_id, session_id, hash)
             where l.organisation_id = $1 and l.session_id = $2 order by c.received_at desc, c.hash limit $3",
            &[&organisation_id, &session_id, &limit],
        )
        .await?;
    let total = rows.first().map_or(0, |row| row.get(7));
    let late = |row: &Row| {
        Ok(LateChange {
            hash: row.get(0),
            user_id: row.get(1),
            device: row.get(2),
            received_at: row.get(3),
            state: Column::read(row, "state")?,
            decided: row.get::<_, Option<Uuid>>(5).zip(row.get(6)),
        })
    };
    Ok((rows.iter().map(late).collect::<Result<_, StorageError>>()?, total))
}
