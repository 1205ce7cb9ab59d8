//! In which form a report is given.

use time::Date;

firemode_domain::words! {
    /// In which form a report is given. Without it, `Accept` says; without that too, it is JSON.
    pub enum Format {
        /// For programs.
        Json = "json",
        /// One table, for programs that calculate.
        Csv = "csv",
        /// All tables as a workbook.
        Xlsx = "xlsx",
        /// A page to read and to print.
        Html = "html",
    }
}

impl Format {
    /// The `Content-Type`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Html => "text/html; charset=utf-8",
        }
    }

    /// The same without parameters, as `Accept` names it.
    pub fn media_type(self) -> &'static str {
        let content_type = self.content_type();
        content_type.split_once(';').map_or(content_type, |(media_type, _)| media_type)
    }

    /// The form that an `Accept` header likes best (RFC 9110, 12.5.1); of those that it likes as well, the first of [`Self::ALL`].
    /// `None` where it takes none of them.
    pub fn accepted(accept: &str) -> Option<Self> {
        if accept.trim().is_empty() {
            return Some(Self::Json);
        }
        let liked = Self::ALL.map(|format| (format, quality(format.media_type(), accept)));
        liked
            .into_iter()
            .filter(|(_, quality)| *quality > 0)
            .rev()
            .max_by_key(|(_, quality)| *quality)
            .map(|(format, _)| format)
    }

    /// What a file with this report is called, without anything that a file system or a header would mind.
    pub fn file_name(self, report: &str, day: Date) -> String {
        format!("{report}-{day}.{self}")
    }
}

/// How much this media type is liked, in thousandths: the range of the header that fits it closest says so.
fn quality(media_type: &str, accept: &str) -> u16 {
    let group = media_type.split('/').next().unwrap_or_default();
    let ranges = accept.split(',').filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next()?.to_ascii_lowercase();
        let closeness = match name.split_once('/')? {
            _ if name == media_type => 2,
            (named, "*") if named == group => 1,
            ("*", "*") => 0,
            _ => return None,
        };
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        Some((closeness, weight.map_or(1000, thousandths)))
    });
    ranges.max_by_key(|(closeness, _)| *closeness).map_or(0, |(_, quality)| quality)
}

/// A weight that cannot be read counts as none.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 1000")]
fn thousandths(weight: &str) -> u16 {
    let weight = weight.parse::<f32>().ok().filter(|weight| (0.0..=1.0).contains(weight));
    (weight.unwrap_or_default() * 1000.0).round() as u16
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    #[test]
    fn the_header_that_a_client_sends_finds_its_form() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
        for (accept, form) in [
            ("", Some(Format::Json)),
            ("*/*", Some(Format::Json)),
            ("application/*", Some(Format::Json)),
            ("text/csv", Some(Format::Csv)),
            ("TEXT/CSV; header=present", Some(Format::Csv)),
            ("text/*", Some(Format::Csv)),
            (browser, Some(Format::Html)),
            ("application/json;q=0.2, text/csv;q=0.7", Some(Format::Csv)),
            ("*/*, application/json;q=0", Some(Format::Csv)),
            ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", Some(Format::Xlsx)),
            ("application/pdf", None),
            ("text/csv;q=0", None),
            ("text/csv;q=NaN", None),
            ("nonsense", None),
        ] {
            assert_eq!(Format::accepted(accept), form, "{accept}");
        }
    }

    #[test]
    fn a_file_has_the_name_of_the_report_and_the_day() {
        assert_eq!(Format::Xlsx.file_name("compliance", date!(2026 - 02 - 13)), "compliance-2026-02-13.xlsx");
    }
}
