//! Media types by the first bytes: what a client says of its file is not relied on.
//!
//! `file-format` knows the signatures; what is taken from it is a list of ours. Where a signature says too little (containers, text),
//! the rest is found out here, from the first bytes alone, because the last ones have not arrived yet.

use file_format::FileFormat;
use firemode_domain::media_type::MediaType;

/// As many first bytes as are looked at. What is in a document of an office shows only some files into its archive.
pub(crate) const HEAD_BYTES: usize = 16 << 10;

/// The media type of a file that begins so and has this name. The name only distinguishes kinds of text.
pub(crate) fn media_type(head: &[u8], file_name: Option<&str>) -> MediaType {
    if head.starts_with(b"%PDF-") {
        return MediaType::Pdf;
    }
    // Before the signatures, some of which are words that a text may begin with.
    if let Some(text) = text(head) {
        return of_text(text, file_name);
    }
    match FileFormat::from_bytes(&head[..head.len().min(HEAD_BYTES)]) {
        FileFormat::JointPhotographicExpertsGroup => MediaType::Jpeg,
        FileFormat::PortableNetworkGraphics => MediaType::Png,
        FileFormat::GraphicsInterchangeFormat => MediaType::Gif,
        FileFormat::Webp => MediaType::Webp,
        FileFormat::WindowsBitmap => MediaType::Bmp,
        FileFormat::TagImageFileFormat => of_tiff(head),
        FileFormat::CanonRaw2 => MediaType::Cr2,
        FileFormat::CanonRaw3 => MediaType::Cr3,
        FileFormat::Av1ImageFileFormat | FileFormat::Av1ImageFileFormatSequence => MediaType::Avif,
        FileFormat::HighEfficiencyImageCoding | FileFormat::HighEfficiencyImageCodingSequence => {
            MediaType::Heic
        }
        FileFormat::HighEfficiencyImageFileFormat | FileFormat::HighEfficiencyImageFileFormatSequence => {
            of_brands(head)
        }
        FileFormat::AppleQuicktime => MediaType::Quicktime,
        FileFormat::AppleItunesAudio | FileFormat::AppleItunesAudiobook => MediaType::M4a,
        FileFormat::Mpeg4Part14 | FileFormat::AppleItunesVideo => MediaType::Mp4,
        FileFormat::ThirdGenerationPartnershipProject => MediaType::ThreeGpp,
        FileFormat::ThirdGenerationPartnershipProject2 => MediaType::ThreeGpp2,
        FileFormat::ExtensibleBinaryMetaLanguage => of_ebml(head),
        FileFormat::WaveformAudio => MediaType::Wav,
        FileFormat::Mpeg12AudioLayer3 | FileFormat::Id3v2 => MediaType::Mp3,
        FileFormat::AdvancedAudioCoding => MediaType::Aac,
        FileFormat::AdaptiveMultiRate => MediaType::Amr,
        FileFormat::FreeLosslessAudioCodec => MediaType::Flac,
        FileFormat::OggVorbis | FileFormat::OggOpus => MediaType::Ogg,
        FileFormat::Zip => of_archive(head),
        _ if head.get(4..8) == Some(b"ftyp") && head.len() >= 12 => MediaType::Mp4,
        _ => MediaType::Bytes,
    }
}

/// The head as text, if it is that: UTF-8, which may be cut at its end, without control characters.
fn text(head: &[u8]) -> Option<&str> {
    let text = match str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() && head.len() >= HEAD_BYTES => {
            str::from_utf8(&head[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let is_plain = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r' | '\u{c}');
    (!text.is_empty() && text.chars().all(is_plain)).then_some(text)
}

/// Markup (HTML, SVG, XML) is what a browser would run, and so is not said to be text.
fn of_text(text: &str, file_name: Option<&str>) -> MediaType {
    let is_csv = file_name.is_some_and(|name| name.to_lowercase().ends_with(".csv"));
    match text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']) {
        markup if markup.starts_with('<') => MediaType::Bytes,
        _ if is_csv => MediaType::Csv,
        _ => MediaType::Text,
    }
}

/// Which coding pictures of the HEIF container have, by its brands (ISO/IEC 23008-12, annex B).
fn of_brands(head: &[u8]) -> MediaType {
    let length = head.first_chunk().map_or(0, |length| u32::from_be_bytes(*length) as usize);
    let brands = head.get(8..length.min(head.len())).unwrap_or_default();
    let has = |wanted: &[&[u8; 4]]| brands.as_chunks().0.iter().any(|brand| wanted.contains(&brand));
    if has(&[b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"]) {
        MediaType::Heic
    } else if has(&[b"avif", b"avis"]) {
        MediaType::Avif
    } else {
        MediaType::Heif
    }
}

/// Adobe's raw pictures are TIFF with a tag of their own in the first directory (DNG 1.7, `DNGVersion`).
fn of_tiff(head: &[u8]) -> MediaType {
    const DNG_VERSION: u16 = 50_706;
    const ENTRY_BYTES: usize = 12;
    let is_little = head.starts_with(b"II");
    let short = |at: usize| {
        let bytes = *head.get(at..)?.first_chunk()?;
        Some(if is_little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let long = |at: usize| {
        let bytes = *head.get(at..)?.first_chunk()?;
        Some(if is_little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    };
    let directory = long(4).and_then(|at| usize::try_from(at).ok()).unwrap_or(usize::MAX);
    let count = usize::from(short(directory).unwrap_or_default());
    let mut tags = (0..count).map_while(|entry| short(directory + 2 + entry * ENTRY_BYTES));
    if tags.any(|tag| tag == DNG_VERSION) { MediaType::Dng } else { MediaType::Tiff }
}

/// The kind of a Matroska file, from the element `DocType` of its head (RFC 8794, 11.2.6).
fn of_ebml(head: &[u8]) -> MediaType {
    const LOOKED_AT: usize = 256;
    let head = &head[..head.len().min(LOOKED_AT)];
    let has = |kind: &[u8]| head.windows(kind.len()).any(|part| part == kind);
    if has(b"\x42\x82\x84webm") {
        MediaType::Webm
    } else if has(b"\x42\x82\x88matroska") {
        MediaType::Matroska
    } else {
        MediaType::Bytes
    }
}

/// What is in an archive, by the first file in it that shows it.
fn of_archive(head: &[u8]) -> MediaType {
    const NAME_AT: usize = 30;
    let files = memchr::memmem::find_iter(head, b"PK\x03\x04");
    let mut names = files.filter_map(|at| head.get(at + NAME_AT..));
    let kind = names.find_map(|name| match name {
        [b'w', b'o', b'r', b'd', b'/', ..] => Some(MediaType::Docx),
        [b'x', b'l', b'/', ..] => Some(MediaType::Xlsx),
        [b'p', b'p', b't', b'/', ..] => Some(MediaType::Pptx),
        _ => None,
    });
    kind.unwrap_or(MediaType::Zip)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of the ISO base media format with these brands.
    fn iso(brands: &[&str]) -> Vec<u8> {
        let brands = brands[..1].iter().chain(&["\0\0\0\0"]).chain(&brands[1..]);
        let brands: Vec<u8> = brands.flat_map(|brand| brand.bytes()).collect();
        let length = u32::try_from(brands.len() + 8).expect("it is short").to_be_bytes();
        [&length[..], b"ftyp", &brands, b"\0\0\0\x08moov"].concat()
    }

    /// A TIFF whose first directory has one tag.
    fn tiff(tag: u16) -> Vec<u8> {
        [&b"II*\0\x08\0\0\0\x01\0"[..], &tag.to_le_bytes(), b"\x01\0\x04\0\0\0\x01\x04\0\0\0\0\0\0"].concat()
    }

    /// An archive with these files, all of them empty.
    fn archive(names: &[&str]) -> Vec<u8> {
        let file = |name: &&str| {
            let length = u8::try_from(name.len()).expect("it is short");
            [
                &b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"[..],
                &[length, 0, 0, 0],
                name.as_bytes(),
            ]
            .concat()
        };
        names.iter().flat_map(file).collect()
    }

    #[test]
    fn what_devices_send_is_recognised() {
        let webm = b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\xf7\x81\x01\x42\x82\x84webm";
        for (head, expected) in [
            (&b"\xff\xd8\xff\xe0\0\x10JFIF"[..], "image/jpeg"),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "image/png"),
            (b"GIF89a\x01\0", "image/gif"),
            (b"RIFF\x24\0\0\0WEBPVP8 ", "image/webp"),
            (b"RIFF\x24\0\0\0WAVEfmt ", "audio/wav"),
            (b"%PDF-1.7", "application/pdf"),
            (&iso(&["heic"]), "image/heic"),
            (&iso(&["heim"]), "image/heic"),
            (&iso(&["heis"]), "image/heic"),
            (&iso(&["mif1", "heic"]), "image/heic"),
            (&iso(&["mif1", "avif"]), "image/avif"),
            (&iso(&["mif1"]), "image/heif"),
            (&iso(&["avif", "mif1"]), "image/avif"),
            (&iso(&["crx "]), "image/x-canon-cr3"),
            (&iso(&["M4A "]), "audio/mp4"),
            (&iso(&["3gp4"]), "video/3gpp"),
            (&iso(&["qt  "]), "video/quicktime"),
            (&iso(&["mp42"]), "video/mp4"),
            (&iso(&["iso8"]), "video/mp4"),
            (b"\0\0\0\x08wide\0\0\0\0mdat", "video/quicktime"),
            (b"\0\0\x01\0moov\0\0\0lmvhd", "video/quicktime"),
            (webm, "video/webm"),
            (&tiff(256), "image/tiff"),
            (&tiff(50_706), "image/x-adobe-dng"),
            (b"MM\0*\0\0\0\x08", "image/tiff"),
        ] {
            assert_eq!(media_type(head, None).as_str(), expected, "{head:?}");
        }
    }

    #[test]
    fn documents_of_an_office_are_told_from_other_archives() {
        let of = |names: &[&str]| media_type(&archive(names), None);
        assert_eq!(of(&["[Content_Types].xml", "_rels/.rels", "word/document.xml"]), MediaType::Docx);
        assert_eq!(of(&["docProps/app.xml", "docProps/core.xml", "xl/theme/theme1.xml"]), MediaType::Xlsx);
        assert_eq!(of(&["[Content_Types].xml", "ppt/presentation.xml"]), MediaType::Pptx);
        assert_eq!(of(&["notes/word.txt"]), MediaType::Zip);
    }

    #[test]
    fn text_is_text_unless_a_browser_would_run_it() {
        for (head, name, expected) in [
            ("Gauge of extinguisher 1: 320 kPa\n", None, MediaType::Text),
            ("not free of rust\n", None, MediaType::Text),
            ("item;kPa\n1;320\n", Some("Readings.CSV"), MediaType::Csv),
            ("<svg onload=alert(1)>", Some("a.csv"), MediaType::Bytes),
            ("\u{feff}\n <html>", None, MediaType::Bytes),
            ("a\0b", None, MediaType::Bytes),
            ("", None, MediaType::Bytes),
        ] {
            assert_eq!(media_type(head.as_bytes(), name), expected, "{head:?}");
        }
        let cut = [&vec![b'a'; HEAD_BYTES - 1][..], "é".as_bytes()].concat();
        assert_eq!(media_type(&cut[..HEAD_BYTES], None), MediaType::Text, "cut within a character");
    }
}
