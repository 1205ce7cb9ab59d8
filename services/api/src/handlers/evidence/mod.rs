//! What is known of evidence, and its review. Its bytes are in `evidence_content`.

pub(crate) mod content;
mod file_name;
pub(crate) mod link;
pub(crate) mod uploads;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use data_encoding::HEXLOWER;
use firemode_domain::audit::{OnRecord, Record};
use firemode_domain::body;
use firemode_domain::evidence::{EvidenceStatus, EvidenceType};
use firemode_domain::input::Text;
use firemode_storage::evidence::{self, Evidence, EvidenceFilter, OrganisationEvidenceFilter};
use firemode_storage::page::Page;
use firemode_storage::sessions::Session;
use firemode_storage::{Executor, audit};
use firemode_web::{Body, IdempotencyKey, Outcome, Problem};
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::call::Call;
use crate::list::{Filters, List, Listing};
use crate::object::on_record;
use crate::people::People;
use crate::schema::free_object;
use crate::state::ApiState;

/// A piece of evidence.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EvidenceView {
    id: Uuid,
    session_id: Uuid,
    item_id: Option<String>,
    evidence_type: EvidenceType,
    /// SHA-256 of the bytes, in hex.
    hash: String,
    /// Number of bytes.
    size: i64,
    /// Found by looking at the bytes.
    #[schema(example = "image/jpeg")]
    content_type: String,
    /// What the device called the file, where it said so.
    #[schema(example = "door.jpg")]
    file_name: Option<String>,
    #[schema(schema_with = free_object)]
    metadata: Value,
    status: EvidenceStatus,
    /// Why somebody is to look at it, where it is flagged.
    flag: Option<FlagView>,
    uploaded_by: Uuid,
    /// What the user who uploaded it is called.
    #[schema(example = "Ada E.")]
    uploaded_by_name: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

/// A wish that somebody look at a piece of evidence.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FlagView {
    #[schema(example = "The photograph shows another door.")]
    reason: String,
    flagged_by: Uuid,
    /// What that user is called.
    #[schema(example = "Ada E.")]
    flagged_by_name: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    flagged_at: OffsetDateTime,
}

body! {
    /// Why evidence is to be reviewed, or is in order after all.
    #[derive(Debug)]
    pub(crate) struct FlagEvidence like {"reason": "The photograph shows another door."} {
        /// For later readers, in the audit log too.
        reason: Text<1000>,
    }
}

/// What hashing the stored bytes gave.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Verification {
    id: Uuid,
    /// True when the stored bytes are those that were uploaded.
    verified: bool,
    /// SHA-256 that was accepted, in hex.
    expected_hash: String,
    /// SHA-256 of what is stored now, in hex; null where nothing can be read.
    actual_hash: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    verified_at: OffsetDateTime,
}

/// Where an answer has ids of users, and where the names of these belong.
const NAMES: &[(&str, &str)] =
    &[("/uploaded_by", "/uploaded_by_name"), ("/flag/flagged_by", "/flag/flagged_by_name")];

/// Those who are named beside a piece of evidence.
fn named_of(evidence: &Evidence) -> [Option<Uuid>; 2] {
    [Some(evidence.uploaded_by), evidence.flagged_by]
}

impl EvidenceView {
    fn of(evidence: Evidence, people: &People) -> Self {
        let file_name = file_name::said(&evidence).map(str::to_owned);
        let flag = || {
            Some(FlagView {
                reason: evidence.flag_reason?,
                flagged_by: evidence.flagged_by?,
                flagged_by_name: people.name(evidence.flagged_by),
                flagged_at: evidence.flagged_at?,
            })
        };
        Self {
            flag: flag(),
            file_name,
            id: evidence.id,
            session_id: evidence.session_id,
            item_id: evidence.item_id,
            evidence_type: evidence.evidence_type,
            hash: HEXLOWER.encode(&evidence.sha256),
            size: evidence.size_bytes,
            content_type: evidence.content_type,
            metadata: evidence.metadata,
            status: evidence.status,
            uploaded_by: evidence.uploaded_by,
            uploaded_by_name: people.name(evidence.uploaded_by),
            created_at: evidence.created_at,
        }
    }
}

/// Reads what is known of a piece of evidence
#[utoipa::path(get, path = "/v1/evidence/{evidence_id}", tag = "evidence", params(("evidence_id" = Uuid, Path)),
    responses((status = 200, description = "What is known of it.", body = EvidenceView)))]
pub(crate) async fn get(id: web::Path<Uuid>, call: Call) -> Result<HttpResponse, Problem> {
    let tx = call.read().await?;
    let evidence = evidence::find(&tx, call.organisation_id(), *id).await?.ok_or_else(no_such_evidence)?;
    let people = call.people(&tx, named_of(&evidence)).await?;
    Ok(HttpResponse::Ok().json(EvidenceView::of(evidence, &people)))
}

impl Filters for EvidenceFilter {
    fn scope(&self, _: &str, session_id: Option<Uuid>) -> (String, String) {
        let (session_id, item_id) = (session_id.unwrap_or_default(), self.item_id.as_deref());
        let status = self.status.map(EvidenceStatus::as_str);
        let filters = format!("{session_id} EvidenceFilter {{ item_id: {item_id:?}, status: {status:?} }}");
        ("/v1/tests/sessions/{session_id}/evidence".to_owned(), filters)
    }
}

/// Lists the evidence of a test session, newest first
#[utoipa::path(get, path = "/v1/tests/sessions/{session_id}/evidence", tag = "evidence",
    params(("session_id" = Uuid, Path), Listing<EvidenceFilter>),
    responses((status = 200, description = "One page.", body = List<EvidenceView>)))]
pub(crate) async fn list(
    session_id: web::Path<Uuid>,
    list: Listing<EvidenceFilter>,
) -> Result<HttpResponse, Problem> {
    list.answer_within::<Session, _>(*session_id, async |tx, Listing { call, filter, .. }, keyset| {
        let page = evidence::list(tx, call.organisation_id(), *session_id, filter, keyset).await?;
        named(tx, call, page).await
    })
    .await
}

impl Filters for OrganisationEvidenceFilter {}

/// Lists the evidence of the organisation, newest first
#[utoipa::path(get, path = "/v1/evidence", tag = "evidence", params(Listing<OrganisationEvidenceFilter>),
    responses((status = 200, description = "One page.", body = List<EvidenceView>)))]
pub(crate) async fn list_of_organisation(
    list: Listing<OrganisationEvidenceFilter>,
) -> Result<HttpResponse, Problem> {
    list.answer(async |tx, Listing { call, filter, .. }, keyset| {
        let page = evidence::list_of_organisation(tx, call.organisation_id(), filter, keyset).await?;
        named(tx, call, page).await
    })
    .await
}

/// A page of evidence as clients see it.
async fn named(on: &impl Executor, call: &Call, page: Page<Evidence>) -> Result<Page<EvidenceView>, Problem> {
    let people = call.people(on, page.rows.iter().flat_map(named_of)).await?;
    Ok(page.map(|evidence| EvidenceView::of(evidence, &people)))
}

/// Flags a piece of evidence for review
///
/// A flag that is there stays as it is.
#[utoipa::path(post, path = "/v1/evidence/{evidence_id}/flag", tag = "evidence", request_body = FlagEvidence,
    params(("evidence_id" = Uuid, Path),
           IdempotencyKey),
    responses((status = 200, description = "Flagged.", body = EvidenceView)))]
pub(crate) async fn flag(
    id: web::Path<Uuid>,
    body: Body<FlagEvidence>,
    key: IdempotencyKey,
    call: Call,
) -> Result<HttpResponse, Problem> {
    review(*id, &body, EvidenceStatus::Flagged, &key, &call).await
}

/// Takes the flag off a piece of evidence after review
///
/// Who flagged it stays in the audit log, with a hash of why.
#[utoipa::path(post, path = "/v1/evidence/{evidence_id}/unflag", tag = "evidence", request_body = FlagEvidence,
    params(("evidence_id" = Uuid, Path),
           IdempotencyKey),
    responses((status = 200, description = "Not flagged any more.", body = EvidenceView)))]
pub(crate) async fn unflag(
    id: web::Path<Uuid>,
    body: Body<FlagEvidence>,
    key: IdempotencyKey,
    call: Call,
) -> Result<HttpResponse, Problem> {
    review(*id, &body, EvidenceStatus::Verified, &key, &call).await
}

async fn review(
    id: Uuid,
    body: &Body<FlagEvidence>,
    status: EvidenceStatus,
    key: &IdempotencyKey,
    call: &Call,
) -> Result<HttpResponse, Problem> {
    let organisation_id = call.organisation_id();
    let reason: &str = &body.value.reason;
    let (action, flag) = match status {
        EvidenceStatus::Flagged => ("evidence.flag", Some((reason, call.user_id()))),
        EvidenceStatus::Verified => ("evidence.unflag", None),
    };
    let unnamed = People::default();
    let outcome = call
        .run_once(key, &body.fingerprint, async |tx| {
            let before =
                evidence::find_to_change(tx, organisation_id, id).await?.ok_or_else(no_such_evidence)?;
            if before.status == status {
                return Outcome::new(StatusCode::OK, &EvidenceView::of(before, &unnamed));
            }
            evidence::set_flag(tx, organisation_id, id, flag).await?;
            let after = evidence::find(tx, organisation_id, id).await?.ok_or_else(no_such_evidence)?;
            let commitments = audit::commitments(tx, organisation_id, id).await?;
            let was = on_record(&commitments, &Review { status: before.status, reason: None })?;
            let is = on_record(&commitments, &Review { status, reason: Some(reason) })?;
            call.record(tx, action, ("evidence", id), was, is).await?;
            Outcome::new(StatusCode::OK, &EvidenceView::of(after, &unnamed))
        })
        .await?;
    Ok(call.with_names(outcome, NAMES).await?.respond())
}

/// Evidence before and after a review.
struct Review<'a> {
    status: EvidenceStatus,
    reason: Option<&'a str>,
}

impl OnRecord for Review<'_> {
    fn on_record(&self, record: &mut Record<'_>) {
        record.plain("status", self.status);
        if let Some(reason) = self.reason {
            record.text("reason", reason);
        }
    }
}

/// Hashes the stored bytes again
#[utoipa::path(get, path = "/v1/evidence/{evidence_id}/verify", tag = "evidence", params(("evidence_id" = Uuid, Path)),
    responses((status = 200, description = "Whether they are what was uploaded.", body = Verification)))]
pub(crate) async fn verify(id: web::Path<Uuid>, call: Call) -> Result<HttpResponse, Problem> {
    let evidence = find(&call.state, call.organisation_id(), *id).await?;
    let actual = match call.state.evidence.hash(&evidence.storage_key).await {
        Ok(stored) => Some(stored.sha256),
        Err(error) => {
            tracing::error!(%error, evidence_id = %evidence.id, "stored evidence cannot be read");
            None
        }
    };
    Ok(HttpResponse::Ok().json(Verification {
        id: evidence.id,
        verified: actual.is_some_and(|hash| hash[..] == evidence.sha256[..]),
        expected_hash: HEXLOWER.encode(&evidence.sha256),
        actual_hash: actual.map(|hash| HEXLOWER.encode(&hash)),
        verified_at: OffsetDateTime::now_utc(),
    }))
}

pub(crate) async fn find(state: &ApiState, organisation_id: Uuid, id: Uuid) -> Result<Evidence, Problem> {
    let tx = state.database.tenant(organisation_id).read().await?;
    let evidence = evidence::find(&tx, organisation_id, id).await?;
    evidence.ok_or_else(no_such_evidence)
}

fn no_such_evidence() -> Problem {
    Problem::not_found("evidence")
}
