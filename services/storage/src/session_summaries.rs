//! What lists show of sessions' documents, stored beside the changes by whoever adds them.
//!
//! A summary says what the document was after its writer's transaction, as far as that saw. It is the present one where nothing has been
//! added to the record that it does not know; that is looked for each time. So it does not matter who has forgotten to write one, or what
//! two have written at once: whoever reads then works it out from the document.

use std::collections::HashMap;

use firemode_domain::document::{DocumentSummary, SessionDocument};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::changes::{self, ReadUpTo, SessionTail};
use crate::pg_snapshot::PgSnapshot;
use crate::sql::{Statement, params};
use crate::{Executor, Lineage, StorageError, Transaction};

/// A summary to be stored.
#[derive(Debug)]
pub struct NewSummary {
    /// The tenant.
    pub organisation_id: Uuid,
    /// The session.
    pub session_id: Uuid,
    /// What the document is when this transaction commits.
    pub summary: DocumentSummary,
    /// How far the record had been read; none: up to now.
    pub read_up_to: Option<ReadUpTo>,
}

/// A stored summary.
#[derive(Debug, Clone)]
pub struct StoredSummary {
    /// What it says.
    pub summary: DocumentSummary,
    /// False where the record has something that it does not know.
    pub is_present: bool,
    /// How far the record had been read, with what its writer added.
    pub(crate) read_up_to: ReadUpTo,
}

/// The summaries of sessions, of those that have one which this release can read.
///
/// # Errors
/// The database does not answer.
pub async fn find(
    on: &impl Executor,
    organisation_id: Uuid,
    session_ids: &[Uuid],
) -> Result<HashMap<Uuid, StoredSummary>, StorageError> {
    let rows = on
        .rows(
            "select session_id, read_up_to, xid::text, summary, database_lineage() from session_summaries
             where organisation_id = $1 and session_id = any ($2) and format = $3
               and lineage = (select database_lineage_digest())",
            &[&organisation_id, &session_ids, &SessionDocument::COPY_FORMAT],
        )
        .await?;
    let mut found: HashMap<Uuid, StoredSummary> = rows.iter().filter_map(stored).collect();
    let tail = |(session_id, stored): (&Uuid, &StoredSummary)| SessionTail {
        organisation_id,
        session_id: *session_id,
        since: Some(stored.read_up_to.clone()),
    };
    let tails: Vec<SessionTail> = found.iter().map(tail).collect();
    if !tails.is_empty() {
        for session_id in changes::with_news(on, &tails).await? {
            if let Some(stored) = found.get_mut(&session_id) {
                stored.is_present = false;
            }
        }
    }
    Ok(found)
}

fn stored(row: &Row) -> Option<(Uuid, StoredSummary)> {
    let own = row.get::<_, &str>(2).parse().ok()?;
    let snapshot = PgSnapshot::parse(row.get(1))?.with_ended(own)?;
    let read_up_to = ReadUpTo { snapshot, lineage: Lineage::named(row.get(4)) };
    let summary = DocumentSummary::of_bytes(row.get(3))?;
    Some((row.get(0), StoredSummary { summary, is_present: true, read_up_to }))
}

/// The statement that keeps summaries, each in place of the one before unless that knows more. Whoever keeps several takes the rows in one
/// order. Failed items are what releases from before defects keep beside the summary that they are of.
pub(crate) fn store(summaries: &[NewSummary]) -> Statement<'_> {
    let of = |summary: &NewSummary| summary.read_up_to.as_ref().map(|up_to| up_to.snapshot.to_string());
    let changes = |new: &NewSummary| i32::try_from(new.summary.size.changes).unwrap_or(i32::MAX);
    Statement::new(
        "insert into session_summaries as s
             (session_id, organisation_id, format, lineage, read_up_to, change_count, summary)
         select n.session_id, n.organisation_id, $6::int2, (select database_lineage_digest()),
                coalesce(n.read_up_to, pg_current_snapshot()::text), n.change_count, n.summary
         from unnest($1::uuid[], $2::uuid[], $3::text[], $4::int4[], $5::bytea[])
                  as n (organisation_id, session_id, read_up_to, change_count, summary)
         order by n.session_id
         on conflict (session_id) do update
             set format = excluded.format, lineage = excluded.lineage, read_up_to = excluded.read_up_to,
                 xid = excluded.xid, change_count = excluded.change_count, summary = excluded.summary,
                 failed_items = null
             where s.organisation_id = excluded.organisation_id
               and (s.format <> excluded.format or s.lineage <> excluded.lineage
                    or s.change_count <= excluded.change_count)",
        params![
            summaries.iter().map(|new| new.organisation_id).collect::<Vec<_>>(),
            summaries.iter().map(|new| new.session_id).collect::<Vec<_>>(),
            summaries.iter().map(of).collect::<Vec<_>>(),
            summaries.iter().map(changes).collect::<Vec<_>>(),
            summaries.iter().map(|new| new.summary.to_bytes()).collect::<Vec<_>>(),
            SessionDocument::COPY_FORMAT,
        ],
    )
}

/// Keeps summaries, unless newer ones are kept.
///
/// # Errors
/// The database does not answer.
pub async fn keep(tx: &Transaction, summaries: &[NewSummary]) -> Result<(), StorageError> {
    store(summaries).rows(tx).await?;
    Ok(())
}
