//! The changes of a session's document: an append-only set.

mod insert;
mod reliance;
mod tails;
mod turns;

use firemode_domain::document::{self, ChangeHash};
use firemode_domain::session::LateDecision;
use firemode_runtime::process_id::ProcessId;
use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

pub(crate) use self::insert::insertions;
pub use self::insert::{Arrival, insert, insert_all, received_at};
pub use self::reliance::{RELIED_ON, Reliance, require};
pub(crate) use self::reliance::{find_stored, requirement};
pub use self::tails::SessionTail;
pub(crate) use self::tails::{
    apart_by_session, find_apart, find_seen, find_tails_of_others, read_tails, size, tails_by_session,
    with_news,
};
pub(crate) use self::turns::take as take_turns;
pub use self::turns::{Turn, take_turn};
use crate::pg_snapshot::PgSnapshot;
use crate::recent_sessions::Visit;
use crate::{Executor, Lineage, StorageError, Transaction, sql};

/// A change as stored.
#[derive(Debug, Clone)]
pub struct StoredChange {
    /// SHA-256 of the change, 32 bytes.
    pub hash: Vec<u8>,
    /// The change in Automerge's binary form.
    pub bytes: Vec<u8>,
    /// Who brought it.
    pub user_id: Uuid,
    /// The device that a JSON operation named.
    pub device: Option<String>,
    /// When it was accepted.
    pub received_at: OffsetDateTime,
}

/// A change to be stored.
#[derive(Debug, Clone)]
pub struct NewChange {
    /// SHA-256 of the change, 32 bytes.
    pub hash: Vec<u8>,
    /// Automerge actor.
    pub actor: Vec<u8>,
    /// The actor's number for it, from 1.
    pub seq: i64,
    /// Number of its first operation.
    pub start_op: i64,
    /// Hashes of what it depends on.
    pub deps: Vec<Vec<u8>>,
    /// The change in Automerge's binary form.
    pub bytes: Vec<u8>,
    /// The device that a JSON operation named.
    pub device: Option<String>,
    /// Ids of the operations in it that apply only once.
    pub op_ids: Vec<String>,
}

impl NewChange {
    /// The row of a change, with the ids of the operations in it that apply only once.
    pub fn of(change: &document::NewChange, op_ids: Vec<String>) -> Self {
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        Self {
            hash: change.hash.as_ref().to_vec(),
            actor: change.actor.to_bytes().to_vec(),
            seq: number(change.seq),
            start_op: number(change.start_op),
            deps: change.deps.iter().map(|hash| hash.as_ref().to_vec()).collect(),
            bytes: change.bytes.clone(),
            device: change.device.clone(),
            op_ids,
        }
    }
}

/// The hash of a change, as the database has it.
///
/// # Errors
/// It does not have 32 bytes.
pub fn change_hash(bytes: &[u8]) -> Result<ChangeHash, StorageError> {
    let damaged = |_| StorageError::Damaged("a change's hash does not have 32 bytes".to_owned());
    ChangeHash::try_from(bytes).map_err(damaged)
}

/// Where changes belong and who brings them.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    /// The tenant.
    pub organisation_id: Uuid,
    /// The session.
    pub session_id: Uuid,
    /// The user.
    pub user_id: Uuid,
    /// The process that accepts them.
    pub process_id: ProcessId,
}

impl Origin {
    /// The user's visit to the session.
    pub fn visit(&self) -> Visit {
        let Self { organisation_id, user_id, session_id, .. } = *self;
        Visit { organisation_id, user_id, session_id }
    }
}

/// How far a reader has read: which transactions had ended when it looked. Rows of any other may still come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadUpTo {
    pub(crate) snapshot: PgSnapshot,
    /// The history of the database in which those transactions are. In another one their ids say nothing.
    pub(crate) lineage: Lineage,
}

impl ReadUpTo {
    /// The columns that a statement selects for it.
    pub(crate) const COLUMNS: &str =
        "pg_current_snapshot()::text, pg_current_xact_id_if_assigned()::text, (select database_lineage())";

    /// The history of the database in which it was read.
    pub fn lineage(&self) -> Lineage {
        self.lineage
    }

    /// Reads [`Self::COLUMNS`], which begin at a place of the row.
    pub(crate) fn of(row: &Row, at: usize) -> Result<Self, StorageError> {
        let damaged = || StorageError::Damaged("the database gave no snapshot".to_owned());
        let snapshot = PgSnapshot::parse(row.get(at)).ok_or_else(damaged)?;
        let own: Option<u64> = row.get::<_, Option<&str>>(at + 1).and_then(|id| id.parse().ok());
        let snapshot = match own {
            Some(id) => snapshot.with_open(id),
            None => snapshot,
        };
        Ok(Self { snapshot, lineage: Lineage::named(row.get(at + 2)) })
    }
}

/// The constraint that refuses a second, different change under one actor and number.
pub const EQUIVOCATION: &str = "session_changes_actor_seq";

/// The constraint that refuses an operation id that was applied before.
pub const OPERATION_APPLIED: &str = "session_operations_pkey";

/// The order of arrival. Changes that came at the same moment stand behind those that they depend on, so that a reader need not
/// hold them: a change's first operation has a higher number than all that it has seen.
pub(crate) const ARRIVAL: &str = "c.received_at, c.start_op";

/// Settles all late changes of a session and returns how many there were.
///
/// # Errors
/// The database does not answer.
pub async fn decide_late(
    tx: &Transaction,
    organisation_id: Uuid,
    session_id: Uuid,
    user_id: Uuid,
    decision: LateDecision,
) -> Result<u64, StorageError> {
    tx.run(
        "update late_changes
         set state = $4, decided_by = $3, decided_at = now(), xid = pg_current_xact_id()
         where organisation_id = $1 and session_id = $2 and state = 'late'",
        &[&organisation_id, &session_id, &user_id, &decision.as_str()],
    )
    .await
}

/// How many late changes of a session wait for a decision.
///
/// # Errors
/// The database does not answer.
pub async fn count_late(
    on: &impl Executor,
    organisation_id: Uuid,
    session_id: Uuid,
) -> Result<i64, StorageError> {
    let row = sql::one(
        on,
        "select count(*) from late_changes where organisation_id = $1 and session_id = $2 and state = 'late'",
        &[&organisation_id, &session_id],
    )
    .await?;
    Ok(row.get(0))
}

/// Reads the changes that belong to a session's document: all of them, or those that a reader who has read up to some point
/// may not have seen (and some that it has). Nothing that was committed before this call is missed.
///
/// # Errors
/// The database does not answer.
pub async fn read(
    on: &impl Executor,
    organisation_id: Uuid,
    session_id: Uuid,
    since: Option<&ReadUpTo>,
) -> Result<(Vec<StoredChange>, ReadUpTo), StorageError> {
    // Taken before the rows: what commits in between is read again next time, and nothing is missed.
    let up_to = read_up_to(on).await?;
    let tail = SessionTail { organisation_id, session_id, since: since.cloned() };
    let mut rows = read_tails(on, &[tail]).await?;
    Ok((rows.remove(&session_id).unwrap_or_default(), up_to))
}

/// How far somebody has read who reads after this.
///
/// # Errors
/// The database does not answer.
pub(crate) async fn read_up_to(on: &impl Executor) -> Result<ReadUpTo, StorageError> {
    let row = sql::one(on, &format!("select {}", ReadUpTo::COLUMNS), &[]).await?;
    ReadUpTo::of(&row, 0)
}

/// Reads the changes of a session with those that came late and wait for a decision: what further late work builds on. Otherwise as
/// [`read`].
///
/// # Errors
/// The database does not answer.
pub async fn read_with_late(
    on: &impl Executor,
    organisation_id: Uuid,
    session_id: Uuid,
    since: Option<&ReadUpTo>,
) -> Result<(Vec<StoredChange>, ReadUpTo), StorageError> {
    let up_to = read_up_to(on).await?;
    let tail = SessionTail { organisation_id, session_id, since: since.cloned() };
    let rows = tails::find_with_late(&[tail]).rows(on).await?;
    Ok((rows.iter().map(stored).collect(), up_to))
}

/// The late changes of a session that were rejected.
///
/// # Errors
/// The database does not answer, or a hash is damaged.
pub(crate) async fn rejected(
    on: &impl Executor,
    organisation_id: Uuid,
    session_id: Uuid,
) -> Result<Vec<ChangeHash>, StorageError> {
    let sql =
        "select hash from late_changes where organisation_id = $1 and session_id = $2 and state = 'rejected'";
    let rows = on.rows(sql, &[&organisation_id, &session_id]).await?;
    rows.iter().map(|row| change_hash(row.get(0))).collect()
}

/// Which operations of a user, named by device and id, stand with changes that are stored as late and not accepted.
///
/// # Errors
/// The database does not answer.
pub async fn operations_apart(
    on: &impl Executor,
    organisation_id: Uuid,
    session_id: Uuid,
    user_id: Uuid,
    operations: &[(&str, &str)],
) -> Result<Vec<(String, String)>, StorageError> {
    let (devices, op_ids): (Vec<&str>, Vec<&str>) = operations.iter().copied().unzip();
    let rows = on
        .rows(
            "select o.device, o.op_id from session_operations o
             join unnest($4::text[], $5::text[]) as wanted (device, op_id) using (device, op_id)
             join late_changes l using (organisation_id, session_id, hash)
             where o.organisation_id = $1 and o.session_id = $2 and o.user_id = $3 and l.state <> 'accepted'",
            &[&organisation_id, &session_id, &user_id, &devices, &op_ids],
        )
        .await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

pub(crate) fn stored(row: &Row) -> StoredChange {
    StoredChange {
        hash: row.get(0),
        bytes: row.get(1),
        user_id: row.get(2),
        device: row.get(3),
        received_at: row.get(4),
    }
}
