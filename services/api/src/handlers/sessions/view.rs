//! Test sessions as clients see them.

use actix_web::HttpResponse;
use actix_web::http::header::ETAG;
use firemode_domain::audit::{OnRecord, Record};
use firemode_domain::document::{
    Conflict, Held, Limits, NearLimit, SessionDocument, VectorClock, time_ordered_actor,
};
use firemode_domain::session::SessionStatus;
use firemode_storage::sessions::Session;
use firemode_web::Problem;
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
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
    /// Bounds of the document that are nearly reached: from four fifths on.
    near_limits: Vec<NearLimit>,
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

fn tag(vector_clock: &impl Serialize, updated_at: OffsetDateTime) -> serde_json::Result<String> {
    Ok(etag::of_bytes(&serde_json::to_vec(&(vector_clock, updated_at.unix_timestamp_nanos()))?))
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
        tag(&self.vector_clock, self.updated_at).map_err(Problem::internal)
    }

    /// The answer with it and its `ETag`.
    pub(crate) fn respond(self) -> Result<HttpResponse, Problem> {
        let tag = self.etag()?;
        Ok(HttpResponse::Ok().insert_header((ETAG, tag)).json(self))
    }

    /// The same from its JSON.
    pub(crate) fn etag_of_body(body: &Value) -> Option<String> {
        let updated_at = OffsetDateTime::parse(body["updated_at"].as_str()?, &Rfc3339).ok()?;
        tag(&body["vector_clock"], updated_at).ok()
    }
}

/// A session as it is opened.
impl OnRecord for SessionView {
    fn on_record(&self, record: &mut Record<'_>) {
        record.plain("building_id", self.building_id);
        record.text("name", self.name.as_str());
        record.plain("technician_id", self.technician_id);
        record.plain("item_count", self.item_count);
        record.codes("heads", "head", self.heads.iter().map(String::as_str));
    }
}

impl SessionDetail {
    pub(crate) fn new(session: Session, document: &SessionDocument, late: i64, limits: &Limits) -> Self {
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
            near_limits: document.near_limits(limits),
        }
    }
}

/// Actor ids grow with time, so that a new one sorts after the document's others, which is what merges fastest.
pub(crate) fn fresh_actor_id() -> String {
    time_ordered_actor(Uuid::now_v7()).to_string()
}
