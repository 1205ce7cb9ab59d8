//! The headers of tus 1.0.0.

use std::collections::BTreeMap;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use firemode_domain::input::{At, Faults, Input, Line, Members, Metadata};
use firemode_web::Problem;
use firemode_web::tus::{
    CONTENT_TYPE_OF_CHUNKS, TUS_RESUMABLE, UPLOAD_CHECKSUM, UPLOAD_LENGTH, UPLOAD_METADATA, UPLOAD_OFFSET,
    VERSION,
};
use firemode_web::wire::EvidenceFields;

use crate::evidence::fields;

/// The name of the file on the device; kept with what the device says about it.
const FILE_NAME: &str = "filename";

/// Clients say it by habit; the type is found by looking at the bytes.
const FILE_TYPE: &str = "filetype";

const FILE_NAME_BYTES_MAX: usize = 512;

type FileName = Line<FILE_NAME_BYTES_MAX>;

/// What a chunk's bytes must hash to.
pub(super) struct Checksum {
    context: Context,
    wanted: Vec<u8>,
}

/// 412 for another version of the protocol.
pub(super) fn check_version(request: &HttpRequest) -> Result<(), Problem> {
    if text(request, TUS_RESUMABLE)? == Some(VERSION) {
        return Ok(());
    }
    let detail = format!("Uploads speak tus {VERSION}: send Tus-Resumable: {VERSION}.");
    Err(Problem::new(StatusCode::PRECONDITION_FAILED, detail))
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

/// How long the file is.
pub(super) fn length(request: &HttpRequest) -> Result<u64, Problem> {
    number(request, UPLOAD_LENGTH)
}

/// Where a chunk belongs.
pub(super) fn offset(request: &HttpRequest) -> Result<u64, Problem> {
    number(request, UPLOAD_OFFSET)
}

fn number(request: &HttpRequest, name: &str) -> Result<u64, Problem> {
    let number = text(request, name)?.and_then(|text| text.parse().ok());
    number.ok_or_else(|| Problem::bad_request(format!("{name} must be there once, a whole number of bytes.")))
}

/// What is said about the file: the fields of the form, each in base64.
pub(super) fn fields(request: &HttpRequest) -> Result<EvidenceFields, Problem> {
    let mut faults = Faults::default();
    let mut texts = BTreeMap::new();
    for pair in text(request, UPLOAD_METADATA)?.unwrap_or_default().split(',') {
        let (name, value) = pair.trim().split_once(' ').unwrap_or((pair.trim(), ""));
        if name.is_empty() {
            continue;
        }
        match decoded(name, value) {
            Err(why) => faults.add(&At::named(name), why),
            Ok(_) if texts.contains_key(name) => faults.add(&At::named(name), "is there twice; send it once"),
            Ok(value) => drop(texts.insert(name.to_owned(), value)),
        }
    }
    texts.remove(FILE_TYPE);
    let file_name: Option<FileName> =
        texts.remove(FILE_NAME).and_then(|name| Input::read_text(name, &At::named(FILE_NAME), &mut faults));
    let fields = fields::from_members(Members::of_texts(texts, &mut faults));
    let mut fields = faults.into_result(fields).map_err(Problem::invalid)?;
    if let Some(name) = file_name {
        let Metadata(metadata) = fields.metadata.get_or_insert_default();
        metadata.entry(FILE_NAME).or_insert(name.into_string().into());
    }
    Ok(fields)
}

fn decoded(name: &str, value: &str) -> Result<String, String> {
    let bytes_max = bytes_max(name).ok_or("is not a known field; remove it or correct its name")?;
    let text = STANDARD.decode(value.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let text = text.ok_or("must be UTF-8 text in base64")?;
    if text.len() > bytes_max { Err(format!("may have {bytes_max} bytes at most")) } else { Ok(text) }
}

fn bytes_max(name: &str) -> Option<usize> {
    let known = fields::TEXTS.iter().find(|(known, _)| *known == name).map(|(_, max)| *max);
    known.or_else(|| matches!(name, FILE_NAME | FILE_TYPE).then_some(FILE_NAME_BYTES_MAX))
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
