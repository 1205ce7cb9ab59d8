//! Test sessions, without their documents: see [`crate::changes`].

mod held;

use std::collections::{BTreeSet, HashMap};

use firemode_domain::audit::{OnRecord, Record};
use firemode_domain::body;
use firemode_domain::input::{Actor, Repeated, Time};
use firemode_domain::session::SessionStatus;
use time::OffsetDateTime;
use uuid::Uuid;

pub use self::held::{Held, HeldSession};
pub(crate) use self::held::{activate_all, held, hold_all};
use crate::page::{Keyset, Listing, Page};
use crate::row::{Row as _, row};
use crate::sql::{self, Params};
pub use crate::table::Hold;
use crate::table::{self, Table};
use crate::{Executor, StorageError};

row! {
    /// A test session.
    #[derive(Debug, Clone)]
    pub struct Session {
        /// The session's id.
        pub id: Uuid,
        /// The building that is tested.
        pub building_id: Uuid,
        /// What people call it.
        pub name: String,
        /// Where it is in its life.
        pub status: SessionStatus,
        /// Who is to do it.
        pub technician_id: Option<Uuid>,
        /// When it was made.
        pub created_at: OffsetDateTime = database,
        /// When its row last changed; results do not touch the row.
        pub updated_at: OffsetDateTime = database,
    }
}

impl Table for Session {
    const NAME: &'static str = "test_sessions";

    fn id(&self) -> Uuid {
        self.id
    }

    fn updated_at(&self) -> OffsetDateTime {
        self.updated_at
    }
}

impl OnRecord for Session {
    fn on_record(&self, record: &mut Record<'_>) {
        record.text("name", self.name.as_str());
        record.plain("status", self.status);
        record.plain("technician_id", self.technician_id);
    }
}

/// What a session is made from.
#[derive(Debug)]
pub struct NewSession<'a> {
    /// The new id.
    pub id: Uuid,
    /// The building that is tested.
    pub building_id: Uuid,
    /// What people call it.
    pub name: &'a str,
    /// Who is to do it.
    pub technician_id: Option<Uuid>,
    /// Who made it.
    pub created_by: Uuid,
    /// Items in its document at the start.
    pub item_count: i32,
}

body! {
    /// Which sessions are wanted.
    #[derive(Debug, Default)]
    pub struct SessionFilter {
        /// Any of these; may be repeated.
        pub status: Repeated<SessionStatus>,
        /// Sessions in one building.
        pub building_id: Option<Uuid>,
        /// Made at or after (RFC 3339).
        pub date_from: Option<Time>,
        /// Made at or before (RFC 3339).
        pub date_to: Option<Time>,
        /// Sessions of one technician.
        pub technician_id: Option<Uuid>,
        /// Sessions that an Automerge actor wrote to: those that its first change was stored in, late or held ones included.
        pub actor: Option<Actor>,
        /// Only sessions with late work that waits for a decision, or only those without.
        pub has_late: Option<bool>,
        /// Sessions in which a person has to decide something, or none in which that is so: an outcome in conflict, a fault without a class,
        /// late work.
        pub needs_review: Option<bool>,
        /// Sessions with changes that are not merged, because they wait for others or would damage the document; or those without.
        pub has_held: Option<bool>,
    }
}

/// Makes a session.
///
/// # Errors
/// A reference is not the organisation's (a constraint), or the database does not answer.
pub async fn insert(
    on: &impl Executor,
    organisation_id: Uuid,
    session: &NewSession<'_>,
) -> Result<Session, StorageError> {
    let row = sql::one(
        on,
        &format!(
            "insert into test_sessions (id, organisation_id, building_id, name, technician_id, created_by, item_count)
             values ($1, $2, $3, $4, $5, $6, $7) returning {}",
            Session::columns()
        ),
        &[
            &session.id,
            &organisation_id,
            &session.building_id,
            &session.name,
            &session.technician_id,
            &session.created_by,
            &session.item_count,
        ],
    )
    .await?;
    Session::read(&row)
}

/// Finds a session of the organisation.
///
/// # Errors
/// The database does not answer.
pub async fn find(
    on: &impl Executor,
    organisation_id: Uuid,
    id: Uuid,
    hold: Hold,
) -> Result<Option<Session>, StorageError> {
    table::find(on, organisation_id, id, hold).await
}

/// Changes a session, which the transaction holds alone, to what it is now. None where it is so already.
///
/// # Errors
/// The technician is not the organisation's (a constraint), or the database does not answer.
pub async fn update(
    on: &impl Executor,
    organisation_id: Uuid,
    session: &Session,
) -> Result<Option<Session>, StorageError> {
    let sql = format!(
        "update test_sessions set name = $3, technician_id = $4, status = $5, updated_at = now(),
             completed_at = case when status = $5 then completed_at when $5 = 'completed' then now()
                                 when $5 = 'active' then null else completed_at end
         where organisation_id = $1 and id = $2 and row(name, technician_id, status) is distinct from row($3, $4, $5)
         returning {}",
        Session::columns()
    );
    let status = session.status.as_str();
    let params: Params<'_> = &[&organisation_id, &session.id, &session.name, &session.technician_id, &status];
    sql::optional(on, &sql, params).await?.as_ref().map(Session::read).transpose()
}

/// The sessions that an actor wrote to.
const WRITTEN_TO: &str =
    "select c.session_id from session_changes c where c.organisation_id = $1 and c.actor = {} and c.seq = 1";

/// Sessions with late work that waits for a decision.
const WITH_LATE: &str =
    "select distinct l.session_id from late_changes l where l.organisation_id = $1 and l.state = 'late'";

/// Is a session without such work? `offset 0` makes it a look into the index for each session of the page.
const WITHOUT_LATE: &str = "not exists (select from late_changes l where l.organisation_id = $1
                                          and l.session_id = test_sessions.id and l.state = 'late' offset 0)";

/// The sessions of which the projection says this. Those that it has not gone through yet are not among them.
fn reviewed(says: &str) -> String {
    format!("select v.session_id from session_reviews v where v.organisation_id = $1 and v.{says}")
}

/// One page of an organisation's sessions, newest first.
///
/// # Errors
/// The database does not answer.
pub async fn list(
    on: &impl Executor,
    organisation_id: Uuid,
    filter: &SessionFilter,
    keyset: &Keyset,
) -> Result<Page<Session>, StorageError> {
    let statuses: BTreeSet<&str> = filter.status.0.iter().map(|status| status.as_str()).collect();
    let reviews = [(filter.needs_review, "needs_review"), (filter.has_held, "has_held")];
    let mut listing = Listing::of(Session::NAME, organisation_id, keyset);
    for (asked, says) in reviews {
        let reviewed = reviewed(says);
        let others = format!("not exists ({reviewed} and v.session_id = test_sessions.id)");
        listing = match asked {
            Some(true) => listing.among(&reviewed),
            Some(false) => listing.holds(&others),
            None => listing,
        };
    }
    let listing = match filter.has_late {
        Some(true) => listing.among(WITH_LATE),
        Some(false) => listing.holds(WITHOUT_LATE),
        None => listing,
    };
    listing
        .any_of("status", statuses)
        .only_if("building_id = {}", filter.building_id)
        .only_if("created_at >= {}", filter.date_from.map(Time::get))
        .only_if("created_at <= {}", filter.date_to.map(Time::get))
        .only_if("technician_id = {}", filter.technician_id)
        .among_if(WRITTEN_TO, filter.actor.as_ref().map(Actor::as_bytes))
        .page(on)
        .await
}

/// When each of these sessions was made.
///
/// # Errors
/// The database does not answer.
pub async fn created_at(
    on: &impl Executor,
    organisation_id: Uuid,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, OffsetDateTime>, StorageError> {
    let sql = "select id, created_at from test_sessions where organisation_id = $1 and id = any ($2)";
    let rows = on.rows(sql, &[&organisation_id, &ids]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}
