//! What is known of evidence, and its review. Its bytes are in `evidence_content`.

pub(crate) mod content;
pub(crate) mod uploads;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use data_encoding::HEXLOWER;
use firemode_domain::audit::ReviewOnRecord;
use firemode_domain::input::{ClientKey, Text};
use firemode_domain::{body, choice};
use firemode_storage::audit;
use firemode_storage::evidence::{self, Evidence, EvidenceFilter, Flag};
use firemode_web::{Body, Key, Outcome, Params, Problem, ProblemBody, RequestContext, WalkScope};
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::acts::{act, on_record};
use crate::handlers::sessions::lookup;
use crate::list::List;
use crate::principal::Principal;
use crate::schema::free_object;
use crate::state::State;

/// A piece of evidence.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EvidenceView {
    id: Uuid,
    session_id: Uuid,
    item_id: Option<String>,
    #[schema(example = "photo")]
    evidence_type: String,
    /// SHA-256 of the bytes, in hex.
    hash: String,
    /// Number of bytes.
    size: i64,
    /// Found by looking at the bytes.
    #[schema(example = "image/jpeg")]
    content_type: String,
    #[schema(schema_with = free_object)]
    metadata: Value,
    /// `verified` or `flagged`.
    #[schema(example = "verified")]
    status: String,
    /// Why somebody is to look at it, where it is flagged.
    flag: Option<FlagView>,
    uploaded_by: Uuid,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

/// A wish that somebody look at a piece of evidence.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FlagView {
    #[schema(example = "The photograph shows another door.")]
    reason: String,
    flagged_by: Uuid,
    #[serde(with = "time::serde::rfc3339")]
    flagged_at: OffsetDateTime,
}

body! {
    /// Why evidence is to be reviewed, or is in order after all.
    #[derive(Debug)]
    pub(crate) struct FlagEvidence like {"reason": "The photograph shows another door."} {
        /// For whoever reads it later, in the audit log too.
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

impl From<Flag> for FlagView {
    fn from(flag: Flag) -> Self {
        Self { reason: flag.reason, flagged_by: flag.by, flagged_at: flag.at }
    }
}

impl From<Evidence> for EvidenceView {
    fn from(evidence: Evidence) -> Self {
        Self {
            id: evidence.id,
            session_id: evidence.session_id,
            item_id: evidence.item_id,
            evidence_type: evidence.evidence_type,
            hash: HEXLOWER.encode(&evidence.sha256),
            size: evidence.size_bytes,
            content_type: evidence.content_type,
            metadata: evidence.metadata,
            status: evidence.status,
            flag: evidence.flag.map(FlagView::from),
            uploaded_by: evidence.uploaded_by,
            created_at: evidence.created_at,
        }
    }
}

/// Reads what is known of a piece of evidence
#[utoipa::path(get, path = "/v1/evidence/{evidence_id}", tag = "evidence", params(("evidence_id" = Uuid, Path)),
    responses((status = 200, description = "What is known of it.", body = EvidenceView)))]
pub(crate) async fn get(
    id: web::Path<Uuid>,
    principal: Principal,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let evidence = find(&state, &principal, *id).await?;
    Ok(HttpResponse::Ok().json(EvidenceView::from(evidence)))
}

/// Lists the evidence of a test session, newest first
#[utoipa::path(get, path = "/v1/tests/sessions/{session_id}/evidence", tag = "evidence",
    params(("session_id" = Uuid, Path),
           ("limit" = Option<i64>, Query, description = "Rows on a page, 1 to 100.", example = 20),
           ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
           ("item_id" = Option<String>, Query, description = "Evidence of one item."),
           ("status" = Option<String>, Query, description = "`verified` or `flagged`.")),
    responses((status = 200, description = "One page.", body = List<EvidenceView>),
              (status = 400, description = "The cursor is not of this list.", body = ProblemBody,
               content_type = "application/problem+json"),
              (status = 410, description = "The cursor is from before a restore.", body = ProblemBody,
               content_type = "application/problem+json")))]
pub(crate) async fn list(
    session_id: web::Path<Uuid>,
    request: HttpRequest,
    principal: Principal,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let mut params = Params::of(&request)?;
    let page = params.page();
    let status: Option<Status> = params.optional("status");
    let filter = EvidenceFilter {
        item_id: params.optional::<ClientKey<128>>("item_id").map(ClientKey::into_string),
        status: status.map(|status| status.0.to_owned()),
    };
    params.finish()?;
    let organisation_id = principal.organisation_id;
    let tx = state.database.tenant(organisation_id).read().await?;
    lookup::find(&tx, organisation_id, *session_id).await?;
    let filters = format!("{session_id} {filter:?}");
    let scope =
        WalkScope { organisation_id, list: "/v1/tests/sessions/{session_id}/evidence", filters: &filters };
    let walk = state.cursor_key.walk(&tx, &page, scope).await?;
    let page = evidence::list(&tx, organisation_id, *session_id, &filter, &walk).await?;
    let next_cursor = page.next.map(|last| state.cursor_key.next(&walk, last, scope)).transpose()?;
    let data = page.rows.into_iter().map(EvidenceView::from).collect();
    Ok(List { data, next_cursor }.respond(&request))
}

/// A status as a query names it.
#[derive(Clone, Copy)]
struct Status(&'static str);

choice! {
    Status {
        "verified" => Status("verified"),
        "flagged" => Status("flagged"),
    }
}

/// Flags a piece of evidence for review
///
/// A flag that is there stays as it is.
#[utoipa::path(post, path = "/v1/evidence/{evidence_id}/flag", tag = "evidence", request_body = FlagEvidence,
    params(("evidence_id" = Uuid, Path),
           ("Idempotency-Key" = Option<String>, Header, description = "Makes a retry safe.")),
    responses((status = 200, description = "Flagged.", body = EvidenceView)))]
pub(crate) async fn flag(
    id: web::Path<Uuid>,
    body: Body<FlagEvidence>,
    key: Key,
    principal: Principal,
    context: RequestContext,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    review(*id, &body, true, key, &principal, context, &state).await
}

/// Takes the flag off a piece of evidence after review
///
/// Who flagged it stays in the audit log, with a hash of why.
#[utoipa::path(post, path = "/v1/evidence/{evidence_id}/unflag", tag = "evidence", request_body = FlagEvidence,
    params(("evidence_id" = Uuid, Path),
           ("Idempotency-Key" = Option<String>, Header, description = "Makes a retry safe.")),
    responses((status = 200, description = "Not flagged any more.", body = EvidenceView)))]
pub(crate) async fn unflag(
    id: web::Path<Uuid>,
    body: Body<FlagEvidence>,
    key: Key,
    principal: Principal,
    context: RequestContext,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    review(*id, &body, false, key, &principal, context, &state).await
}

async fn review(
    id: Uuid,
    body: &Body<FlagEvidence>,
    is_to_be_flagged: bool,
    key: Key,
    principal: &Principal,
    context: RequestContext,
    state: &State,
) -> Result<HttpResponse, Problem> {
    let (organisation_id, user_id) = (principal.organisation_id, principal.user_id);
    let reason: &str = &body.value.reason;
    let outcome = state
        .run_once(principal, &key, &body.fingerprint, async |tx| {
            let before =
                evidence::find_to_change(tx, organisation_id, id).await?.ok_or_else(no_such_evidence)?;
            if before.flag.is_some() == is_to_be_flagged {
                return Outcome::new(StatusCode::OK, &EvidenceView::from(before));
            }
            evidence::set_flag(tx, organisation_id, id, is_to_be_flagged.then_some((reason, user_id)))
                .await?;
            let after = evidence::find(tx, organisation_id, id).await?.ok_or_else(no_such_evidence)?;
            let action = if is_to_be_flagged { "evidence.flag" } else { "evidence.unflag" };
            let commitments = audit::commitments(tx, organisation_id, id).await?;
            let was = ReviewOnRecord { status: before.status, reason: None };
            let why = commitments.to_text("reason", reason);
            let is = ReviewOnRecord { status: after.status.clone(), reason: Some(why) };
            let event = act(principal, context, action, ("evidence", id), on_record(&was)?, on_record(&is)?);
            audit::record(tx, &[event]).await?;
            Outcome::new(StatusCode::OK, &EvidenceView::from(after))
        })
        .await?;
    Ok(outcome.respond())
}

/// Hashes the stored bytes anew
#[utoipa::path(get, path = "/v1/evidence/{evidence_id}/verify", tag = "evidence", params(("evidence_id" = Uuid, Path)),
    responses((status = 200, description = "Whether they are what was uploaded.", body = Verification)))]
pub(crate) async fn verify(
    id: web::Path<Uuid>,
    principal: Principal,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let evidence = find(&state, &principal, *id).await?;
    let actual = match state.evidence.hash(&evidence.storage_key).await {
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

pub(crate) async fn find(state: &State, principal: &Principal, id: Uuid) -> Result<Evidence, Problem> {
    let tx = state.database.tenant(principal.organisation_id).read().await?;
    let evidence = evidence::find(&tx, principal.organisation_id, id).await?;
    evidence.ok_or_else(no_such_evidence)
}

fn no_such_evidence() -> Problem {
    Problem::not_found("evidence")
}
