//! What is on record: sessions, and the audit log.

use firemode_domain::session::SessionStatus;
use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Fed, Source};
use crate::StorageError;
use crate::audit::AuditRow;
use crate::row::{Row, row};

row! {
    /// A test session as feeds have it: with ids and without names.
    #[derive(Debug, Clone, Serialize)]
    pub struct FedSession {
        /// The session's id.
        pub id: Uuid,
        /// The building that is tested.
        pub building_id: Uuid,
        /// Where it is in its life.
        pub status: SessionStatus,
        /// Who is to do it.
        pub technician_id: Option<Uuid>,
        /// Who made it.
        pub created_by: Uuid,
        /// Items in its document at the start.
        pub item_count: i32,
        /// When it was made.
        #[serde(with = "time::serde::rfc3339")]
        pub created_at: OffsetDateTime,
        /// When its row last changed; results do not touch the row.
        #[serde(with = "time::serde::rfc3339")]
        pub updated_at: OffsetDateTime,
        /// When it was completed.
        #[serde(with = "time::serde::rfc3339::option")]
        pub completed_at: Option<OffsetDateTime>,
    }
}

impl Fed for FedSession {
    /// All of them by id, because a row that changes meanwhile would move in the order of transactions.
    fn sources(is_whole: bool) -> Vec<Source> {
        vec![Source {
            columns: format!("{}, changed_xid", Self::columns()),
            from: "test_sessions".to_owned(),
            xid: (!is_whole).then_some("changed_xid"),
            id: "id",
            ..Source::default()
        }]
    }

    fn read(row: &tokio_postgres::Row) -> Result<Self, StorageError> {
        <Self as Row>::read(row)
    }
}

/// The bytes of leaves on a page.
const LEAVES_BYTES_MAX: i64 = 8 << 20;

impl Fed for AuditRow {
    fn sources(_: bool) -> Vec<Source> {
        vec![Source {
            columns: format!("{}, created_xid", Self::COLUMNS),
            from: "audit_log".to_owned(),
            xid: Some("created_xid"),
            at: "created_at",
            id: "id",
            bounded: Some(("leaf", LEAVES_BYTES_MAX)),
            ..Source::default()
        }]
    }

    fn read(row: &tokio_postgres::Row) -> Result<Self, StorageError> {
        Ok(Self::read(row))
    }
}
