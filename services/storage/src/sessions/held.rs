//! Many sessions, held against a change of their status while results for them are stored.

use firemode_domain::session::SessionStatus;
use time::OffsetDateTime;
use uuid::Uuid;

use super::status;
use crate::changes::ReadUpTo;
use crate::{Executor, StorageError, Transaction};

/// Sessions that are held until the transaction ends.
#[derive(Debug)]
pub struct Held {
    /// Those that exist.
    pub sessions: Vec<HeldSession>,
    /// When the transaction began: what it stores is received then.
    pub at: OffsetDateTime,
    /// Whoever reads all that they have after this has read up to here.
    pub read_up_to: ReadUpTo,
}

/// A session that is held.
#[derive(Debug, Clone, Copy)]
pub struct HeldSession {
    /// The tenant.
    pub organisation_id: Uuid,
    /// The session.
    pub id: Uuid,
    /// Where it is in its life, and stays until the transaction ends.
    pub status: SessionStatus,
}

impl HeldSession {
    /// Organisation and session.
    pub fn key(&self) -> (Uuid, Uuid) {
        (self.organisation_id, self.id)
    }
}

/// Does any of these sessions, each with its organisation, wait for its first result?
///
/// # Errors
/// The database does not answer.
pub async fn are_any_pending(on: &impl Executor, sessions: &[(Uuid, Uuid)]) -> Result<bool, StorageError> {
    let (organisations, ids) = columns(sessions);
    let rows = on
        .rows(
            "select from test_sessions
             where organisation_id = any ($1) and id = any ($2) and status = 'pending' limit 1",
            &[&organisations, &ids],
        )
        .await?;
    Ok(!rows.is_empty())
}

/// Holds these sessions, each with its organisation, against a change of their status: any number of writers of results may
/// hold one so together, and all of them take their rows in one order. To make one of them active it has to be held alone
/// from the start, because two transactions that hold it together cannot both go on to change it.
///
/// # Errors
/// The database does not answer.
pub async fn hold_all(
    tx: &Transaction,
    sessions: &[(Uuid, Uuid)],
    is_alone: bool,
) -> Result<Option<Held>, StorageError> {
    let (organisations, ids) = columns(sessions);
    let hold = if is_alone { "for no key update" } else { "for share" };
    let sql = format!(
        "select s.organisation_id, s.id, s.status, now(), pg_snapshot_xmin(pg_current_snapshot())::text
         from test_sessions s
         where s.id = any ($2) and (s.organisation_id, s.id) in (select * from unnest($1::uuid[], $2::uuid[]))
         order by s.id {hold} of s"
    );
    let rows = tx.rows(&sql, &[&organisations, &ids]).await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let held = |row: &tokio_postgres::Row| {
        let status = status(row.get(2))?;
        Ok(HeldSession { organisation_id: row.get(0), id: row.get(1), status })
    };
    Ok(Some(Held {
        at: first.get(3),
        read_up_to: ReadUpTo(first.get(4)),
        sessions: rows.iter().map(held).collect::<Result<_, StorageError>>()?,
    }))
}

/// Makes pending sessions active, each given with its organisation; results do that.
///
/// # Errors
/// The database does not answer.
pub async fn activate_all(tx: &Transaction, sessions: &[(Uuid, Uuid)]) -> Result<(), StorageError> {
    if sessions.is_empty() {
        return Ok(());
    }
    let (organisations, ids) = columns(sessions);
    tx.run(
        "update test_sessions set status = 'active', updated_at = now()
         where (organisation_id, id) in (select * from unnest($1::uuid[], $2::uuid[])) and status = 'pending'",
        &[&organisations, &ids],
    )
    .await?;
    Ok(())
}

fn columns(sessions: &[(Uuid, Uuid)]) -> (Vec<Uuid>, Vec<Uuid>) {
    sessions.iter().copied().unzip()
}
