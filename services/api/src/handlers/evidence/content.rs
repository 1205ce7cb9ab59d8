//! The bytes of evidence.

use std::ops::Range;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CROSS_ORIGIN_RESOURCE_POLICY, ETAG, IF_RANGE, RANGE,
};
use actix_web::{HttpRequest, HttpResponse, web};
use data_encoding::HEXLOWER;
use firemode_domain::media_type::MediaType;
use firemode_storage::evidence::Evidence;
use firemode_web::Problem;
use uuid::Uuid;

use crate::call::Call;
use crate::etag;
use crate::handlers::evidence::{file_name, find};
use crate::state::ApiState;

/// To whom the bytes are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// A client that has a token, and stores what it reads.
    Client,
    /// A page that shows what it reads, wherever the page is from.
    Page,
}

/// Reads the bytes of a piece of evidence
#[utoipa::path(get, path = "/v1/evidence/{evidence_id}/content", tag = "evidence",
    params(("evidence_id" = Uuid, Path),
           ("Range" = Option<String>, Header, description = "One range of bytes.", example = "bytes=0-1023"),
           ("If-Range" = Option<String>, Header,
            description = "`ETag` of the bytes that you have: the range where they are the same, else all bytes.")),
    responses((status = 200, description = "All bytes.", content_type = "*/*",
               headers(("ETag"), ("Accept-Ranges"), ("Content-Disposition"))),
              (status = 206, description = "The bytes of the range.", content_type = "*/*",
               headers(("ETag"), ("Accept-Ranges"), ("Content-Disposition"), ("Content-Range"))),
              (status = 304, description = "You have them already."),
              (status = 416, description = "The range lies outside the content; `Content-Range` says how long that is.",
               headers(("Content-Range")))))]
pub(crate) async fn content(id: web::Path<Uuid>, call: Call) -> Result<HttpResponse, Problem> {
    let evidence = find(&call.state, call.organisation_id(), *id).await?;
    serve(&call.request, &call.state, evidence, Reader::Client).await
}

/// Answers with the bytes that were asked for.
pub(super) async fn serve(
    request: &HttpRequest,
    state: &ApiState,
    evidence: Evidence,
    reader: Reader,
) -> Result<HttpResponse, Problem> {
    let size = u64::try_from(evidence.size_bytes).unwrap_or_default();
    let tag = format!("\"{}\"", HEXLOWER.encode(&evidence.sha256));
    if etag::is_known(request, &tag) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, tag)).finish());
    }
    let range = wanted_range(request, &tag, size)?;
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
    match reader {
        Reader::Client => {
            response.insert_header((CACHE_CONTROL, "private, max-age=31536000, immutable"));
        }
        Reader::Page => {
            response.insert_header((CACHE_CONTROL, "private, max-age=300"));
            response.insert_header((CROSS_ORIGIN_RESOURCE_POLICY, "cross-origin"));
        }
    }
    let length = range.map_or(size, |range| range.end - range.start);
    Ok(response
        .insert_header((ETAG, tag))
        .insert_header((ACCEPT_RANGES, "bytes"))
        .insert_header((CONTENT_DISPOSITION, disposition(&evidence, reader)))
        .insert_header((CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"))
        .insert_header((CONTENT_LENGTH, length))
        .content_type(evidence.content_type)
        .no_chunking(length)
        .streaming(stream))
}

/// The range that a request asks for. One that belongs to other bytes than these is none (RFC 9110, 13.1.5): all bytes.
fn wanted_range(request: &HttpRequest, tag: &str, size: u64) -> Result<Option<Range<u64>>, Problem> {
    let said = |name| request.headers().get(name).map(|value| value.to_str().unwrap_or_default());
    if said(IF_RANGE).is_some_and(|known| known.trim() != tag) {
        return Ok(None);
    }
    said(RANGE).map_or(Ok(None), |text| parse_range(text, size))
}

/// What is done with the file, and what it is called (RFC 6266). What somebody uploaded is shown inside a page only where it is a
/// picture, a film or a sound, and the page asks for that.
fn disposition(evidence: &Evidence, reader: Reader) -> String {
    let media_type: Option<MediaType> = evidence.content_type.parse().ok();
    let is_shown = reader == Reader::Page && media_type.is_some_and(MediaType::is_shown_in_pages);
    let kind = if is_shown { "inline" } else { "attachment" };
    let name = file_name::of(evidence);
    let plain = file_name::in_ascii(&name);
    if plain == name {
        return format!("{kind}; filename=\"{plain}\"");
    }
    format!("{kind}; filename=\"{plain}\"; filename*=UTF-8''{}", file_name::encoded(&name))
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
    if range.start < range.end { Ok(Some(range)) } else { Err(Problem::range_not_satisfiable(size)) }
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
