//! The headers of tus 1.0.0.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use firemode_storage::evidence_uploads::PARTIAL;
use firemode_web::Problem;
use firemode_web::tus::{
    CONTENT_TYPE_OF_CHUNKS, TUS_RESUMABLE, UPLOAD_CHECKSUM, UPLOAD_CONCAT, UPLOAD_DEFER_LENGTH,
    UPLOAD_LENGTH, UPLOAD_METADATA, UPLOAD_OFFSET, VERSION,
};
use uuid::Uuid;

/// What an upload has to do with others.
pub(super) enum Concatenation {
    /// It is a file by itself.
    Alone,
    /// It is a part of a file.
    Part,
    /// It is a file that is put together from these.
    Of(Vec<Uuid>),
}

/// What a chunk's bytes must hash to.
pub(super) struct Checksum {
    context: Context,
    wanted: Vec<u8>,
}

/// 412 for another version of the protocol, or none.
pub(super) fn check_version(request: &HttpRequest) -> Result<(), Problem> {
    if text(request, TUS_RESUMABLE)?.is_some() {
        check_version_if_said(request)
    } else {
        Err(other_version())
    }
}

/// 412 for another version of the protocol: who only looks need not say one.
pub(super) fn check_version_if_said(request: &HttpRequest) -> Result<(), Problem> {
    match text(request, TUS_RESUMABLE)? {
        None | Some(VERSION) => Ok(()),
        Some(_) => Err(other_version()),
    }
}

fn other_version() -> Problem {
    let detail = format!("Uploads speak tus {VERSION}: send Tus-Resumable: {VERSION}.");
    Problem::new(StatusCode::PRECONDITION_FAILED, detail)
}

/// 415 for a chunk that does not say that it is one.
pub(super) fn check_chunk_type(request: &HttpRequest) -> Result<(), Problem> {
    use actix_web::HttpMessage as _;
    if request.content_type().eq_ignore_ascii_case(CONTENT_TYPE_OF_CHUNKS) {
        return Ok(());
    }
    let detail = format!("A chunk is sent as Content-Type: {CONTENT_TYPE_OF_CHUNKS}.");
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
}

/// How long the file is, where a new upload says so.
pub(super) fn length_or_deferred(request: &HttpRequest) -> Result<Option<u64>, Problem> {
    match (length(request)?, text(request, UPLOAD_DEFER_LENGTH)?) {
        (Some(length), None) => Ok(Some(length)),
        (None, Some("1")) => Ok(None),
        _ => {
            let detail = "Send either Upload-Length, a whole number of bytes, or Upload-Defer-Length: 1.";
            Err(Problem::bad_request(detail))
        }
    }
}

/// How long the file is, where it is said.
pub(super) fn length(request: &HttpRequest) -> Result<Option<u64>, Problem> {
    text(request, UPLOAD_LENGTH)?.map(|text| number(UPLOAD_LENGTH, text)).transpose()
}

/// Where a chunk belongs.
pub(super) fn offset(request: &HttpRequest) -> Result<u64, Problem> {
    number(UPLOAD_OFFSET, text(request, UPLOAD_OFFSET)?.unwrap_or_default())
}

/// Digits alone, as RFC 9110 writes lengths.
fn number(name: &str, text: &str) -> Result<u64, Problem> {
    let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    number.ok_or_else(|| Problem::bad_request(format!("{name} must be there once, a whole number of bytes.")))
}

/// `Upload-Metadata`, as it was sent.
pub(super) fn metadata(request: &HttpRequest) -> Result<Option<String>, Problem> {
    Ok(text(request, UPLOAD_METADATA)?.map(str::to_owned))
}

/// `Upload-Concat`, as it was sent.
pub(super) fn concatenation_text(request: &HttpRequest) -> Result<Option<String>, Problem> {
    Ok(text(request, UPLOAD_CONCAT)?.map(str::to_owned))
}

/// What `Upload-Concat` says: `partial`, or `final;` and the addresses of the parts.
pub(super) fn concatenation(text: Option<&str>) -> Result<Concatenation, Problem> {
    let Some(text) = text else { return Ok(Concatenation::Alone) };
    if text == PARTIAL {
        return Ok(Concatenation::Part);
    }
    let addresses = text.strip_prefix("final;").map(|addresses| addresses.split_ascii_whitespace());
    let parts: Option<Vec<Uuid>> = addresses.and_then(|addresses| addresses.map(id_of).collect());
    parts.filter(|parts| !parts.is_empty()).map(Concatenation::Of).ok_or_else(|| {
        let why =
            "must be partial, or final; and the addresses of uploads that are whole, with blanks between";
        Problem::invalid_field("Upload-Concat", why)
    })
}

/// The id in an upload's address, which may begin with the server's.
fn id_of(address: &str) -> Option<Uuid> {
    address.trim_end_matches('/').rsplit_once("/v1/evidence/uploads/")?.1.parse().ok()
}

/// `Upload-Checksum: sha1 <base64>`; 400 for an algorithm that is not offered.
pub(super) fn checksum(request: &HttpRequest) -> Result<Option<Checksum>, Problem> {
    let Some(text) = text(request, UPLOAD_CHECKSUM)? else { return Ok(None) };
    let (algorithm, value) = text.split_once(' ').unwrap_or((text, ""));
    let algorithm = match algorithm {
        "sha1" => &SHA1_FOR_LEGACY_USE_ONLY,
        "sha256" => &SHA256,
        _ => return Err(Problem::bad_request("Upload-Checksum takes sha1 or sha256.")),
    };
    let wanted = STANDARD.decode(value.trim()).ok().filter(|hash| hash.len() == algorithm.output_len());
    let wanted = wanted.ok_or_else(|| Problem::bad_request("Upload-Checksum has no such hash in base64."))?;
    Ok(Some(Checksum { context: Context::new(algorithm), wanted }))
}

impl Checksum {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
    }

    pub(super) fn matches(self) -> bool {
        self.context.finish().as_ref() == self.wanted
    }
}

fn text<'a>(request: &'a HttpRequest, name: &str) -> Result<Option<&'a str>, Problem> {
    let mut values = request.headers().get_all(name);
    let value = values.next().map(|value| value.to_str()).transpose();
    match (value, values.next()) {
        (Ok(value), None) => Ok(value.map(str::trim)),
        _ => Err(Problem::bad_request(format!("{name} must be there once, in visible ASCII characters."))),
    }
}
