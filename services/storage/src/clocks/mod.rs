//! The column `vector_clock` of sessions: what of each actor is merged, as of a moment that stands beside it (`session_clocks`).
//!
//! Nothing is written there with results: that would be a lock on the session's row and an entry of an index for each batch. Somebody
//! comes behind them, looks for sessions with something new ([`FOLLOWING`]) and brings their clocks up to date ([`refresh`]), and a request that
//! settles what a session's record is does so in the same transaction ([`settle`]).
//!
//! Where everything on record is merged, and that is nearly everywhere, the clock follows from the rows: the highest number of each
//! actor. Where something that a change builds on is not there, or the session's summary says that something is not merged, the document
//! says what is.

use std::collections::{BTreeMap, HashMap, HashSet};

use firemode_domain::document::{DocumentSummary, SessionDocument};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::changes::{self, ReadUpTo, SessionTail};
use crate::documents::{WarmDocument, refuse_too_large};
use crate::following::Following;
use crate::lineage::Lineage;
use crate::pg_snapshot::PgSnapshot;
use crate::sql::{Statement, params};
use crate::{Executor, StorageError, Transaction};

/// Clocks come behind results.
pub const FOLLOWING: Following =
    Following { place: "session_clocks_place", done: "session_clocks", with_late: false, left_behind: None };

/// Organisation and session.
pub type SessionKey = (Uuid, Uuid);

/// How far the clocks of some sessions are reckoned, and the moment of looking.
struct Look {
    lineage: Lineage,
    read_up_to: ReadUpTo,
    sessions: Vec<Reckoned>,
}

/// A session and how far its clock is reckoned.
struct Reckoned {
    key: SessionKey,
    /// As it is stored; none: not at all.
    stored: Option<String>,
    /// The same, where one can go on from there.
    up_to: Option<ReadUpTo>,
    has_unmerged: bool,
}

/// What is to be written.
struct NewClock {
    of: Reckoned,
    /// JSON from actor to number.
    clock: String,
    /// The clock is all of it, and not what came on top.
    is_whole: bool,
    unmerged: Unmerged,
}

/// Changes of a record that are not merged.
#[derive(Clone, Copy)]
enum Unmerged {
    /// None, or so many that wait for others and so many that are quarantined.
    Counted { held: usize, quarantined: usize },
    /// There are some.
    Uncounted,
}

impl Unmerged {
    const NONE: Self = Self::Counted { held: 0, quarantined: 0 };

    fn of(document: &SessionDocument) -> Self {
        Self::Counted { held: document.held().len(), quarantined: document.quarantined().len() }
    }

    fn is_some(self) -> bool {
        !matches!(self, Self::Counted { held: 0, quarantined: 0 })
    }

    fn held(self) -> Option<i32> {
        match self {
            Self::Counted { held, .. } => i32::try_from(held).ok(),
            Self::Uncounted => None,
        }
    }

    fn quarantined(self) -> Option<i32> {
        match self {
            Self::Counted { quarantined, .. } => i32::try_from(quarantined).ok(),
            Self::Uncounted => None,
        }
    }
}

/// Brings the clocks of sessions up to date and commits. The transaction is one of their organisations. Sessions whose rows somebody
/// holds are passed over. Gives those that are as they should be now.
///
/// # Errors
/// The database does not answer, or a document could not be worked out.
pub async fn refresh(tx: Transaction, sessions: &[SessionKey]) -> Result<HashSet<SessionKey>, StorageError> {
    let Some(look) = look(&tx, sessions).await? else { return Ok(HashSet::new()) };
    let seen = seen(&tx, &look).await?;
    let mut clocks = Vec::with_capacity(look.sessions.len());
    for session in look.sessions {
        clocks.push(reckon(&tx, session, &seen, look.lineage).await?);
    }
    // One that is lost with the database is reckoned again: how far it was goes with it.
    let cheaply = Statement::new("select set_config('synchronous_commit', 'off', true)", Vec::new());
    let write = write(&clocks, look.lineage, &look.read_up_to);
    let written = tx.commit_with(vec![cheaply, write]).await?;
    Ok(written.iter().skip(1).flatten().map(|row| (row.get(0), row.get(1))).collect())
}

/// Brings the clock of a session up to date that the transaction holds alone, with what the transaction itself has done.
///
/// # Errors
/// As for [`refresh`].
pub async fn settle(tx: &Transaction, organisation_id: Uuid, session_id: Uuid) -> Result<(), StorageError> {
    let Some(look) = look(tx, &[(organisation_id, session_id)]).await? else { return Ok(()) };
    let seen = seen(tx, &look).await?;
    for session in look.sessions {
        let clock = reckon(tx, session, &seen, look.lineage).await?;
        write(&[clock], look.lineage, &look.read_up_to).rows(tx).await?;
    }
    Ok(())
}

/// Sessions with changes that are not merged, of which an earlier release did not say how many.
///
/// # Errors
/// The database does not answer.
pub async fn uncounted(on: &impl Executor, limit: i64) -> Result<Vec<SessionKey>, StorageError> {
    let sql = "select organisation_id, session_id from session_clocks where has_unmerged and held is null
               order by session_id limit $1";
    let rows = on.rows(sql, &[&limit]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// None where none of the sessions exists.
async fn look(tx: &Transaction, sessions: &[SessionKey]) -> Result<Option<Look>, StorageError> {
    let (organisations, ids): (Vec<Uuid>, Vec<Uuid>) = sessions.iter().copied().unzip();
    let sql = format!(
        "select s.organisation_id, s.id, k.lineage, k.read_up_to, coalesce(k.has_unmerged, false), database_lineage(), {},
                m.summary
         from unnest($1::uuid[], $2::uuid[]) as w (organisation_id, id)
         join test_sessions s on s.organisation_id = w.organisation_id and s.id = w.id
         left join session_clocks k on k.organisation_id = s.organisation_id and k.session_id = s.id
         left join session_summaries m on m.organisation_id = s.organisation_id and m.session_id = s.id
              and m.format = $3 and m.lineage = (select database_lineage_digest())",
        ReadUpTo::COLUMNS
    );
    let rows = tx.rows(&sql, &[&organisations, &ids, &SessionDocument::COPY_FORMAT]).await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let lineage = Lineage::named(first.get(5));
    let reckoned = |row: &Row| {
        let stored: Option<String> = row.get(3);
        let is_of_lineage = row.get::<_, Option<Vec<u8>>>(2).is_some_and(|stored| lineage.is(&stored));
        let up_to = stored.as_deref().filter(|_| is_of_lineage).and_then(PgSnapshot::parse);
        let up_to = up_to.map(|snapshot| ReadUpTo { snapshot, lineage });
        // What was held and let go between two looks may be quarantined since, and its row does not say so.
        let summary = row.get::<_, Option<&[u8]>>(9).and_then(DocumentSummary::of_bytes);
        let has_unmerged = row.get(4) || summary.is_some_and(|summary| summary.unmerged_count > 0);
        Reckoned { key: (row.get(0), row.get(1)), stored, has_unmerged, up_to }
    };
    let sessions = rows.iter().map(reckoned).collect();
    Ok(Some(Look { lineage, read_up_to: ReadUpTo::of(first, 6)?, sessions }))
}

/// What the rows say that a clock does not stand for yet.
#[derive(Default)]
struct Seen {
    clock: BTreeMap<String, i64>,
    builds_on_missing: bool,
}

/// What the rows say of those sessions whose clock can come from them.
async fn seen(tx: &Transaction, look: &Look) -> Result<HashMap<Uuid, Seen>, StorageError> {
    let by_rows = look.sessions.iter().filter(|session| !session.has_unmerged);
    let tail = |session: &Reckoned| SessionTail {
        organisation_id: session.key.0,
        session_id: session.key.1,
        since: session.up_to.clone(),
    };
    let tails: Vec<SessionTail> = by_rows.map(tail).collect();
    let mut seen: HashMap<Uuid, Seen> = tails.iter().map(|tail| (tail.session_id, Seen::default())).collect();
    if tails.is_empty() {
        return Ok(seen);
    }
    for row in changes::find_seen(&tails).rows(tx).await? {
        let Some(of_session) = seen.get_mut(&row.get("session_id")) else { continue };
        match row.get::<_, Option<String>>("actor") {
            Some(actor) => drop(of_session.clock.insert(actor, row.get("seq"))),
            None => of_session.builds_on_missing = true,
        }
    }
    Ok(seen)
}

/// The clock of a session as it is now. That of a document which is too large and has to be worked out stays as it was.
async fn reckon(
    tx: &Transaction,
    of: Reckoned,
    seen: &HashMap<Uuid, Seen>,
    lineage: Lineage,
) -> Result<NewClock, StorageError> {
    match seen.get(&of.key.1) {
        Some(Seen { clock, builds_on_missing: false }) => of_rows(of, clock),
        _ => match refuse_too_large(tx, of.key).await {
            Ok(()) => of_document(tx, of, lineage).await,
            Err(StorageError::TooLarge { .. }) => {
                let clock = json(&BTreeMap::<String, i64>::new())?;
                Ok(NewClock { of, clock, is_whole: false, unmerged: Unmerged::Uncounted })
            }
            Err(error) => Err(error),
        },
    }
}

fn of_rows(of: Reckoned, clock: &BTreeMap<String, i64>) -> Result<NewClock, StorageError> {
    let is_whole = of.up_to.is_none();
    Ok(NewClock { of, clock: json(clock)?, is_whole, unmerged: Unmerged::NONE })
}

/// Works out the document, for nobody else: it may have what the transaction has not committed.
async fn of_document(tx: &Transaction, of: Reckoned, lineage: Lineage) -> Result<NewClock, StorageError> {
    let (organisation_id, session_id) = of.key;
    let mut document = WarmDocument::of_record(tx, organisation_id, session_id, lineage).await?;
    let look = |document: &SessionDocument| (document.vector_clock(), Unmerged::of(document));
    let (clock, unmerged) = document.inspect(look).await?;
    Ok(NewClock { of, clock: json(&clock)?, is_whole: true, unmerged })
}

fn json(clock: &impl serde::Serialize) -> Result<String, StorageError> {
    serde_json::to_string(clock).map_err(|error| StorageError::Damaged(format!("a clock: {error}")))
}

/// Writes clocks, and how far they are reckoned, where nobody holds the session and nobody has come before. Gives the sessions.
fn write(clocks: &[NewClock], lineage: Lineage, read_up_to: &ReadUpTo) -> Statement<'static> {
    let column = |of: fn(&NewClock) -> Uuid| clocks.iter().map(of).collect::<Vec<_>>();
    let flag = |of: fn(&NewClock) -> bool| clocks.iter().map(of).collect::<Vec<_>>();
    let count =
        |of: fn(Unmerged) -> Option<i32>| clocks.iter().map(|new| of(new.unmerged)).collect::<Vec<_>>();
    let texts: Vec<String> = clocks.iter().map(|new| new.clock.clone()).collect();
    let stored: Vec<Option<String>> = clocks.iter().map(|new| new.of.stored.clone()).collect();
    Statement::new(
        WRITE,
        params![
            column(|new| new.of.key.0),
            column(|new| new.of.key.1),
            texts,
            flag(|new| new.is_whole),
            flag(|new| new.unmerged.is_some()),
            stored,
            lineage.as_bytes().to_vec(),
            read_up_to.snapshot.to_string(),
            count(Unmerged::held),
            count(Unmerged::quarantined),
        ],
    )
}

/// A number never falls but where the whole clock is written.
const WRITE: &str = "
    with new as (
        select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::bool[], $5::bool[], $6::text[], $9::int[], $10::int[])
            as n (organisation_id, session_id, clock, is_whole, has_unmerged, stored, held, quarantined)
    ), free as (
        select s.organisation_id, s.id from test_sessions s
        where s.id = any ($2) and (s.organisation_id, s.id) in (select organisation_id, session_id from new)
        for no key update skip locked
    ), noted as (
        insert into session_clocks as k (session_id, organisation_id, lineage, read_up_to, has_unmerged, held, quarantined)
        select n.session_id, n.organisation_id, $7, $8, n.has_unmerged, n.held, n.quarantined
        from new n join free f on f.organisation_id = n.organisation_id and f.id = n.session_id
        on conflict (session_id) do update
            set lineage = excluded.lineage, read_up_to = excluded.read_up_to, has_unmerged = excluded.has_unmerged,
                held = excluded.held, quarantined = excluded.quarantined
            where k.organisation_id = excluded.organisation_id
              and k.read_up_to = (select n.stored from new n where n.session_id = k.session_id)
        returning organisation_id, session_id
    ), merged as (
        select n.organisation_id, n.session_id, case when n.is_whole then n.clock::jsonb else (
            select coalesce(jsonb_object_agg(actor, seq), '{}') from (
                select actor, max(seq) as seq from (
                    select key as actor, value::int8 as seq from jsonb_each_text(s.vector_clock)
                    union all select key, value::int8 from jsonb_each_text(n.clock::jsonb)
                ) both_clocks group by actor
            ) greatest_of_both
        ) end as clock
        from new n join noted using (organisation_id, session_id)
        join test_sessions s on s.organisation_id = n.organisation_id and s.id = n.session_id
    ), written as (
        update test_sessions s set vector_clock = t.clock from merged t
        where s.organisation_id = t.organisation_id and s.id = t.session_id and s.vector_clock <> t.clock
    )
    select organisation_id, session_id from noted";
