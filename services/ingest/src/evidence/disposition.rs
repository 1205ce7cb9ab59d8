//! What a part of a form is, and what a header says behind its first word.

use percent_encoding::percent_decode;

/// The field that a part of a form gives.
#[derive(Debug)]
pub(super) struct Disposition {
    pub(super) name: String,
    /// What the device calls the file.
    pub(super) file_name: Option<String>,
}

impl Disposition {
    /// Reads `Content-Disposition`. Nothing where it is not that of a field.
    pub(super) fn parse(header: &[u8]) -> Option<Self> {
        let kind = header.split(|byte| *byte == b';').next()?;
        if !kind.trim_ascii().eq_ignore_ascii_case(b"form-data") {
            return None;
        }
        let name = text(&parameter(header, "name")?);
        let extended = parameter(header, "filename*").and_then(|value| extended(&value));
        let file_name = extended.or_else(|| parameter(header, "filename").map(|value| text(&value)));
        Some(Self { name, file_name })
    }
}

/// A parameter of a header, which may be quoted. Without quotes it goes on to the next semicolon.
pub(super) fn parameter(header: &[u8], wanted: &str) -> Option<Vec<u8>> {
    let mut rest = &header[header.iter().position(|byte| *byte == b';')?..];
    while let Some((b';', behind)) = rest.split_first() {
        let end = behind.iter().position(|byte| matches!(byte, b'=' | b';')).unwrap_or(behind.len());
        let (name, value) = behind.split_at(end);
        let (value, left) = value.strip_prefix(b"=").map_or((Vec::new(), value), value_of);
        if name.trim_ascii().eq_ignore_ascii_case(wanted.as_bytes()) {
            return Some(value);
        }
        rest = &left[left.iter().position(|byte| *byte == b';').unwrap_or(left.len())..];
    }
    None
}

/// The value that stands here, and what is behind it.
fn value_of(bytes: &[u8]) -> (Vec<u8>, &[u8]) {
    let Some(mut rest) = bytes.trim_ascii_start().strip_prefix(b"\"") else {
        let end = bytes.iter().position(|byte| *byte == b';').unwrap_or(bytes.len());
        return (bytes[..end].trim_ascii().to_vec(), &bytes[end..]);
    };
    let mut value = Vec::new();
    loop {
        rest = match rest {
            // Nothing else is escaped: a name of Windows has backslashes that are its own.
            [b'\\', escaped @ (b'"' | b'\\'), behind @ ..] => {
                value.push(*escaped);
                behind
            }
            [b'"', behind @ ..] => return (value, behind),
            [byte, behind @ ..] => {
                value.push(*byte);
                behind
            }
            [] => return (value, rest),
        };
    }
}

/// UTF-8, or else Latin-1.
fn text(bytes: &[u8]) -> String {
    str::from_utf8(bytes).map_or_else(|_| bytes.iter().map(|byte| char::from(*byte)).collect(), str::to_owned)
}

/// A value with its character set in front (RFC 8187).
fn extended(value: &[u8]) -> Option<String> {
    let mut parts = value.splitn(3, |byte| *byte == b'\'');
    let (_charset, _language, encoded) = (parts.next()?, parts.next()?, parts.next()?);
    Some(text(&percent_decode(encoded).collect::<Vec<u8>>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_clients_write_them() {
        for (header, expected) in [
            (&b"form-data; name=\"file\"; filename=\"a b;c.jpg\""[..], "a b;c.jpg"),
            (b"form-data; filename=door 1.jpg ; name=file", "door 1.jpg"),
            (b"Form-Data;name=file;FILENAME=\"caf\xe9.jpg\"", "caf\u{e9}.jpg"),
            ("form-data; name=file; filename=\"caf\u{e9}.jpg\"".as_bytes(), "caf\u{e9}.jpg"),
            (br#"form-data; name="file"; filename="a\"b\\c.jpg""#, r#"a"b\c.jpg"#),
            (br#"form-data; name="file"; filename="C:\new\a.jpg""#, r"C:\new\a.jpg"),
            (b"form-data; name=file; filename=\"x\"; filename*=UTF-8''caf%C3%A9.jpg", "caf\u{e9}.jpg"),
            (b"form-data; name=file; filename*=iso-8859-1'en'caf%E9.jpg; filename=x", "caf\u{e9}.jpg"),
        ] {
            let read = Disposition::parse(header).expect("it is one of a field");
            assert_eq!((read.name.as_str(), read.file_name.as_deref()), ("file", Some(expected)));
        }
    }

    #[test]
    fn what_names_no_field_is_refused() {
        for header in [&b"attachment; name=file"[..], b"form-data", b"form-data; filename=x", b""] {
            assert!(Disposition::parse(header).is_none(), "{header:?}");
        }
    }
}
