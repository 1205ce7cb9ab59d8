//! Headers of answers, each described once.

use serde_json::json;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::Operation;
use utoipa::openapi::{Components, ObjectBuilder, Ref, RefOr, Response, Type};

/// Names the request; every answer has it.
pub(super) const TRANSACTION_ID: &str = "X-Transaction-Id";
/// When a refused request may come again.
pub(super) const RETRY_AFTER: &str = "Retry-After";
/// How to authenticate.
pub(super) const WWW_AUTHENTICATE: &str = "WWW-Authenticate";
/// Where what was made is.
pub(super) const LOCATION: &str = "Location";
/// Which state was shown.
pub(super) const ETAG: &str = "ETag";
/// The next page of a list.
pub(super) const LINK: &str = "Link";
/// The version of tus that is spoken.
pub(super) const TUS_RESUMABLE: &str = "Tus-Resumable";
/// Was the answer given before?
pub(super) const IDEMPOTENT_REPLAYED: &str = "Idempotent-Replayed";

/// All of them: what they say, and an example.
const HEADERS: [(&str, &str, &str); 24] = [
    (
        TRANSACTION_ID,
        "Names the request in the logs of every process.",
        "019a0000-0000-7000-8000-000000000000",
    ),
    (RETRY_AFTER, "Seconds after which it is worth a try.", "1"),
    (WWW_AUTHENTICATE, "How to authenticate.", "Bearer"),
    (LOCATION, "The address of what was made.", "/v1/buildings/019a0000-0000-7000-8000-000000000000"),
    (
        ETAG,
        "Names the state, or the content, for `If-Match`, `If-None-Match` and `If-Range`.",
        "\"5c1f0e0d\"",
    ),
    (LINK, "The next page, where there is one.", "</v1/buildings?cursor=eyJ2Ijox>; rel=\"next\""),
    (IDEMPOTENT_REPLAYED, "There where the answer was given before, under the same key.", "true"),
    ("Accept-Ranges", "A range of bytes can be asked for.", "bytes"),
    (
        "Content-Disposition",
        "What to do with the file, and what it is called.",
        "attachment; filename=\"door.jpg\"",
    ),
    ("Content-Range", "Which bytes of how many; with 416, how many there are.", "bytes 0-1023/20480"),
    (TUS_RESUMABLE, "The version of tus that the answer speaks.", "1.0.0"),
    ("Tus-Version", "The versions that are spoken here.", "1.0.0"),
    ("Tus-Extension", "What is offered beside the core of tus.", "creation,expiration"),
    ("Tus-Max-Size", "The largest file, in bytes.", "104857600"),
    ("Tus-Checksum-Algorithm", "Algorithms for the checksum of a chunk.", "sha1,sha256"),
    ("Upload-Offset", "How many bytes are durable.", "1048576"),
    ("Upload-Length", "How long the file is, in bytes; left out where that is not known yet.", "20971520"),
    ("Upload-Defer-Length", "`1` while it is not known how long the file is.", "1"),
    ("Upload-Metadata", "What was said of the file, as it was sent.", "evidence_type cGhvdG8="),
    ("Upload-Concat", "What was said of parts, as it was sent.", "partial"),
    ("Upload-Expires", "When the upload is removed unless it goes on.", "Mon, 30 Nov 2026 12:00:00 GMT"),
    (
        "Evidence-Id",
        "The evidence that a complete upload has become.",
        "019a0000-0000-7000-8000-000000000000",
    ),
    (
        "Next-Since",
        "The token for the next time, where the answer came to its end.",
        "eyJ2ZWN0b3JfY2xvY2siOnt9fQ",
    ),
    ("Evidence-Receipt", "Its receipt.", "eyJhbGciOiJFZERTQSJ9..."),
];

/// Declares all of them.
pub(super) fn declare(components: &mut Components) {
    components.headers =
        HEADERS.map(|(name, says, example)| (name.to_owned(), header(says, example).into())).into();
}

fn header(says: &str, example: &str) -> Header {
    let is_number = example.parse::<u64>().is_ok();
    let schema = ObjectBuilder::new().schema_type(if is_number { Type::Integer } else { Type::String });
    let example = if is_number { json!(example.parse::<u64>().unwrap_or_default()) } else { json!(example) };
    HeaderBuilder::new().schema(Some(schema)).description(Some(says)).example(Some(example)).build()
}

/// Says that an answer has a header.
pub(super) fn add(response: &mut Response, name: &str) {
    let declared = Ref::new(format!("#/components/headers/{name}"));
    response.headers.insert(name.to_owned(), RefOr::Ref(declared));
}

/// The same of the answer of an operation with this status, where there is one.
pub(super) fn add_to(operation: &mut Operation, status: &str, name: &str) {
    if let Some(RefOr::T(response)) = operation.responses.responses.get_mut(status) {
        add(response, name);
    }
}

/// Does an answer of an operation have a header?
pub(super) fn has(operation: &Operation, status: &str, name: &str) -> bool {
    let response = operation.responses.responses.get(status);
    matches!(response, Some(RefOr::T(response)) if response.headers.contains_key(name))
}

/// Puts what is declared in the place of what a handler says by name alone, and adds the one that every answer has.
pub(super) fn refer(response: &mut Response) {
    let named: Vec<String> = response.headers.keys().cloned().collect();
    named.iter().for_each(|name| add(response, name));
    add(response, TRANSACTION_ID);
}
