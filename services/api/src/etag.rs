//! Entity tags, and conditional requests on single objects.

use std::io::{self, Write};

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};
use data_encoding::HEXLOWER;
use firemode_web::Problem;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{ObjectBuilder, Required, Type};

/// Documents the header that [`check_if_match`] looks at.
pub(crate) struct IfMatch;

impl IntoParams for IfMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let header = ParameterBuilder::new().name("If-Match").parameter_in(ParameterIn::Header);
        let header =
            header.required(Required::False).schema(Some(ObjectBuilder::new().schema_type(Type::String)));
        vec![header.description(Some("`ETag` of the state that you read.")).build()]
    }
}

/// The tag of a row: its time of change.
pub(crate) fn of_time(time: OffsetDateTime) -> String {
    format!("\"{:x}\"", time.unix_timestamp_nanos() / 1000)
}

/// The tag of a row as its JSON has it.
pub(crate) fn of_body(body: &Value) -> Option<String> {
    let time = body["updated_at"].as_str()?;
    OffsetDateTime::parse(time, &Rfc3339).ok().map(of_time)
}

/// The tag of content: the first half of its SHA-256.
pub(crate) fn of_bytes(bytes: &[u8]) -> String {
    of_hash(Sha256::digest(bytes).into())
}

/// The tag of content as JSON, which is never in memory as a whole.
///
/// # Errors
/// It cannot be written as JSON.
pub(crate) fn of_json(content: &impl Serialize) -> serde_json::Result<String> {
    let mut hashing = Hashing(Sha256::new());
    serde_json::to_writer(&mut hashing, content)?;
    Ok(of_hash(hashing.0.finalize().into()))
}

struct Hashing(Sha256);

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn of_hash(hash: [u8; 32]) -> String {
    format!("\"{}\"", HEXLOWER.encode(&hash[..16]))
}

/// 412 where the client has read an older state than the present one.
pub(crate) fn check_if_match(request: &HttpRequest, tag: &str) -> Result<(), Problem> {
    match tags(request, IF_MATCH) {
        Some(given) if !names(&given, tag) => Err(Problem::precondition_failed()),
        _ => Ok(()),
    }
}

/// Does the client have this state already?
pub(crate) fn is_known(request: &HttpRequest, tag: &str) -> bool {
    known(request).is_some_and(|given| names(&given, tag))
}

/// The states that the client has, for [`names`].
pub(crate) fn known(request: &HttpRequest) -> Option<String> {
    tags(request, IF_NONE_MATCH)
}

fn tags(request: &HttpRequest, header: HeaderName) -> Option<String> {
    let lines: Vec<_> =
        request.headers().get_all(header).map(|line| String::from_utf8_lossy(line.as_bytes())).collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

/// A compressing proxy may have marked the tag as weak; the content is the same.
pub(crate) fn names(given: &str, tag: &str) -> bool {
    given.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == tag)
}
