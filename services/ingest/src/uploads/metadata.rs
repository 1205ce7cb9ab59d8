//! `Upload-Metadata`: the fields of the form, each in base64, and what else a client says of its file.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use firemode_domain::input::{At, Faults, Input, Line, Members, Metadata};
use firemode_web::Problem;
use firemode_web::wire::EvidenceFields;
use serde_json::{Map, Value};

use crate::evidence::fields::{self, FILE_NAME, FileName};

/// Reads what is said about the file. What is no field of the form is kept with what the device says about it.
pub(super) fn fields(metadata: Option<&str>) -> Result<EvidenceFields, Problem> {
    let mut faults = Faults::default();
    let (known, unknown): (BTreeMap<_, _>, BTreeMap<_, _>) =
        decoded(metadata.unwrap_or_default(), &mut faults).into_iter().partition(|(name, _)| is_field(name));
    let kept = kept(unknown, &mut faults);
    let fields = fields::from_members(Members::of_texts(known, &mut faults));
    let (mut fields, kept) = faults.into_result(fields.zip(kept)).map_err(Problem::invalid)?;
    if !kept.is_empty() {
        let Metadata(metadata) = fields.metadata.get_or_insert_default();
        for (name, value) in kept {
            metadata.entry(name).or_insert(value);
        }
    }
    Ok(fields)
}

fn is_field(name: &str) -> bool {
    fields::TEXTS.iter().any(|(known, _)| *known == name)
}

/// Names and values, each of which may be empty, and may have no blank behind its name then.
fn decoded(metadata: &str, faults: &mut Faults) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    for pair in metadata.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once(' ').unwrap_or((pair, ""));
        match text(name, value) {
            Err(why) => faults.add(&At::named(name), why),
            Ok(_) if texts.contains_key(name) => faults.add(&At::named(name), "is there twice; send it once"),
            Ok(value) => drop(texts.insert(name.to_owned(), value)),
        }
    }
    texts
}

fn text(name: &str, value: &str) -> Result<String, String> {
    let text = STANDARD.decode(value.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let text = text.ok_or("must be UTF-8 text in base64")?;
    match fields::TEXTS.iter().find(|(known, _)| *known == name) {
        Some((_, bytes_max)) if text.len() > *bytes_max => Err(format!("may have {bytes_max} bytes at most")),
        _ => Ok(text),
    }
}

/// What is no field of the form, as it is kept. The name of the file is a line, and all else text of any kind.
fn kept(mut texts: BTreeMap<String, String>, faults: &mut Faults) -> Option<Map<String, Value>> {
    let file_name = match texts.remove(FILE_NAME).filter(|name| !name.trim().is_empty()) {
        Some(name) => Some(FileName::read_text(name, &At::named(FILE_NAME), faults)?),
        None => None,
    };
    let texts = texts.into_iter().map(|(name, text)| (name, Value::String(text))).collect();
    let Metadata(mut kept) = Metadata::read(Value::Object(texts), &At::Body, faults)?;
    kept.extend(file_name.map(|name| (FILE_NAME.to_owned(), Line::into_string(name).into())));
    Some(kept)
}
