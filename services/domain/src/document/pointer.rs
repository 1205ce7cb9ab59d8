//! JSON Pointers (RFC 6901) into the document.

use std::fmt;

use crate::spelling;

/// Segments of a path; the document itself has none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Pointer(Vec<String>);

/// The key of the document that holds the session's items.
pub(super) const ITEMS: &str = "items";

/// The deepest path that an operation may have.
const SEGMENTS_MAX: usize = 32;
/// The longest segment, in bytes.
const SEGMENT_BYTES_MAX: usize = 256;

impl Pointer {
    /// Reads a pointer with at least one segment, as this program writes it.
    pub(super) fn read(text: &str) -> Result<Self, &'static str> {
        let rest = text.strip_prefix('/').ok_or("a path is a JSON Pointer and begins with `/`")?;
        rest.split('/').map(unescape).collect::<Result<_, _>>().map(Self)
    }

    /// Reads the path of a client's operation, which has bounds.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let Self(segments) = Self::read(text)?;
        if segments.len() > SEGMENTS_MAX {
            return Err("a path has at most 32 segments");
        }
        segments.iter().try_for_each(|segment| check_segment(segment))?;
        Ok(Self(segments))
    }

    pub(super) fn segments(&self) -> &[String] {
        &self.0
    }

    pub(super) fn push(&mut self, segment: impl Into<String>) {
        self.0.push(segment.into());
    }

    pub(super) fn pop(&mut self) {
        self.0.pop();
    }

    /// The path of something inside.
    pub(super) fn child(&self, segment: impl Into<String>) -> Self {
        let mut path = self.clone();
        path.push(segment);
        path
    }

    /// The same path with ids written as we write them.
    pub(super) fn with_usual_ids(&self) -> Self {
        self.0.iter().fold(Self::default(), |path, segment| {
            let segment = if path.has_ids_as_keys() { spelling::shown(segment) } else { segment.into() };
            path.child(segment)
        })
    }

    /// The last segment and the ones before it.
    pub(super) fn split_last(&self) -> Option<(&String, &[String])> {
        self.0.split_last()
    }

    /// True when one of the two lies at or below the other.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(mine, theirs)| mine == theirs)
    }

    /// `/items`.
    pub(super) fn items() -> Self {
        Self(vec![ITEMS.to_owned()])
    }

    /// True for `/items`.
    pub(super) fn is_items(&self) -> bool {
        matches!(self.0.as_slice(), [items] if items == ITEMS)
    }

    /// True where the keys inside are ids: `/items` and `/items/<item id>/evidence`.
    pub(super) fn has_ids_as_keys(&self) -> bool {
        self.is_items()
            || matches!(self.0.as_slice(), [items, _, field] if items == ITEMS && field == "evidence")
    }

    /// True for `/items/<item id>/<field>`.
    pub(super) fn is_field_of_item(&self) -> bool {
        matches!(self.0.as_slice(), [items, _, _] if items == ITEMS)
    }

    /// True for `/items/<item id>/evidence` and `/items/<item id>/measurements`, which collect what devices add apart.
    pub(super) fn is_collection(&self) -> bool {
        matches!(self.0.as_slice(), [items, _, field]
            if items == ITEMS && (field == "evidence" || field == "measurements"))
    }

    /// True for `/items/<item id>`.
    pub(super) fn is_item(&self) -> bool {
        matches!(self.0.as_slice(), [items, _] if items == ITEMS)
    }

    /// True for `/items/<item id>/outcome`.
    pub(super) fn is_outcome(&self) -> bool {
        matches!(self.0.as_slice(), [items, _, field] if items == ITEMS && field == "outcome")
    }
}

impl FromIterator<String> for Pointer {
    fn from_iter<I: IntoIterator<Item = String>>(segments: I) -> Self {
        Self(segments.into_iter().collect())
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.0 {
            write!(formatter, "/{}", segment.replace('~', "~0").replace('/', "~1"))?;
        }
        Ok(())
    }
}

/// Bounds of a key that an operation or an item may bring.
pub(super) fn check_segment(segment: &str) -> Result<(), &'static str> {
    match segment.len() {
        0 => Err("a segment of a path must not be empty"),
        1..=SEGMENT_BYTES_MAX => Ok(()),
        _ => Err("a segment of a path has at most 256 bytes"),
    }
}

fn unescape(segment: &str) -> Result<String, &'static str> {
    let mut parts = segment.split('~');
    let mut unescaped = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (escaped, rest) = match part.as_bytes().first() {
            Some(b'0') => ('~', &part[1..]),
            Some(b'1') => ('/', &part[1..]),
            _ => return Err("`~` in a path stands before `0` or `1` only"),
        };
        unescaped.push(escaped);
        unescaped.push_str(rest);
    }
    Ok(unescaped)
}
