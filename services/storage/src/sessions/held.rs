//! Many sessions, held against a change of their status while results for them are stored.

use std::collections::HashMap;

use firemode_domain::session::SessionStatus;
use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::StorageError;
use crate::changes::ReadUpTo;
use crate::row::Column;
use crate::sql::{Statement, params};
use crate::table::Hold;

/// Sessions that are held until the transaction ends.
#[derive(Debug)]
pub struct Held {
    /// Those that exist, by organisation and session.
    pub sessions: HashMap<(Uuid, Uuid), HeldSession>,
    /// When the transaction began: what it stores is received then.
    pub at: OffsetDateTime,
    /// A reader of all that they have after this has read up to here.
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

impl Held {
    /// Does one of them wait for its first result?
    pub fn is_any_pending(&self) -> bool {
        self.sessions.values().any(|session| session.status == SessionStatus::Pending)
    }
}

impl HeldSession {
    /// Organisation and session.
    pub fn key(&self) -> (Uuid, Uuid) {
        (self.organisation_id, self.id)
    }
}

/// Holds these sessions, each with its organisation, against a change of their status. The rows are taken in one order.
pub(crate) fn hold_all(sessions: &[(Uuid, Uuid)], hold: Hold) -> Statement<'static> {
    let (organisations, ids) = columns(sessions);
    let sql = format!(
        "select s.organisation_id, s.id, s.status, now(), {}
         from test_sessions s
         where s.id = any ($2) and (s.organisation_id, s.id) in (select * from unnest($1::uuid[], $2::uuid[]))
         order by s.id {}",
        ReadUpTo::COLUMNS,
        hold.as_sql()
    );
    Statement::new(sql, params![organisations, ids])
}

/// What [`hold_all`] says; nothing where none of the sessions exists.
pub(crate) fn held(rows: &[Row]) -> Result<Option<Held>, StorageError> {
    let Some(first) = rows.first() else { return Ok(None) };
    let held = |row: &Row| {
        let status = Column::read(row, "status")?;
        let session = HeldSession { organisation_id: row.get(0), id: row.get(1), status };
        Ok((session.key(), session))
    };
    Ok(Some(Held {
        at: first.get(3),
        read_up_to: ReadUpTo::of(first, 4)?,
        sessions: rows.iter().map(held).collect::<Result<_, StorageError>>()?,
    }))
}

/// Makes pending sessions active, each given with its organisation; results do that.
pub(crate) fn activate_all(sessions: &[(Uuid, Uuid)]) -> Statement<'static> {
    let (organisations, ids) = columns(sessions);
    Statement::new(
        "update test_sessions set status = 'active', updated_at = now()
         where id = any ($2) and (organisation_id, id) in (select * from unnest($1::uuid[], $2::uuid[])) and status = 'pending'",
        params![organisations, ids],
    )
}

fn columns(sessions: &[(Uuid, Uuid)]) -> (Vec<Uuid>, Vec<Uuid>) {
    sessions.iter().copied().unzip()
}
