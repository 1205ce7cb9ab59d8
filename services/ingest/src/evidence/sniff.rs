//! Media types by the first bytes: what a client says of its file is not relied on.

/// As many first bytes as are looked at.
pub(crate) const HEAD_BYTES: usize = 16;

/// The media type of a file that begins so.
pub(crate) fn media_type(head: &[u8]) -> &'static str {
    match head {
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => "image/png",
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => "image/gif",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
        [b'%', b'P', b'D', b'F', b'-', ..] => "application/pdf",
        [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] => of_brand(brand),
        _ => "application/octet-stream",
    }
}

/// The major brand of an ISO base media file (ISO/IEC 14496-12, 4.3).
fn of_brand(brand: &[u8]) -> &'static str {
    match brand.get(..4) {
        Some(b"heic" | b"heix" | b"hevc" | b"hevx" | b"mif1" | b"msf1") => "image/heic",
        Some(b"qt  ") => "video/quicktime",
        Some(_) => "video/mp4",
        None => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_beginnings_are_recognised() {
        for (head, expected) in [
            (&b"\xff\xd8\xff\xe0\0\x10JFIF"[..], "image/jpeg"),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "image/png"),
            (b"GIF89a\x01\0", "image/gif"),
            (b"RIFF\x24\0\0\0WEBPVP8 ", "image/webp"),
            (b"RIFF\x24\0\0\0WAVEfmt ", "application/octet-stream"),
            (b"\0\0\0\x18ftypheic\0\0\0\0", "image/heic"),
            (b"\0\0\0\x18ftypmp42\0\0\0\0", "video/mp4"),
            (b"\0\0\0\x14ftypqt  \0\0\0\0", "video/quicktime"),
            (b"\0\0\0\x14ftyp", "application/octet-stream"),
            (b"%PDF-1.7", "application/pdf"),
            (b"<svg onload=alert(1)>", "application/octet-stream"),
            (b"", "application/octet-stream"),
        ] {
            assert_eq!(media_type(head), expected, "{head:?}");
        }
    }
}
