//! tus 1.0.0 (<https://tus.io/protocols/resumable-upload>): its names, what we add to it, and what its requests and answers have in
//! common.

use actix_web::dev::ServiceRequest;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};

/// Routes here and below speak tus.
const UPLOADS: &str = "/v1/evidence/uploads";

/// The version that we speak.
pub const VERSION: &str = "1.0.0";

/// What we can beside the core of the protocol.
pub const EXTENSIONS: &str = "creation,creation-defer-length,expiration,checksum,termination,concatenation";

/// Algorithms for the checksum of a chunk.
pub const CHECKSUM_ALGORITHMS: &str = "sha1,sha256";

/// The media type of a chunk.
pub const CONTENT_TYPE_OF_CHUNKS: &str = "application/offset+octet-stream";

/// The status for a chunk with another checksum than was sent with it.
pub const CHECKSUM_MISMATCH: u16 = 460;

/// The version that a request or an answer speaks.
pub const TUS_RESUMABLE: &str = "tus-resumable";
/// The versions that the server speaks.
pub const TUS_VERSION: &str = "tus-version";
/// What it can.
pub const TUS_EXTENSION: &str = "tus-extension";
/// The largest file, in bytes.
pub const TUS_MAX_SIZE: &str = "tus-max-size";
/// Algorithms for checksums.
pub const TUS_CHECKSUM_ALGORITHM: &str = "tus-checksum-algorithm";
/// How long the file is, in bytes.
pub const UPLOAD_LENGTH: &str = "upload-length";
/// `1` while it is not known how long the file is.
pub const UPLOAD_DEFER_LENGTH: &str = "upload-defer-length";
/// Says that an upload is a part of a file, or which parts a file is put together from.
pub const UPLOAD_CONCAT: &str = "upload-concat";
/// How much of it is durable, or where a chunk belongs, in bytes.
pub const UPLOAD_OFFSET: &str = "upload-offset";
/// What is said about the file.
pub const UPLOAD_METADATA: &str = "upload-metadata";
/// The checksum of a chunk.
pub const UPLOAD_CHECKSUM: &str = "upload-checksum";
/// When the upload is removed.
pub const UPLOAD_EXPIRES: &str = "upload-expires";
/// The evidence that a complete upload has become. Ours.
pub const EVIDENCE_ID: &str = "evidence-id";
/// Its receipt. Ours.
pub const EVIDENCE_RECEIPT: &str = "evidence-receipt";

/// The method that is meant, where a client cannot send it as it is.
const METHOD_OVERRIDE: &str = "x-http-method-override";

/// What clients say in headers, each of them once.
pub static REQUEST_HEADERS: [HeaderName; 8] = [
    HeaderName::from_static(METHOD_OVERRIDE),
    HeaderName::from_static(TUS_RESUMABLE),
    HeaderName::from_static(UPLOAD_LENGTH),
    HeaderName::from_static(UPLOAD_DEFER_LENGTH),
    HeaderName::from_static(UPLOAD_CONCAT),
    HeaderName::from_static(UPLOAD_OFFSET),
    HeaderName::from_static(UPLOAD_METADATA),
    HeaderName::from_static(UPLOAD_CHECKSUM),
];

/// What answers say of one upload.
pub static RESPONSE_HEADERS: [HeaderName; 8] = [
    HeaderName::from_static(UPLOAD_LENGTH),
    HeaderName::from_static(UPLOAD_DEFER_LENGTH),
    HeaderName::from_static(UPLOAD_CONCAT),
    HeaderName::from_static(UPLOAD_OFFSET),
    HeaderName::from_static(UPLOAD_METADATA),
    HeaderName::from_static(UPLOAD_EXPIRES),
    HeaderName::from_static(EVIDENCE_ID),
    HeaderName::from_static(EVIDENCE_RECEIPT),
];

/// What answers say of uploads in general.
pub static CAPABILITY_HEADERS: [HeaderName; 5] = [
    HeaderName::from_static(TUS_RESUMABLE),
    HeaderName::from_static(TUS_VERSION),
    HeaderName::from_static(TUS_EXTENSION),
    HeaderName::from_static(TUS_MAX_SIZE),
    HeaderName::from_static(TUS_CHECKSUM_ALGORITHM),
];

/// The method that a request for a route means: none where it cannot be read.
pub(crate) fn method(request: &ServiceRequest, route: &str) -> Option<Method> {
    match request.headers().get(METHOD_OVERRIDE) {
        Some(meant) if route.starts_with(UPLOADS) => Method::from_bytes(meant.as_bytes()).ok(),
        _ => Some(request.method().clone()),
    }
}

/// Adds what each answer of a route of uploads says.
pub(crate) fn add(headers: &mut HeaderMap, route: Option<&str>, status: StatusCode) {
    if !route.is_some_and(|route| route.starts_with(UPLOADS)) {
        return;
    }
    headers.insert(HeaderName::from_static(TUS_RESUMABLE), HeaderValue::from_static(VERSION));
    if status == StatusCode::PRECONDITION_FAILED {
        headers.insert(HeaderName::from_static(TUS_VERSION), HeaderValue::from_static(VERSION));
    }
}
