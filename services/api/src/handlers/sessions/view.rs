//! Test sessions as clients see them.

use firemode_domain::document::{Conflict, Held, SessionDocument, VectorClock, time_ordered_actor};
use firemode_domain::session::SessionStatus;
use firemode_storage::sessions::Session;
use firemode_web::Problem;
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::etag;
use crate::schema::free_object;

/// A test session.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionView {
    pub(crate) id: Uuid,
    pub(crate) building_id: Uuid,
    #[schema(example = "Harbour Tower, yearly")]
    pub(crate) name: String,
    pub(crate) status: SessionStatus,
    pub(crate) technician_id: Option<Uuid>,
    /// Automerge actor → its last change that is merged.
    #[schema(value_type = std::collections::BTreeMap<String, u64>)]
    pub(crate) vector_clock: VectorClock,
    /// Hashes of the document's last changes.
    pub(crate) heads: Vec<String>,
    /// A fresh Automerge actor for you: use it for your changes to this session.
    pub(crate) actor_id: String,
    pub(crate) item_count: usize,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) updated_at: OffsetDateTime,
}

/// A test session with its document.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionDetail {
    #[serde(flatten)]
    pub(crate) session: SessionView,
    /// The merged document. Where outcomes are in conflict, the safe side is shown.
    #[schema(schema_with = free_object)]
    document: Value,
    /// Places with more than one value.
    conflicts: Vec<Conflict>,
    /// Changes that wait for others.
    held: Vec<Held>,
    /// Changes that would damage the document: kept, never merged.
    quarantined: Vec<QuarantinedView>,
    /// Changes that came after the completion and wait for a manager.
    late: i64,
}

/// A change that would damage the document.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QuarantinedView {
    /// Its hash, in hex.
    hash: String,
    /// Who brought it.
    user_id: Uuid,
    /// What is wrong with it.
    reason: String,
}

/// What a list shows of a document.
#[derive(Debug, Clone)]
pub(crate) struct Summary {
    vector_clock: VectorClock,
    heads: Vec<String>,
    item_count: usize,
}

impl Summary {
    pub(crate) fn of(document: &SessionDocument) -> Self {
        Self {
            vector_clock: document.vector_clock(),
            heads: document.heads(),
            item_count: document.item_count(),
        }
    }
}

impl SessionView {
    pub(crate) fn new(session: Session, summary: Summary) -> Self {
        Self {
            id: session.id,
            building_id: session.building_id,
            name: session.name,
            status: session.status,
            technician_id: session.technician_id,
            vector_clock: summary.vector_clock,
            heads: summary.heads,
            actor_id: fresh_actor_id(),
            item_count: summary.item_count,
            created_at: session.created_at,
            updated_at: session.updated_at,
        }
    }

    /// Names the session's state: what is merged, and the row.
    pub(crate) fn etag(&self) -> Result<String, Problem> {
        let state = serde_json::to_vec(&(&self.vector_clock, self.updated_at.unix_timestamp_nanos()));
        Ok(etag::of_bytes(&state.map_err(Problem::internal)?))
    }
}

impl SessionDetail {
    pub(crate) fn new(session: Session, document: &SessionDocument, late: i64) -> Self {
        let view = document.view();
        let quarantined = document.quarantined().into_iter().map(|change| QuarantinedView {
            hash: change.hash.to_string(),
            user_id: change.provenance.user_id,
            reason: change.fault.to_string(),
        });
        Self {
            session: SessionView::new(session, Summary::of(document)),
            document: view.document,
            conflicts: view.conflicts,
            held: document.held(),
            quarantined: quarantined.collect(),
            late,
        }
    }
}

/// Actor ids grow with time, so that a new one sorts after the document's others, which is what merges fastest.
pub(crate) fn fresh_actor_id() -> String {
    time_ordered_actor(Uuid::now_v7()).to_string()
}
