//! What devices and people wrote: the changes of sessions' documents.

use firemode_domain::document::ChangeHash;
use firemode_domain::session::LateState;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Fed, Rest, Source, Walk};
use crate::row::Column;
use crate::{Executor, StorageError};

/// A stored change, and what became of it where it was late.
#[derive(Debug, Clone)]
pub struct FedChange {
    /// The session.
    pub session_id: Uuid,
    /// SHA-256 of the change, 32 bytes.
    pub hash: Vec<u8>,
    /// The change in Automerge's binary form.
    pub bytes: Vec<u8>,
    /// Automerge actor.
    pub actor: Vec<u8>,
    /// The actor's number for it.
    pub seq: i64,
    /// Who brought it.
    pub user_id: Uuid,
    /// The device that a JSON operation named.
    pub device: Option<String>,
    /// When it was accepted.
    pub received_at: OffsetDateTime,
    /// What became of it, where it came after the completion.
    pub late: Option<LateState>,
}

/// The bytes of changes on a page.
const CHANGES_BYTES_MAX: i64 = 4 << 20;

/// What became of a change of the page.
const LATE: &str = "(select l.state from late_changes l where l.organisation_id = page.organisation_id
                       and l.session_id = page.session_id and l.hash = page.hash) as late";

/// Those that came before a pass, and were decided on within it: they are told again.
const DECIDED: &str = "(select c.organisation_id, c.session_id, c.hash, c.bytes, c.actor, c.seq, c.user_id, c.device, c.received_at,
                               c.xid as change_xid, l.xid as decided_xid
                        from late_changes l cross join lateral (
                            select * from session_changes c where c.session_id = l.session_id and c.hash = l.hash
                              and c.organisation_id is not distinct from l.organisation_id offset 0
                        ) c
                        where l.state <> 'late') decided";

/// What another source has not told.
const TOLD_BEFORE: &str =
    "(pg_visible_in_snapshot(change_xid, {seen}) or not pg_visible_in_snapshot(change_xid, {until}))";

impl Fed for FedChange {
    fn sources(is_whole: bool) -> Vec<Source> {
        let columns = |xid: &str| {
            format!("session_id, hash, bytes, actor, seq, user_id, device, received_at, {LATE}, {xid}")
        };
        let recorded = Source {
            columns: columns("xid"),
            from: "session_changes".to_owned(),
            xid: Some("xid"),
            at: "received_at",
            id: "session_id",
            rest: Some(Rest::Hash("hash")),
            bounded: Some(("bytes", CHANGES_BYTES_MAX)),
            ..Source::default()
        };
        let decided = Source {
            columns: columns("decided_xid"),
            from: DECIDED.to_owned(),
            xid: Some("decided_xid"),
            condition: Some(TOLD_BEFORE),
            ..recorded.clone()
        };
        [recorded].into_iter().chain((!is_whole).then_some(decided)).collect()
    }

    fn read(row: &tokio_postgres::Row) -> Result<Self, StorageError> {
        Ok(Self {
            session_id: row.get("session_id"),
            hash: row.get("hash"),
            bytes: row.get("bytes"),
            actor: row.get("actor"),
            seq: row.get("seq"),
            user_id: row.get("user_id"),
            device: row.get("device"),
            received_at: row.get("received_at"),
            late: Column::read(row, "late")?,
        })
    }
}

impl Walk {
    /// Those of a session's changes that came before the pass: they waited for something that it has told, and are told again.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn told_before(
        &self,
        on: &impl Executor,
        session_id: Uuid,
        hashes: &[ChangeHash],
    ) -> Result<Vec<FedChange>, StorageError> {
        let Some(seen) = &self.seen else { return Ok(Vec::new()) };
        let hashes: Vec<&[u8]> = hashes.iter().map(AsRef::as_ref).collect();
        let told_before = TOLD_BEFORE.replace("change_xid", "xid");
        let told_before = told_before.replace("{seen}", "$4::text::pg_snapshot");
        let told_before = told_before.replace("{until}", "$5::text::pg_snapshot");
        let sql = format!(
            "select session_id, hash, bytes, actor, seq, user_id, device, received_at, {LATE}
             from unnest($3::bytea[]) as wanted (wanted_hash)
             cross join lateral (
                 select * from session_changes c where c.session_id = $2 and c.hash = wanted_hash
                   and c.organisation_id is not distinct from $1 offset 0
             ) page
             where {told_before}"
        );
        let rows =
            on.rows(&sql, &[&self.organisation_id, &session_id, &hashes, seen, &self.until.snapshot]).await?;
        rows.iter().map(FedChange::read).collect()
    }
}
