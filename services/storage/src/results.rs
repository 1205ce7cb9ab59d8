//! A batch of results and the database: one round trip for the right to act, one for what the batch has to know, and one for all that
//! it leaves.

use std::collections::{BTreeSet, HashMap, HashSet};

use firemode_domain::audit::AuditEvent;
use firemode_runtime::process_id::ProcessId;
use uuid::Uuid;

use crate::changes::{self, Arrival, Reliance, SessionTail, StoredChange, Turn};
use crate::idempotency::{self, IdempotencyScope, KeyClaim, StoredAnswer};
use crate::recent_sessions::{self, Visit};
use crate::revocations::{self, TokenInUse};
use crate::session_summaries::{self, NewSummary};
use crate::sessions::{self, Held};
use crate::{Hold, StorageError, Transaction, audit};

/// What a batch learns of its sessions.
#[derive(Debug)]
pub struct BatchReads {
    /// Those that exist.
    pub held: Held,
    /// Changes on record that may not have been read yet, by session.
    pub unseen: HashMap<Uuid, Vec<StoredChange>>,
    /// Hashes of changes that are stored and not on record, by session.
    pub apart: HashMap<Uuid, Vec<Vec<u8>>>,
}

/// What a batch leaves.
#[derive(Debug)]
pub struct BatchWrites<'a> {
    /// Pending sessions that are active from now on, each with its organisation.
    pub activated: &'a [(Uuid, Uuid)],
    /// The changes; those that are there already stay as they are.
    pub arrivals: Vec<Arrival>,
    /// What the documents of the sessions that were added to are then.
    pub summaries: &'a [NewSummary],
    /// Changes that the answers take for stored, and that the batch does not bring.
    pub relied_on: &'a [Reliance<'a>],
    /// Users and the sessions that they wrote to, as far as that has to be noted.
    pub visits: &'a [Visit],
    /// What goes on record.
    pub events: &'a [AuditEvent],
    /// The answers, each with its key.
    pub answers: &'a [(&'a IdempotencyScope, StoredAnswer)],
    /// How long the answers are kept, in days.
    pub answer_days: u32,
}

/// Claims keys until the transaction ends, each of them once, and asks which of these access tokens still count.
///
/// # Errors
/// The database does not answer.
pub async fn claim(
    tx: &Transaction,
    scopes: &[&IdempotencyScope],
    tokens: HashSet<TokenInUse>,
) -> Result<(Vec<KeyClaim>, HashSet<TokenInUse>), StorageError> {
    let tokens: Vec<TokenInUse> = tokens.into_iter().collect();
    let statements = [idempotency::lock(scopes), idempotency::find(scopes), revocations::find_valid(&tokens)];
    let [locked, found, valid] = tx.pipeline(statements).await?;
    Ok((idempotency::claims(scopes.len(), &locked, &found), revocations::valid(&tokens, &valid)))
}

/// Waits for the turns to write for devices, and holds these sessions, each with its organisation, until the transaction ends. Then it
/// reads what belongs to them and has not been read by these tails or the process that wrote it, so that nothing is missed. Nothing
/// where none of the sessions exists.
///
/// # Errors
/// The database does not answer.
pub async fn hold(
    tx: &Transaction,
    (sessions, hold): (&[(Uuid, Uuid)], Hold),
    turns: &BTreeSet<Turn>,
    tails: &[SessionTail],
    process_id: ProcessId,
) -> Result<Option<BatchReads>, StorageError> {
    let statements = [
        changes::take_turns(turns),
        sessions::hold_all(sessions, hold),
        changes::find_tails_of_others(tails, process_id.as_uuid()),
        changes::find_apart(sessions),
    ];
    let [_, held, unseen, apart] = tx.pipeline(statements).await?;
    let findings = |held| BatchReads {
        held,
        unseen: changes::tails_by_session(&unseen),
        apart: changes::apart_by_session(&apart),
    };
    Ok(sessions::held(&held)?.map(findings))
}

/// Stores what a batch leaves and commits.
///
/// # Errors
/// [`RELIED_ON`](changes::RELIED_ON), [`EQUIVOCATION`](changes::EQUIVOCATION) or
/// [`OPERATION_APPLIED`](changes::OPERATION_APPLIED) as constraint, and nothing is stored; or the database does not answer, and nobody
/// knows whether it is. In any case the transaction has ended.
pub async fn commit(tx: Transaction, mut left: BatchWrites<'_>) -> Result<(), StorageError> {
    let mut statements = Vec::new();
    statements.extend(changes::requirement(left.relied_on));
    if !left.activated.is_empty() {
        statements.push(sessions::activate_all(left.activated));
    }
    statements.extend(changes::insertions(&mut left.arrivals));
    if !left.summaries.is_empty() {
        statements.push(session_summaries::store(left.summaries));
    }
    if !left.visits.is_empty() {
        statements.push(recent_sessions::notes(left.visits));
    }
    if !left.events.is_empty() {
        statements.push(audit::insert(left.events, "")?);
    }
    statements.push(idempotency::insert(left.answers, left.answer_days));
    tx.commit_with(statements).await?;
    Ok(())
}
