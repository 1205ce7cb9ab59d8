//! Which web pages of other origins may call from a browser: none that the configuration does not name.

use actix_cors::Cors;
use actix_web::http::Method;
use actix_web::http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderName, IF_MATCH, IF_NONE_MATCH, LINK, LOCATION, RANGE,
    RETRY_AFTER,
};
use firemode_runtime::settings::CorsSettings;
use firemode_web::tus::{
    EVIDENCE_ID, EVIDENCE_RECEIPT, TUS_CHECKSUM_ALGORITHM, TUS_EXTENSION, TUS_MAX_SIZE, TUS_RESUMABLE,
    TUS_VERSION, UPLOAD_CHECKSUM, UPLOAD_EXPIRES, UPLOAD_LENGTH, UPLOAD_METADATA, UPLOAD_OFFSET,
};
use firemode_web::{IDEMPOTENCY_KEY, IDEMPOTENT_REPLAYED, TRANSACTION_ID};

/// What a client of resumable uploads sends.
const OF_UPLOADS: [&str; 5] = [TUS_RESUMABLE, UPLOAD_LENGTH, UPLOAD_OFFSET, UPLOAD_METADATA, UPLOAD_CHECKSUM];

/// What it reads of the answers.
const TOLD_OF_UPLOADS: [&str; 10] = [
    TUS_RESUMABLE,
    TUS_VERSION,
    TUS_EXTENSION,
    TUS_MAX_SIZE,
    TUS_CHECKSUM_ALGORITHM,
    UPLOAD_LENGTH,
    UPLOAD_OFFSET,
    UPLOAD_EXPIRES,
    EVIDENCE_ID,
    EVIDENCE_RECEIPT,
];

/// The answer to a browser that asks. Tokens travel in a header that the page sets, so no credentials of the browser's own
/// (cookies) are ever allowed.
pub(crate) fn cors(settings: &CorsSettings) -> Cors {
    let methods = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let accepted = [
        ACCEPT,
        AUTHORIZATION,
        CONTENT_TYPE,
        IF_MATCH,
        IF_NONE_MATCH,
        RANGE,
        IDEMPOTENCY_KEY,
        HeaderName::from_static("traceparent"),
        HeaderName::from_static("tracestate"),
    ];
    let exposed = [
        ETAG,
        LINK,
        LOCATION,
        RETRY_AFTER,
        TRANSACTION_ID,
        IDEMPOTENT_REPLAYED,
        HeaderName::from_static("ratelimit"),
        HeaderName::from_static("ratelimit-policy"),
    ];
    settings
        .origins()
        .fold(Cors::default(), Cors::allowed_origin)
        .allowed_methods(methods)
        .allowed_headers(accepted.into_iter().chain(OF_UPLOADS.map(HeaderName::from_static)))
        .expose_headers(exposed.into_iter().chain(TOLD_OF_UPLOADS.map(HeaderName::from_static)))
        .max_age(settings.preflight_seconds)
        .block_on_origin_mismatch(false)
}
