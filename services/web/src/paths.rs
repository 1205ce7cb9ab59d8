//! The one form of a path, by which everything that depends on a path goes.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use uuid::Uuid;

/// What stands in a path as it is; everything else is percent-encoded (RFC 3986, 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The segments of a path, decoded. Slashes that are doubled or stand at the end separate nothing.
///
/// `None` for what is no path of ours in any spelling: a segment that is not UTF-8, holds a slash or a control character
/// once it is decoded, or climbs (`.` and `..`).
pub(crate) fn segments(path: &str) -> Option<Vec<Cow<'_, str>>> {
    path.strip_prefix('/')?.split('/').filter(|segment| !segment.is_empty()).map(decoded).collect()
}

fn decoded(segment: &str) -> Option<Cow<'_, str>> {
    let text = percent_decode_str(segment).decode_utf8().ok()?;
    let is_plain = !matches!(&*text, "." | "..") && !text.contains(|c: char| c == '/' || c.is_control());
    is_plain.then_some(text)
}

/// Adds a segment, as it is written in the one form.
pub(crate) fn push(path: &mut String, segment: &str) {
    path.push('/');
    path.extend(utf8_percent_encode(segment, ENCODED));
}

/// Adds a segment that names an object: a UUID in any spelling is written in one, and what is none stays what it is.
pub(crate) fn push_id(path: &mut String, segment: &str) {
    match Uuid::try_parse(segment) {
        Ok(id) => push(path, id.hyphenated().encode_lower(&mut Uuid::encode_buffer())),
        Err(_) => push(path, segment),
    }
}
