//! What sessions say of their items: observations of items that fail and items that pass, from which defects follow, and what each item
//! stands at, of which reports are made.
//!
//! Nothing is written with results. A worker comes behind them, works a session out as a whole, and writes what differs from what is stored
//! with the defects that follow, in one transaction. Nothing depends on what it had seen before: however often and in whatever parts that
//! is done, the same changes give the same rows.

mod days;
mod item;
mod judge;
mod rebuild;
mod review;
mod write;

use std::collections::{BTreeSet, HashMap};

use firemode_domain::document::{ChangeHash, LateChange, SeenItem, Timeliness};
use firemode_domain::session::LateState;
use time::OffsetDateTime;
use uuid::Uuid;

pub use self::rebuild::{Rebuilt, rebuild};
use self::review::Review;
pub use self::write::{Failing, failing, note_failure};
use crate::changes::{self, ReadUpTo, StoredChange, change_hash};
use crate::defects::{lock_subjects, refold_all};
use crate::documents::{WarmDocument, refuse_too_large};
use crate::following::Following;
use crate::{Executor as _, Lineage, StorageError, Transaction, sql};

/// Observations come behind results and behind decisions on late work.
pub const FOLLOWING: Following = Following {
    place: "projection_place",
    done: "(select session_id, lineage from session_reviews where states_read_up_to = read_up_to)",
    with_late: true,
    left_behind: Some(LEFT_BEHIND),
};

/// Sessions that an earlier release has worked out, without what items stand at; but for those that cannot be worked out.
const LEFT_BEHIND: &str =
    "select from session_reviews r where r.states_read_up_to is distinct from r.read_up_to
    and not exists (select from projection_failures f where f.session_id = r.session_id)";

/// What is folded again when sessions are worked out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The things of which a fact differs from what was stored.
    Changed,
    /// All things that the sessions have facts about.
    All,
}

/// A session, worked out.
struct WorkedOut {
    session_id: Uuid,
    building_id: Uuid,
    read_up_to: ReadUpTo,
    items: Vec<item::Facts>,
    review: Review,
}

impl WorkedOut {
    fn subjects(&self) -> impl Iterator<Item = Uuid> {
        self.items.iter().flat_map(|item| item.subjects(self.building_id))
    }
}

/// Works these sessions of one organisation out, writes what differs with the defects that follow, and commits. Gives how many rows
/// differed.
///
/// # Errors
/// The database does not answer, or a session is too large or damaged: then nothing was written.
pub async fn project(
    tx: Transaction,
    organisation_id: Uuid,
    session_ids: &BTreeSet<Uuid>,
    depth: Depth,
) -> Result<u64, StorageError> {
    lock_sessions(&tx, session_ids).await?;
    let mut sessions = Vec::with_capacity(session_ids.len());
    let lineage = changes::read_up_to(&tx).await?.lineage();
    for session_id in session_ids {
        sessions.extend(work_out(&tx, organisation_id, *session_id, lineage).await?);
    }
    let stored = write::stored_subjects(&tx, organisation_id, session_ids).await?;
    let new: BTreeSet<Uuid> = sessions.iter().flat_map(WorkedOut::subjects).collect();
    lock_subjects(&tx, organisation_id, &(&stored | &new)).await?;
    // What can be worked out again need not wait for the disk.
    tx.without_the_disk().await?;
    let (mut rows, mut changed) = write::facts(&tx, organisation_id, &sessions).await?;
    changed.extend(stored.difference(&new));
    if depth == Depth::All {
        changed.extend(new);
    }
    let subjects = write::with_defects(&tx, organisation_id, changed).await?;
    rows += refold_all(&tx, organisation_id, &subjects).await?;
    write::reviews(&tx, organisation_id, &sessions).await?;
    tx.commit().await?;
    Ok(rows)
}

/// Whoever works a session out has it alone, so that nobody writes over what another had seen more of.
async fn lock_sessions(tx: &Transaction, session_ids: &BTreeSet<Uuid>) -> Result<(), StorageError> {
    let ids: Vec<String> = session_ids.iter().map(Uuid::to_string).collect();
    let sql = "select count(pg_advisory_xact_lock(hashtextextended('observations of ' || id, 0))) from unnest($1::text[]) as id";
    tx.rows(sql, &[&ids]).await?;
    Ok(())
}

/// None where there is no such session.
async fn work_out(
    tx: &Transaction,
    organisation_id: Uuid,
    session_id: Uuid,
    lineage: Lineage,
) -> Result<Option<WorkedOut>, StorageError> {
    let session = "select building_id, created_at from test_sessions where organisation_id = $1 and id = $2";
    let Some(session) = sql::optional(tx, session, &[&organisation_id, &session_id]).await? else {
        return Ok(None);
    };
    let (building_id, created_at): (Uuid, OffsetDateTime) = (session.get(0), session.get(1));
    refuse_too_large(tx, (organisation_id, session_id)).await?;
    let mut document = WarmDocument::of_record(tx, organisation_id, session_id, lineage).await?;
    let read_up_to = document.read_up_to().cloned();
    let read_up_to = read_up_to.ok_or_else(|| StorageError::Damaged("a session was not read".to_owned()))?;
    let (apart, late) = late_changes(tx, organisation_id, session_id).await?;
    let mut undecided = apart.clone();
    undecided.retain(|change| {
        change_hash(&change.hash)
            .is_ok_and(|hash| late.get(&hash).is_some_and(|late| late.state == LateState::Late))
    });
    let review = document.inspect(move |document| Review::of(document, undecided)).await?;
    document.catch_up(apart, read_up_to.clone())?;
    let timeliness = Timeliness { created_at, late };
    let seen: Vec<SeenItem> = document.inspect(move |document| document.seen_items(&timeliness)).await?;
    let days = days::Days::read(tx, organisation_id, building_id, created_at).await?;
    let items = item::facts_of(tx, organisation_id, session_id, seen, &days).await?;
    Ok(Some(WorkedOut { session_id, building_id, read_up_to, items, review }))
}

type Late = HashMap<ChangeHash, LateChange>;

/// What came late: all of it with what became of it, and those changes that are not on record.
async fn late_changes(
    tx: &Transaction,
    organisation_id: Uuid,
    session_id: Uuid,
) -> Result<(Vec<StoredChange>, Late), StorageError> {
    let sql = "select c.hash, c.bytes, c.user_id, c.device, c.received_at, l.state, l.decided_at
               from late_changes l cross join lateral (
                   select * from session_changes c
                   where c.session_id = l.session_id and c.hash = l.hash and c.organisation_id = l.organisation_id limit 1
               ) c
               where l.organisation_id = $1 and l.session_id = $2";
    let mut apart = Vec::new();
    let mut late = HashMap::new();
    for row in tx.rows(sql, &[&organisation_id, &session_id]).await? {
        let state: &str = row.get("state");
        let state: LateState =
            state.parse().map_err(|_| StorageError::Damaged(format!("a late change is `{state}`")))?;
        let change = changes::stored(&row);
        late.insert(change_hash(&change.hash)?, LateChange { state, decided_at: row.get("decided_at") });
        if state != LateState::Accepted {
            apart.push(change);
        }
    }
    Ok((apart, late))
}
