//! Reading evidence back.

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, ETAG, RANGE,
};
use actix_web::{HttpRequest, HttpResponse, web};
use firemode_storage::evidence::{self, Evidence};
use firemode_web::Problem;
use serde::Serialize;
use serde_json::Value;
use std::ops::Range;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access::Principal;
use crate::docs::free_object;
use crate::etag;
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
    uploaded_by: Uuid,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
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

impl From<Evidence> for EvidenceView {
    fn from(evidence: Evidence) -> Self {
        Self {
            id: evidence.id,
            session_id: evidence.session_id,
            item_id: evidence.item_id,
            evidence_type: evidence.evidence_type,
            hash: hex(&evidence.sha256),
            size: evidence.size_bytes,
            content_type: evidence.content_type,
            metadata: evidence.metadata,
            status: evidence.status,
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

/// Reads the bytes of a piece of evidence
#[utoipa::path(get, path = "/v1/evidence/{evidence_id}/content", tag = "evidence",
    params(("evidence_id" = Uuid, Path),
           ("Range" = Option<String>, Header, description = "One range of bytes.", example = "bytes=0-1023")),
    responses((status = 200, description = "All bytes.", content_type = "application/octet-stream"),
              (status = 206, description = "The bytes of the range.", content_type = "application/octet-stream"),
              (status = 304, description = "You have them already."),
              (status = 416, description = "The range lies outside the content.", body = firemode_web::ProblemBody,
               content_type = "application/problem+json")))]
pub(crate) async fn content(
    id: web::Path<Uuid>,
    request: HttpRequest,
    principal: Principal,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let evidence = find(&state, &principal, *id).await?;
    let size = u64::try_from(evidence.size_bytes).unwrap_or_default();
    let tag = format!("\"{}\"", hex(&evidence.sha256));
    if etag::is_known(&request, &tag) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, tag)).finish());
    }
    let range = match request.headers().get(RANGE).and_then(|value| value.to_str().ok()) {
        Some(text) => parse_range(text, size)?,
        None => None,
    };
    let stream = state.evidence.read(&evidence.storage_key, range.clone()).await?;
    let mut response = match &range {
        Some(range) => {
            let mut response = HttpResponse::build(StatusCode::PARTIAL_CONTENT);
            let span = format!("bytes {}-{}/{size}", range.start, range.end - 1);
            response.insert_header((CONTENT_RANGE, span));
            response
        }
        None => HttpResponse::Ok(),
    };
    let length = range.map_or(size, |range| range.end - range.start);
    // What somebody uploaded is never shown inside a page of ours.
    let disposition = format!("attachment; filename=\"{}\"", evidence.id);
    Ok(response
        .insert_header((ETAG, tag))
        .insert_header((ACCEPT_RANGES, "bytes"))
        .insert_header((CACHE_CONTROL, "private, max-age=31536000, immutable"))
        .insert_header((CONTENT_DISPOSITION, disposition))
        .insert_header((CONTENT_LENGTH, length))
        .content_type(evidence.content_type)
        .no_chunking(length)
        .streaming(stream))
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
        expected_hash: hex(&evidence.sha256),
        actual_hash: actual.map(|hash| hex(&hash)),
        verified_at: OffsetDateTime::now_utc(),
    }))
}

async fn find(state: &State, principal: &Principal, id: Uuid) -> Result<Evidence, Problem> {
    let tx = state.database.tenant(principal.organisation_id).read().await?;
    let evidence = evidence::find(&tx, principal.organisation_id, id).await?;
    evidence.ok_or_else(|| Problem::not_found("evidence"))
}

/// One range of RFC 9110, 14.1.2. A header of another form or with several ranges is ignored, as the RFC allows: all bytes.
fn parse_range(text: &str, size: u64) -> Result<Option<Range<u64>>, Problem> {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|spec| spec.split_once('-')) else {
        return Ok(None);
    };
    let range = match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(start), Ok(last)) if last >= start => start..last.saturating_add(1).min(size),
        (Ok(start), Err(_)) if last.trim().is_empty() => start..size,
        (Err(_), Ok(suffix)) if first.trim().is_empty() => size.saturating_sub(suffix)..size,
        _ => return Ok(None),
    };
    if range.start < range.end {
        Ok(Some(range))
    } else {
        Err(Problem::of_status(StatusCode::RANGE_NOT_SATISFIABLE))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_rfc_9110_says() {
        let read = |text| parse_range(text, 10).map_err(|problem| problem.status().as_u16());
        assert_eq!(read("bytes=0-0"), Ok(Some(0..1)));
        assert_eq!(read("bytes=2-99"), Ok(Some(2..10)));
        assert_eq!(read("bytes=4-"), Ok(Some(4..10)));
        assert_eq!(read("bytes=-3"), Ok(Some(7..10)));
        assert_eq!(read("bytes=-30"), Ok(Some(0..10)));
        assert_eq!(read("bytes=10-"), Err(416));
        assert_eq!(read("bytes=-0"), Err(416));
        assert_eq!(read("bytes=3-2"), Ok(None));
        assert_eq!(read("lines=1-2"), Ok(None));
        assert_eq!(read("bytes=0-1,3-4"), Ok(None));
        assert_eq!(parse_range("bytes=0-", 0).map_err(|problem| problem.status().as_u16()), Err(416));
    }
}
