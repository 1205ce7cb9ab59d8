//! Test sessions, without their documents: see [`crate::changes`].

mod held;

use firemode_domain::session::SessionStatus;
use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

pub use self::held::{Held, HeldSession};
pub(crate) use self::held::{activate_all, held, hold_all};
use crate::page::{Page, Walk, in_walk};
use crate::{Executor, StorageError, sql};

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
    pub created_at: OffsetDateTime,
    /// When its row last changed; results do not touch the row.
    pub updated_at: OffsetDateTime,
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

/// New values for some of a session's fields; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct SessionPatch {
    /// See [`Session::name`].
    pub name: Option<String>,
    /// See [`Session::technician_id`].
    pub technician_id: Option<Option<Uuid>>,
    /// The next status; the caller has checked that it may follow the present one.
    pub status: Option<SessionStatus>,
}

/// What a listing is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct SessionFilter {
    /// Any of these; empty: all.
    pub statuses: Vec<SessionStatus>,
    /// One building.
    pub building_id: Option<Uuid>,
    /// Made at or after.
    pub from: Option<OffsetDateTime>,
    /// Made before or at.
    pub to: Option<OffsetDateTime>,
    /// One technician.
    pub technician_id: Option<Uuid>,
}

pub(crate) const COLUMNS: &str = "id, building_id, name, status, technician_id, created_at, updated_at";

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
             values ($1, $2, $3, $4, $5, $6, $7) returning {COLUMNS}"
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
    read(&row)
}

/// How a session's row is held while a transaction relies on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Not at all.
    None,
    /// Against a change of its status (`FOR SHARE`): any number of writers of results may hold it so together.
    AgainstChange,
    /// Alone (`FOR NO KEY UPDATE`), to change it: two transactions that hold it together cannot both go on to that.
    Alone,
}

impl Hold {
    const fn as_sql(self) -> &'static str {
        match self {
            Self::None => "",
            Self::AgainstChange => "for share",
            Self::Alone => "for no key update",
        }
    }
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
    let hold = hold.as_sql();
    let sql = format!("select {COLUMNS} from test_sessions where organisation_id = $1 and id = $2 {hold}");
    sql::optional(on, &sql, &[&organisation_id, &id]).await?.as_ref().map(read).transpose()
}

/// Changes a session.
///
/// # Errors
/// The technician is not the organisation's (a constraint), or the database does not answer.
pub async fn update(
    on: &impl Executor,
    organisation_id: Uuid,
    id: Uuid,
    patch: &SessionPatch,
) -> Result<Session, StorageError> {
    let row = sql::one(
        on,
        &format!(
            "update test_sessions set name = coalesce($3, name), technician_id = case when $6 then $4 else technician_id end,
                 status = coalesce($5, status), updated_at = now(),
                 completed_at = case $5 when 'completed' then now() when 'active' then null else completed_at end
             where organisation_id = $1 and id = $2 returning {COLUMNS}"
        ),
        &[
            &organisation_id,
            &id,
            &patch.name,
            &patch.technician_id.flatten(),
            &patch.status.map(SessionStatus::as_str),
            &patch.technician_id.is_some(),
        ],
    )
    .await?;
    read(&row)
}

/// One page of an organisation's sessions, newest first.
///
/// # Errors
/// The database does not answer.
pub async fn list(
    on: &impl Executor,
    organisation_id: Uuid,
    filter: &SessionFilter,
    walk: &Walk,
) -> Result<Page<Session>, StorageError> {
    let (at, id) = walk.key();
    let statuses: Vec<&str> = filter.statuses.iter().map(|status| status.as_str()).collect();
    let rows = on
        .rows(
            &format!(
                "select {COLUMNS} from test_sessions where organisation_id = $1 and {}
                 and (cardinality($7::text[]) = 0 or status = any ($7)) and ($8::uuid is null or building_id = $8)
                 and ($9::timestamptz is null or created_at >= $9) and ($10::timestamptz is null or created_at <= $10)
                 and ($11::uuid is null or technician_id = $11)
                 order by created_at desc, id desc limit $6",
                in_walk!()
            ),
            &[
                &organisation_id,
                &walk.horizon.snapshot,
                &walk.horizon.began_at,
                &at,
                &id,
                &(walk.limit + 1),
                &statuses,
                &filter.building_id,
                &filter.from,
                &filter.to,
                &filter.technician_id,
            ],
        )
        .await?;
    let sessions = rows.iter().map(read).collect::<Result<_, _>>()?;
    Ok(Page::cut(sessions, walk, |session: &Session| (session.created_at, session.id)))
}

/// The sessions of the same building that were made before this one and not cancelled, the latest first.
///
/// # Errors
/// The database does not answer.
pub async fn earlier_of_building(
    on: &impl Executor,
    organisation_id: Uuid,
    session: &Session,
    limit: i64,
) -> Result<Vec<Session>, StorageError> {
    let rows = on
        .rows(
            &format!(
                "select {COLUMNS} from test_sessions
                 where organisation_id = $1 and building_id = $2 and (created_at, id) < ($3, $4)
                   and status in ('active', 'completed')
                 order by created_at desc, id desc limit $5"
            ),
            &[&organisation_id, &session.building_id, &session.created_at, &session.id, &limit],
        )
        .await?;
    rows.iter().map(read).collect()
}

pub(crate) fn read(row: &Row) -> Result<Session, StorageError> {
    Ok(Session {
        id: row.get(0),
        building_id: row.get(1),
        name: row.get(2),
        status: status(row.get(3))?,
        technician_id: row.get(4),
        created_at: row.get(5),
        updated_at: row.get(6),
    })
}

fn status(text: &str) -> Result<SessionStatus, StorageError> {
    text.parse().map_err(|_| StorageError::Damaged(format!("unknown status '{text}'")))
}
