//! What every answer says to browsers and caches, unless its handler has said something else.

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CROSS_ORIGIN_RESOURCE_POLICY, ETAG, HeaderMap, HeaderName,
    HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

/// An answer of the API is data: as a page it may load, run, embed and send nothing.
const DATA_ALONE: &str =
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox";

/// Adds what is missing. An answer with an entity tag may be kept by its reader, who asks each time whether it still
/// holds; any other is not kept at all.
pub(crate) fn add(headers: &mut HeaderMap) {
    let caching = if headers.contains_key(ETAG) { "private, no-cache" } else { "no-store" };
    let wanted: [(HeaderName, &'static str); 6] = [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (X_FRAME_OPTIONS, "DENY"),
        (CONTENT_SECURITY_POLICY, DATA_ALONE),
        (CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
        (CACHE_CONTROL, caching),
    ];
    for (name, value) in wanted {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}
