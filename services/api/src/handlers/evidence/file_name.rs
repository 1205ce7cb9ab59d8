//! What the file of a piece of evidence is called.

use std::path::Path;

use firemode_domain::media_type::MediaType;
use firemode_storage::evidence::Evidence;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands in `filename*` as it is (RFC 8187, `attr-char`).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// What the device called it, if it said so.
pub(super) fn said(evidence: &Evidence) -> Option<&str> {
    evidence.file_name.as_deref().or_else(|| evidence.metadata["filename"].as_str())
}

/// The name to store it under: what the device called it, without folders, or else its id. It has an extension.
pub(super) fn of(evidence: &Evidence) -> String {
    let said = said(evidence).and_then(|name| name.rsplit(['/', '\\']).next());
    let plain: Option<String> = said.map(|name| name.chars().filter(|c| !c.is_control()).collect());
    let name = plain.filter(|name| !name.trim_matches(['.', ' ']).is_empty());
    let name = name.unwrap_or_else(|| evidence.id.to_string());
    if Path::new(&name).extension().is_some_and(|extension| !extension.is_empty()) {
        return name;
    }
    let media_type = evidence.content_type.parse().unwrap_or(MediaType::Bytes);
    format!("{}.{}", name.trim_end_matches('.'), media_type.extension())
}

/// The name as every client can read it.
pub(super) fn in_ascii(name: &str) -> String {
    let is_plain = |c: &char| (c.is_ascii_graphic() || *c == ' ') && !matches!(c, '"' | '\\' | '%');
    name.chars().map(|c| if is_plain(&c) { c } else { '_' }).collect()
}

/// The name as it is, for those that read RFC 8187.
pub(super) fn encoded(name: &str) -> String {
    utf8_percent_encode(name, ENCODED).to_string()
}
