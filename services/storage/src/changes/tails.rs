//! What other processes have added to many sessions, in one statement.

use std::collections::HashMap;

use uuid::Uuid;

use super::{ReadUpTo, StoredChange, stored};
use crate::{Executor, StorageError};

/// A session whose document is in memory, and how far it was read.
#[derive(Debug, Clone)]
pub struct SessionTail {
    /// The tenant.
    pub organisation_id: Uuid,
    /// The session.
    pub session_id: Uuid,
    /// How far it was read.
    pub since: ReadUpTo,
}

/// Reads what belongs to the documents of these sessions, was not written by this process and may not have been read yet, by
/// session. A process knows what it wrote itself: what it does not know of that was not committed.
///
/// # Errors
/// The database does not answer.
pub async fn read_tails(
    on: &impl Executor,
    tails: &[SessionTail],
    instance_id: Uuid,
) -> Result<HashMap<Uuid, Vec<StoredChange>>, StorageError> {
    let organisations: Vec<Uuid> = tails.iter().map(|tail| tail.organisation_id).collect();
    let sessions: Vec<Uuid> = tails.iter().map(|tail| tail.session_id).collect();
    let since: Vec<&str> = tails.iter().map(|tail| tail.since.0.as_str()).collect();
    // `offset 0` keeps each session's part an index scan of its own, whatever the planner thinks of the tables' sizes.
    let rows = on
        .rows(
            "select t.hash, t.bytes, t.user_id, t.device, t.received_at, w.session_id
             from unnest($1::uuid[], $2::uuid[], $3::text[]) as w (organisation_id, session_id, since)
             cross join lateral (
                 (select c.hash, c.bytes, c.user_id, c.device, c.received_at from session_changes c
                  where c.session_id = w.session_id and c.xid >= w.since::xid8
                    and c.organisation_id = w.organisation_id and c.instance_id <> $4
                    and not exists (select from late_changes l where l.session_id = c.session_id and l.hash = c.hash
                                      and l.state <> 'accepted')
                  offset 0)
                 union all
                 (select c.hash, c.bytes, c.user_id, c.device, c.received_at from late_changes l
                  join session_changes c on c.session_id = l.session_id and c.hash = l.hash
                  where l.session_id = w.session_id and l.organisation_id = w.organisation_id
                    and l.state = 'accepted' and l.xid >= w.since::xid8
                  offset 0)
             ) t",
            &[&organisations, &sessions, &since, &instance_id],
        )
        .await?;
    let mut by_session: HashMap<Uuid, Vec<StoredChange>> = HashMap::new();
    for row in &rows {
        by_session.entry(row.get(5)).or_default().push(stored(row));
    }
    Ok(by_session)
}

/// The hashes of changes that are stored as late and not accepted, so that they are not on record, by session.
///
/// # Errors
/// The database does not answer.
pub async fn apart(
    on: &impl Executor,
    sessions: &[(Uuid, Uuid)],
) -> Result<HashMap<Uuid, Vec<Vec<u8>>>, StorageError> {
    let (organisations, sessions): (Vec<Uuid>, Vec<Uuid>) = sessions.iter().copied().unzip();
    let rows = on
        .rows(
            "select l.session_id, l.hash from unnest($1::uuid[], $2::uuid[]) as w (organisation_id, session_id)
             cross join lateral (
                 select l.session_id, l.hash from late_changes l
                 where l.session_id = w.session_id and l.organisation_id = w.organisation_id and l.state <> 'accepted'
                 offset 0
             ) l",
            &[&organisations, &sessions],
        )
        .await?;
    let mut by_session: HashMap<Uuid, Vec<Vec<u8>>> = HashMap::new();
    for row in &rows {
        by_session.entry(row.get(0)).or_default().push(row.get(1));
    }
    Ok(by_session)
}
