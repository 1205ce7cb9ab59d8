//! Whose work is not in the record: it waits for other work, would damage a document, or came late and nobody has decided.

use firemode_reports::{Cell, Column, Report, Table};
use serde::Deserialize;
use serde_json::Value;
use time::{Duration, OffsetDateTime};
use tokio_postgres::Row;
use uuid::Uuid;

use super::asked::Asked;
use super::cut;
use crate::{Executor, StorageError};

/// What has been held for longer comes first.
const HELD_LONG: Duration = Duration::hours(24);

/// The most sessions that are looked at.
const SESSIONS_MAX: usize = 10_000;

/// A session with such work.
struct Session {
    id: Uuid,
    building_id: Uuid,
    status: String,
    held: i64,
    quarantined: i64,
    late: i64,
    devices: Vec<Device>,
}

/// Whose work it is, as the projection keeps it.
#[derive(Debug, Clone, Deserialize)]
struct Device {
    user_id: Uuid,
    device: Option<String>,
    held: i64,
    quarantined: i64,
    late: i64,
    #[serde(with = "time::serde::rfc3339::option")]
    since: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    held_since: Option<OffsetDateTime>,
}

impl Device {
    fn is_held_long(&self, now: OffsetDateTime) -> bool {
        self.held_since.is_some_and(|since| now - since > HELD_LONG)
    }
}

/// Lists devices and sessions with work that is not in the record, as it is now.
///
/// # Errors
/// The database does not answer.
pub(super) async fn sync(on: &impl Executor, asked: &Asked) -> Result<Report, StorageError> {
    let mut notes = vec![
        "What has been held for over 24 hours comes first, and of that what has waited for longest."
            .to_owned(),
    ];
    let mut sessions = sessions(on, asked).await?;
    if sessions.len() > SESSIONS_MAX {
        sessions.truncate(SESSIONS_MAX);
        notes
            .push(format!("More than {SESSIONS_MAX} sessions have such work; the others are not looked at."));
    }
    if sessions.is_empty() {
        notes.push("All work that arrived is in the record.".to_owned());
    }
    let tables =
        vec![devices_table(asked, &sessions, &mut notes), sessions_table(asked, sessions, &mut notes)];
    Ok(asked.report("sync", "Work that is not in the record", notes, tables))
}

async fn sessions(on: &impl Executor, asked: &Asked) -> Result<Vec<Session>, StorageError> {
    let rows = asked.statement().of_building();
    // Each kind has an index of its own.
    let sql = format!(
        "select t.id, t.building_id, t.status, r.held, r.quarantined, r.late, r.devices from (
             select session_id, held, quarantined, late, devices from session_reviews where organisation_id = $1 and has_held
             union
             select session_id, held, quarantined, late, devices from session_reviews
             where organisation_id = $1 and needs_review and late > 0
         ) r cross join lateral (
             select id, building_id, status from test_sessions where {{}} and id = r.session_id offset 0
         ) t order by t.id limit {}",
        SESSIONS_MAX + 1
    );
    rows.rows(on, &sql).await?.iter().map(session).collect()
}

fn session(row: &Row) -> Result<Session, StorageError> {
    let devices: Value = row.get("devices");
    let devices = serde_json::from_value(devices)
        .map_err(|error| StorageError::Damaged(format!("devices of a session: {error}")))?;
    let count = |name| i64::from(row.get::<_, i32>(name));
    Ok(Session {
        id: row.get("id"),
        building_id: row.get("building_id"),
        status: row.get("status"),
        held: count("held"),
        quarantined: count("quarantined"),
        late: count("late"),
        devices,
    })
}

fn devices_table(asked: &Asked, sessions: &[Session], notes: &mut Vec<String>) -> Table {
    let now = asked.generated_at;
    let mut devices: Vec<(&Session, &Device)> = sessions
        .iter()
        .flat_map(|session| session.devices.iter().map(move |device| (session, device)))
        .collect();
    devices.sort_by_key(|(session, device)| (!device.is_held_long(now), device.since, session.id));
    cut(&mut devices, "devices", notes);
    let columns = [
        ("user_id", "User"),
        ("device", "Device"),
        ("session_id", "Session"),
        ("building_id", "Building"),
        ("held", "Changes held"),
        ("quarantined", "Changes set aside"),
        ("late", "Changes late"),
        ("since", "Waits since"),
        ("held_over_24_hours", "Held for over 24 hours"),
    ];
    let rows = devices.into_iter().map(|(session, device)| {
        [
            device.user_id.into(),
            device.device.clone().into(),
            session.id.into(),
            session.building_id.into(),
            device.held.into(),
            device.quarantined.into(),
            device.late.into(),
            device.since.into(),
            yes_or_no(device.is_held_long(now)),
        ]
    });
    Table::new("devices", "By device", columns.map(|(name, title)| Column::new(name, title)), rows)
}

fn sessions_table(asked: &Asked, mut sessions: Vec<Session>, notes: &mut Vec<String>) -> Table {
    let now = asked.generated_at;
    let is_held_long = |session: &Session| session.devices.iter().any(|device| device.is_held_long(now));
    let since = |session: &Session| session.devices.iter().filter_map(|device| device.since).min();
    sessions.sort_by_key(|session| (!is_held_long(session), since(session), session.id));
    cut(&mut sessions, "sessions", notes);
    let columns = [
        ("session_id", "Session"),
        ("building_id", "Building"),
        ("status", "Status"),
        ("held", "Changes held"),
        ("quarantined", "Changes set aside"),
        ("late", "Changes late"),
        ("since", "Waits since"),
        ("held_over_24_hours", "Held for over 24 hours"),
    ];
    let rows = sessions.into_iter().map(|session| {
        let (long, since) = (is_held_long(&session), since(&session));
        [
            session.id.into(),
            session.building_id.into(),
            session.status.into(),
            session.held.into(),
            session.quarantined.into(),
            session.late.into(),
            since.into(),
            yes_or_no(long),
        ]
    });
    Table::new("sessions", "By session", columns.map(|(name, title)| Column::new(name, title)), rows)
}

fn yes_or_no(is_so: bool) -> Cell {
    if is_so { "yes".into() } else { "no".into() }
}
