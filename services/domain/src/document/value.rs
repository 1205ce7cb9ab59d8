//! Values of the document as JSON, and the meaning of an outcome.

use automerge::ScalarValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Number, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

crate::words! {
    /// What a test came to, from the least to the most careful: of concurrent ones the last in this list counts.
    pub enum Outcome {
        /// It is in order.
        Pass = "pass",
        /// There is nothing to be tested.
        NotApplicable = "not_applicable",
        /// It was not tested.
        NotTested = "not_tested",
        /// It has a fault.
        Fail = "fail",
    }
}

/// How careful an outcome is. What is not an outcome says nothing was found, as `not_tested` does.
pub(super) fn outcome_rank(value: &Value) -> usize {
    outcome(value).unwrap_or(Outcome::NotTested) as usize
}

/// What stands for an outcome that is none.
pub(super) const NOT_TESTED: &str = Outcome::NotTested.as_str();

fn outcome(value: &Value) -> Option<Outcome> {
    value.as_str()?.parse().ok()
}

/// True for one of the four outcomes.
pub(super) fn is_outcome(value: &Value) -> bool {
    outcome(value).is_some()
}

/// True for what counts as failed: `fail`, and what is none of the four.
pub(super) fn is_failure(value: &Value) -> bool {
    value.as_str() == Some("fail") || !is_outcome(value)
}

/// A value that an operation may set as an outcome.
pub(super) fn check_outcome(value: &Value) -> Result<(), &'static str> {
    if is_outcome(value) {
        Ok(())
    } else {
        Err("an outcome is `pass`, `fail`, `not_tested` or `not_applicable`")
    }
}

/// A value that an operation may set as a whole item.
pub(super) fn check_item(value: &Value) -> Result<(), &'static str> {
    let fields = value.as_object().ok_or("an item is an object")?;
    fields.get("outcome").map_or(Ok(()), check_outcome)
}

/// True when two values are the same to a reader. Numbers are compared by amount: one library writes 1 as an
/// integer, another as a floating-point number.
pub(super) fn is_same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) if left.is_f64() != right.is_f64() => {
            left.as_f64() == right.as_f64()
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| is_same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            let has_same =
                |(key, value): (&String, &Value)| right.get(key).is_some_and(|other| is_same(value, other));
            left.len() == right.len() && left.iter().all(has_same)
        }
        _ => left == right,
    }
}

/// True for a number that JSON does not have: infinite, or none at all. It is listed as a string and shown as null.
pub(super) fn is_beyond_json(scalar: &ScalarValue) -> bool {
    matches!(scalar, ScalarValue::F64(number) if !number.is_finite())
}

/// A scalar as JSON. Bytes become base64, timestamps RFC 3339, counters their sum, and numbers that JSON does
/// not have become strings.
pub(super) fn scalar_json(scalar: &ScalarValue) -> Value {
    match scalar {
        ScalarValue::Str(text) => Value::String(text.to_string()),
        ScalarValue::Int(number) => Value::from(*number),
        ScalarValue::Uint(number) => Value::from(*number),
        ScalarValue::F64(number) => {
            Number::from_f64(*number).map_or_else(|| Value::String(number.to_string()), Value::Number)
        }
        ScalarValue::Counter(counter) => Value::from(i64::from(counter)),
        ScalarValue::Timestamp(milliseconds) => timestamp_json(*milliseconds),
        ScalarValue::Boolean(truth) => Value::Bool(*truth),
        ScalarValue::Bytes(bytes) | ScalarValue::Unknown { bytes, .. } => {
            Value::String(STANDARD.encode(bytes))
        }
        ScalarValue::Null => Value::Null,
    }
}

fn timestamp_json(milliseconds: i64) -> Value {
    let nanoseconds = i128::from(milliseconds) * 1_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(nanoseconds)
        .ok()
        .and_then(|at| at.format(&Rfc3339).ok())
        .map_or_else(|| Value::from(milliseconds), Value::String)
}

/// How many operations writing a value takes, one for each scalar, array and object in it.
pub(super) fn operation_count(value: &Value) -> usize {
    1 + match value {
        Value::Array(values) => values.iter().map(operation_count).sum(),
        Value::Object(fields) => fields.values().map(operation_count).sum(),
        _ => 0,
    }
}

/// A JSON value that is neither array nor object as a scalar.
pub(super) fn json_scalar(value: &Value) -> Option<ScalarValue> {
    match value {
        Value::Null => Some(ScalarValue::Null),
        Value::Bool(truth) => Some(ScalarValue::Boolean(*truth)),
        Value::String(text) => Some(ScalarValue::Str(text.as_str().into())),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Some(ScalarValue::Int(number)),
            (None, Some(number)) => Some(ScalarValue::Uint(number)),
            (None, None) => number.as_f64().map(ScalarValue::F64),
        },
        Value::Array(_) | Value::Object(_) => None,
    }
}
