//! Test sessions as clients see them.

use actix_web::HttpResponse;
use actix_web::http::header::ETAG;
use firemode_domain::audit::{OnRecord, Record};
use firemode_domain::document::{
    ChangeHash, Conflict, DocumentSummary, DocumentView, Held, NearLimit, PastDocument, Quarantined,
    SessionDocument, VectorClock, time_ordered_actor,
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
use crate::people::People;
use crate::schema::Document;

/// A test session.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionView {
    pub(crate) id: Uuid,
    pub(crate) building_id: Uuid,
    #[schema(example = "Harbour Tower, yearly")]
    pub(crate) name: String,
    pub(crate) status: SessionStatus,
    pub(crate) technician_id: Option<Uuid>,
    /// Automerge actor → its last change that is merged. Of more than 256 actors those that wrote last, but where the document is told
    /// too: there all.
    #[schema(value_type = std::collections::BTreeMap<String, u64>)]
    pub(crate) vector_clock: VectorClock,
    /// How many actors have written.
    pub(crate) actor_count: usize,
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

/// A test session, and who is to do it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NamedSession {
    #[serde(flatten)]
    pub(crate) session: SessionView,
    /// What the technician is called; null where there is none.
    #[schema(example = "Ada E.")]
    pub(crate) technician_name: Option<String>,
}

/// A test session with its document.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionDetail {
    #[serde(flatten)]
    pub(crate) session: NamedSession,
    /// The merged document. Where outcomes are in conflict, the safe side is shown.
    #[schema(value_type = Document)]
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
    /// What that user is called.
    #[schema(example = "Ada E.")]
    user_name: Option<String>,
    /// What is wrong with it.
    reason: String,
}

/// What of a document is shown with its session.
pub(crate) struct ShownDocument {
    pub(crate) vector_clock: VectorClock,
    pub(crate) heads: Vec<ChangeHash>,
    pub(crate) view: DocumentView,
    pub(crate) held: Vec<Held>,
    pub(crate) quarantined: Vec<Quarantined>,
    /// Changes that came after the completion and wait for a manager.
    pub(crate) late: i64,
    /// None of a moment that is past: nothing is added there.
    pub(crate) near_limits: Vec<NearLimit>,
}

impl ShownDocument {
    /// All that there is of a document.
    pub(crate) fn whole(document: &SessionDocument) -> Self {
        Self {
            vector_clock: document.vector_clock(),
            heads: document.summary().heads,
            view: document.view(),
            held: document.held(),
            quarantined: document.quarantined(),
            late: 0,
            near_limits: Vec::new(),
        }
    }
}

impl From<PastDocument> for ShownDocument {
    fn from(past: PastDocument) -> Self {
        let PastDocument { vector_clock, heads, view } = past;
        let (held, quarantined, near_limits) = Default::default();
        Self { vector_clock, heads, view, held, quarantined, late: 0, near_limits }
    }
}

/// Equal heads are an equal clock, of which a list shows a part.
fn tag(heads: &impl Serialize, updated_at: OffsetDateTime) -> serde_json::Result<String> {
    Ok(etag::of_bytes(&serde_json::to_vec(&(heads, updated_at.unix_timestamp_nanos()))?))
}

impl SessionView {
    pub(crate) fn new(session: Session, summary: DocumentSummary) -> Self {
        Self {
            id: session.id,
            building_id: session.building_id,
            name: session.name,
            status: session.status,
            technician_id: session.technician_id,
            vector_clock: summary.vector_clock,
            actor_count: summary.actor_count,
            heads: summary.heads.iter().map(ChangeHash::to_string).collect(),
            actor_id: fresh_actor_id(),
            item_count: summary.item_count,
            created_at: session.created_at,
            updated_at: session.updated_at,
        }
    }

    /// Names the session's state: what is merged, and the row.
    pub(crate) fn etag(&self) -> Result<String, Problem> {
        tag(&self.heads, self.updated_at).map_err(Problem::internal)
    }

    /// The same from its JSON.
    pub(crate) fn etag_of_body(body: &Value) -> Option<String> {
        let updated_at = OffsetDateTime::parse(body["updated_at"].as_str()?, &Rfc3339).ok()?;
        tag(&body["heads"], updated_at).ok()
    }
}

impl NamedSession {
    /// Where an answer has the technician's id, and where the name belongs.
    pub(crate) const NAMES: &[(&str, &str)] = &[("/technician_id", "/technician_name")];

    pub(crate) fn of(session: SessionView, people: &People) -> Self {
        Self { technician_name: people.name(session.technician_id), session }
    }

    /// The answer with it and its `ETag`.
    pub(crate) fn respond(self) -> Result<HttpResponse, Problem> {
        let tag = self.session.etag()?;
        Ok(HttpResponse::Ok().insert_header((ETAG, tag)).json(self))
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
    pub(crate) fn new(session: Session, shown: ShownDocument, people: &People) -> Self {
        let ShownDocument { vector_clock, heads, view, held, quarantined, late, near_limits } = shown;
        let quarantined = quarantined.into_iter().map(|change| QuarantinedView {
            hash: change.hash.to_string(),
            user_id: change.provenance.user_id,
            user_name: people.name(change.provenance.user_id),
            reason: change.fault.to_string(),
        });
        let session = SessionView {
            id: session.id,
            building_id: session.building_id,
            name: session.name,
            status: session.status,
            technician_id: session.technician_id,
            actor_count: vector_clock.len(),
            vector_clock,
            heads: heads.iter().map(ChangeHash::to_string).collect(),
            actor_id: fresh_actor_id(),
            item_count: view.item_count(),
            created_at: session.created_at,
            updated_at: session.updated_at,
        };
        Self {
            session: NamedSession::of(session, people),
            document: view.document,
            conflicts: view.conflicts,
            held,
            quarantined: quarantined.collect(),
            late,
            near_limits,
        }
    }
}

/// Actor ids grow with time, so that a new one sorts after the document's others, which is what merges fastest.
pub(crate) fn fresh_actor_id() -> String {
    time_ordered_actor(Uuid::now_v7()).to_string()
}
