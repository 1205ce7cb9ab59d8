//! What clients may send: the JSON reader, the values, and bodies that are made of them.

mod body;
mod json;
mod text;
mod values;

use firemode_domain::input::{At, Faults, FieldError, Input};
use serde_json::Value;

/// Reads a text with one of the types, as a body is read.
fn read<T: Input>(json: &str) -> Result<T, Vec<FieldError>> {
    let mut faults = Faults::default();
    let value = firemode_domain::input::parse(json.as_bytes(), &At::Body, &mut faults).expect("it is JSON");
    let read = T::read(value, &At::Body, &mut faults);
    faults.into_result(read)
}

/// Reads a string with one of the types.
fn read_text<T: Input>(text: &str) -> Result<T, Vec<FieldError>> {
    read(&Value::from(text).to_string())
}

/// The fields that are wrong.
fn fields<T>(result: Result<T, Vec<FieldError>>) -> Vec<String> {
    result.err().unwrap_or_default().into_iter().map(|error| error.field).collect()
}
