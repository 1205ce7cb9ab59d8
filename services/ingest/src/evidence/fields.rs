//! What is said about a piece of evidence, from a form or from JSON.

use std::collections::BTreeMap;

use firemode_domain::input::{At, Faults, Fields as _, Input as _, Line, Members};
use firemode_web::Problem;
use firemode_web::wire::EvidenceFields;
use sha2::{Digest as _, Sha256};

/// Largest `metadata`, in bytes.
pub(super) const METADATA_BYTES_MAX: usize = 64 << 10;

/// The field with the bytes in a form.
pub(super) const FILE: &str = "file";

/// What the device calls the file: a parameter of that field, or a name in the metadata.
pub(crate) const FILE_NAME: &str = "filename";

/// The name of a file.
pub(crate) type FileName = Line<512>;

/// The fields of a form, besides the file, with the largest size of each in bytes.
pub(crate) const TEXTS: [(&str, usize); 6] = [
    ("sha256_hash", 64),
    ("session_id", 64),
    ("item_id", 512),
    ("evidence_id", 64),
    ("evidence_type", 32),
    (METADATA, METADATA_BYTES_MAX),
];

const METADATA: &str = "metadata";

/// Reads the texts of a form, and what the device calls its file, where there is one: 422 naming all that is missing or not valid.
pub(crate) fn from_form(
    texts: BTreeMap<String, String>,
    file: Option<Option<String>>,
) -> Result<(EvidenceFields, Option<String>), Problem> {
    let mut faults = Faults::default();
    if file.is_none() {
        faults.add(&At::named(FILE), "is required");
    }
    let name = file.flatten().filter(|name| !name.trim().is_empty());
    let name: Option<FileName> =
        name.and_then(|name| FileName::read_text(name, &At::named(FILE_NAME), &mut faults));
    let fields = from_members(Members::of_texts(texts, &mut faults));
    let fields = faults.into_result(fields).map_err(Problem::invalid)?;
    Ok((fields, name.map(Line::into_string)))
}

/// What the device calls the file, where the metadata says so.
pub(crate) fn file_name(fields: &EvidenceFields) -> Option<&str> {
    fields.metadata.as_ref()?.0.get(FILE_NAME)?.as_str()
}

/// Reads what is said about evidence, wherever it is said.
pub(crate) fn from_members(mut members: Members<'_>) -> Option<EvidenceFields> {
    members.bound(METADATA, METADATA_BYTES_MAX);
    EvidenceFields::of_members(members)
}

/// What two forms must share to be the same request: their boundaries and the order of their fields may differ.
pub(super) fn fingerprint(texts: &BTreeMap<String, String>, file_sha256: &[u8; 32]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in texts.iter().flat_map(|(name, text)| [name, text]) {
        // With its length before each part, no two lists of parts read the same.
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.update(file_sha256);
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use firemode_domain::input::ItemId;

    use super::*;

    const HASH: &str = "E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const SESSION: &str = "019a0000-0000-7000-8000-000000000000";

    fn texts(more: &[(&str, &str)]) -> BTreeMap<String, String> {
        let required = [("sha256_hash", HASH), ("session_id", SESSION), ("evidence_type", "photo")];
        let own = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        required.iter().chain(more).map(own).collect()
    }

    #[test]
    fn a_whole_form_is_read() {
        let more = [("item_id", "door-7"), ("evidence_id", SESSION), ("metadata", r#"{"device": "tablet"}"#)];
        let (fields, name) =
            from_form(texts(&more), Some(Some(" a.jpg ".to_owned()))).expect("the form is valid");
        assert_eq!(name.as_deref(), Some("a.jpg"));
        assert_eq!(fields.session_id.to_string(), SESSION);
        assert_eq!(fields.item_id.as_ref().map(ItemId::as_str), Some("door-7"));
        assert_eq!(fields.metadata.expect("there is metadata").0["device"], "tablet");
    }

    #[test]
    fn everything_that_is_missing_is_named_at_once() {
        let problem = from_form(BTreeMap::new(), None).expect_err("nothing is there");
        assert_eq!(problem.error_code(), "FIRE-422");
        assert!(problem.to_string().contains("4 fields"), "{problem}");
    }

    #[test]
    fn what_is_not_valid_is_named() {
        for (name, text) in [
            ("sha256_hash", "beef"),
            ("session_id", "7"),
            ("item_id", ""),
            ("evidence_id", "mine"),
            ("evidence_type", "sculpture"),
            ("metadata", "[1]"),
            ("metadata", "{"),
        ] {
            let problem = from_form(texts(&[(name, text)]), Some(None)).expect_err("the field is not valid");
            assert!(problem.to_string().starts_with(&format!("FIRE-422: {name}")), "{problem}");
        }
    }

    #[test]
    fn the_fingerprint_tells_requests_apart_and_nothing_else() {
        let file = [7; 32];
        let one = fingerprint(&texts(&[("item_id", "a")]), &file);
        assert_eq!(one, fingerprint(&texts(&[("item_id", "a")]), &file));
        assert_ne!(one, fingerprint(&texts(&[("item_id", "b")]), &file));
        assert_ne!(one, fingerprint(&texts(&[("item_id", "a")]), &[8; 32]));
        let split = |name: &str, text: &str| BTreeMap::from([(name.to_owned(), text.to_owned())]);
        assert_ne!(fingerprint(&split("ab", "c"), &file), fingerprint(&split("a", "bc"), &file));
    }
}
