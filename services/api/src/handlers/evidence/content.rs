//! The bytes of evidence.

use std::ops::Range;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, ETAG, RANGE,
};
use actix_web::{HttpResponse, web};
use data_encoding::HEXLOWER;
use firemode_web::Problem;
use uuid::Uuid;

use crate::call::Call;
use crate::etag;
use crate::handlers::evidence::find;

/// Reads the bytes of a piece of evidence
#[utoipa::path(get, path = "/v1/evidence/{evidence_id}/content", tag = "evidence",
    params(("evidence_id" = Uuid, Path),
           ("Range" = Option<String>, Header, description = "One range of bytes.", example = "bytes=0-1023")),
    responses((status = 200, description = "All bytes.", content_type = "*/*",
               headers(("ETag", description = "Names the content."))),
              (status = 206, description = "The bytes of the range.", content_type = "*/*"),
              (status = 304, description = "You have them already."),
              (status = 416, description = "The range lies outside the content.")))]
pub(crate) async fn content(id: web::Path<Uuid>, call: Call) -> Result<HttpResponse, Problem> {
    let evidence = find(&call, *id).await?;
    let size = u64::try_from(evidence.size_bytes).unwrap_or_default();
    let tag = format!("\"{}\"", HEXLOWER.encode(&evidence.sha256));
    if etag::is_known(&call.request, &tag) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, tag)).finish());
    }
    let range = match call.request.headers().get(RANGE).and_then(|value| value.to_str().ok()) {
        Some(text) => parse_range(text, size)?,
        None => None,
    };
    let stream = call.state.evidence.read(&evidence.storage_key, range.clone()).await?;
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
        .insert_header((CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"))
        .insert_header((CONTENT_LENGTH, length))
        .content_type(evidence.content_type)
        .no_chunking(length)
        .streaming(stream))
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
