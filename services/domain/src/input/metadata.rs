//! Free fields of a customer.

use serde::{Deserialize, Serialize};
use serde_json::map::Entry;
use serde_json::{Map, Value};
use utoipa::openapi::{RefOr, Schema};

use super::fault::{At, Faults};
use super::json::parse;
use super::text::{check_characters, normalised_line, normalised_text};
use super::{Input, schema};
use crate::audit::{DEPTH_MAX, canonical_json};
use crate::document::is_deeper_than;

/// What stands around a customer's fields where they are put on record.
const LEVELS_AROUND: usize = 5;

/// A JSON object whose texts are normalised, and which can be put on record as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Metadata(pub Map<String, Value>);

impl Input for Metadata {
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        if is_deeper_than(&value, DEPTH_MAX - LEVELS_AROUND) {
            faults.add(at, "is nested too deeply to be put on record; make it flatter");
            return None;
        }
        match value {
            Value::Object(members) => object(members, at, faults).map(Self),
            _ => {
                faults.add(at, "must be a JSON object");
                None
            }
        }
    }

    /// In a form it is JSON in a text.
    fn read_text(text: String, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        match parse(text.as_bytes(), at, faults) {
            Ok(value) => Self::read(value, at, faults),
            Err(malformed) => {
                faults.add(at, format!("must be a JSON object: {malformed}"));
                None
            }
        }
    }

    fn schema() -> RefOr<Schema> {
        schema::object().into()
    }
}

fn object(members: Map<String, Value>, at: &At<'_>, faults: &mut Faults) -> Option<Map<String, Value>> {
    let mut kept = Map::new();
    let mut is_whole = true;
    for (name, value) in members {
        let place = At::Member(at, &name);
        if let Err(why) = check_characters(&name, &[]) {
            faults.add(&place, format!("is a name that {why}"));
            is_whole = false;
            continue;
        }
        let Some(value) = free(value, &place, faults) else {
            is_whole = false;
            continue;
        };
        match kept.entry(normalised_line(&name)) {
            Entry::Vacant(free) => drop(free.insert(value)),
            Entry::Occupied(_) => {
                faults.add(&place, "is there twice, spelled in two ways; send it once");
                is_whole = false;
            }
        }
    }
    is_whole.then_some(kept)
}

fn free(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Value> {
    match value {
        Value::Array(values) => {
            let read = values.into_iter().enumerate();
            let read: Vec<Option<Value>> =
                read.map(|(index, value)| free(value, &At::Entry(at, index), faults)).collect();
            read.into_iter().collect::<Option<Vec<Value>>>().map(Value::Array)
        }
        Value::Object(members) => object(members, at, faults).map(Value::Object),
        Value::String(text) => match check_characters(&text, &['\t', '\n', '\r']) {
            Ok(()) => Some(Value::String(normalised_text(&text))),
            Err(why) => {
                faults.add(at, why);
                None
            }
        },
        Value::Number(number) => {
            let value = Value::Number(number);
            // The record's form of JSON has doubles alone (RFC 8785).
            if canonical_json(&value).is_err() {
                faults.add(
                    at,
                    "is a whole number of more than 53 bits, which other programs round; send it as text",
                );
                return None;
            }
            Some(value)
        }
        plain => Some(plain),
    }
}
