//! What a client may put into the `changes` of a request.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Serialize;
use serde_json::Value;
use thiserror::Error;
use time::OffsetDateTime;
use utoipa::openapi::schema::OneOfBuilder;
use utoipa::openapi::{RefOr, Schema};

use super::change::SERVER_DEVICE;
use super::chunk;
use super::limits::Limits;
use super::pointer::Pointer;
use super::refusal::Refusal;
use super::value::{check_item, check_outcome, operation_count};
use crate::input::{self, AsSent, At, Faults, Given, Input, Json, Members, Time};

/// The longest name of a device and the longest operation id, in characters.
const NAME_CHARACTERS_MAX: usize = 64;
/// How deep arrays and objects may nest in a value.
pub(super) const VALUE_DEPTH_MAX: usize = 32;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// One entry of a request: an Automerge change, or an operation that the server turns into one.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// One Automerge change in its binary form, compressed or not.
    Change(Vec<u8>),
    /// An operation on the document's JSON.
    Operation(Operation),
}

/// An operation on the document's JSON, applied at the point of history that its client had seen.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// What to do.
    pub op: OperationKind,
    /// Where: a JSON Pointer such as `/items/<item id>/outcome`. The parent must exist. An element of a list
    /// is named by its index; `-`, or the list's length, is the place behind the last.
    pub path: String,
    /// The value to set or append; any JSON. Absent (or null) for `delete`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// The device's name, 1 to 64 visible characters. Attribution, not an Automerge actor.
    pub actor_id: String,
    /// When the device did it.
    #[serde(with = "time::serde::rfc3339")]
    pub timestamp: OffsetDateTime,
    /// The device's own id of this operation, 1 to 64 visible characters. An operation with the id of an
    /// earlier one of the same user and device is a duplicate, for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub op_id: Option<String>,
}

crate::words! {
    /// The kinds of operation.
    pub enum OperationKind {
        /// Creates the last segment of the path and replaces what is there. Setting an equal value is a change
        /// too: it confirms the value, and settles a conflict.
        Set = "set",
        /// Removes what is there. What is already gone is a duplicate.
        Delete = "delete",
        /// Adds to the end of the list at the path, which is created where it is missing.
        Append = "append",
    }
}

/// A field of the request is not valid.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field}: {message}")]
pub struct FieldError {
    index: usize,
    field: String,
    message: String,
}

impl FieldError {
    pub(super) fn new(index: usize, field: &str, message: impl Into<String>) -> Self {
        let dot = if field.is_empty() { "" } else { "." };
        Self { index, field: format!("changes[{index}]{dot}{field}"), message: message.into() }
    }

    /// The position of the entry in the request, from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// The field, for example `changes[3].path`.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// What is wrong with it.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl Input for Entry {
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        match value {
            Value::String(text) => {
                let change = BASE64.decode(text).map_err(|_| {
                    faults.add(at, "is text that is not base64; send an Automerge change, encoded");
                });
                change.ok().map(Self::Change)
            }
            Value::Object(_) => Operation::read(value, at, faults).map(Self::Operation),
            _ => {
                faults.add(at, "must be an Automerge change in base64, or an operation");
                None
            }
        }
    }

    fn schema() -> RefOr<Schema> {
        let mut change = input::text(1, None);
        change.description = Some("One Automerge change in its binary form, in base64.".to_owned());
        RefOr::T(OneOfBuilder::new().item(change).item(<Operation as Input>::schema()).build().into())
    }
}

/// The operations of all changes that a request brings, and that become of its own operations: how much work it is, as far as that can
/// be told before anything is taken apart.
///
/// # Errors
/// [`Refusal::TooManyOperations`].
pub fn operation_count_of(entries: &[Entry], limits: &Limits) -> Result<usize, Refusal> {
    let mut found = 0;
    for entry in entries {
        found += entry.operation_count(limits);
        if found > limits.request_operations_max {
            return Err(Refusal::TooManyOperations { found, max: limits.request_operations_max });
        }
    }
    Ok(found)
}

impl Entry {
    fn operation_count(&self, limits: &Limits) -> usize {
        match self {
            Self::Change(bytes) => chunk::operation_count(bytes, limits),
            Self::Operation(operation) => operation.value.as_ref().map_or(1, operation_count),
        }
    }

    /// How much of the request this entry is, in bytes.
    pub(super) fn byte_count(&self) -> usize {
        match self {
            Self::Change(bytes) => bytes.len(),
            Self::Operation(operation) => {
                operation.path.len() + operation.value.as_ref().map_or(0, value_bytes)
            }
        }
    }
}

impl Input for Operation {
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let mut members = Members::of_json(value, at, faults)?;
        let op = members.take("op");
        let path: Option<OperationPath> = members.take("path");
        let value: Option<Given<Json>> = members.take("value");
        let actor_id: Option<VisibleName> = members.take("actor_id");
        let timestamp: Option<Time> = members.take("timestamp");
        let op_id: Option<Option<VisibleName>> = members.take("op_id");
        members.finish();
        let operation = Self {
            op: op?,
            path: path?.0,
            value: value?.0.map(|json| json.0),
            actor_id: actor_id?.0,
            timestamp: timestamp?.get(),
            op_id: op_id?.map(|name| name.0),
        };
        match operation.check() {
            Ok(()) => Some(operation),
            Err((field, message)) => {
                faults.add(&At::Member(at, field), message);
                None
            }
        }
    }

    fn schema() -> RefOr<Schema> {
        <Self as utoipa::PartialSchema>::schema()
    }
}

/// A path as it was sent, which is a JSON Pointer within the bounds, of names without control characters.
struct OperationPath(String);

impl Input for OperationPath {
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let AsSent(text) = AsSent::read(value, at, faults)?;
        let pointer = match text.contains(char::is_control) {
            true => Err("has a control character; remove it"),
            false => Pointer::parse(&text),
        };
        pointer.map_err(|message| faults.add(at, message)).ok()?;
        Some(Self(text))
    }

    fn schema() -> RefOr<Schema> {
        AsSent::schema()
    }
}

/// A name of 1 to 64 visible characters.
struct VisibleName(String);

impl Input for VisibleName {
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let AsSent(text) = AsSent::read(value, at, faults)?;
        check_name(&text).map_err(|message| faults.add(at, message)).ok()?;
        Some(Self(text))
    }

    fn schema() -> RefOr<Schema> {
        input::text(1, Some(NAME_CHARACTERS_MAX)).into()
    }
}

impl Operation {
    /// Checks what can be checked without the document.
    ///
    /// # Errors
    ///
    /// A [`FieldError`] that names the field, for example `changes[3].path`.
    pub fn validate(&self, index: usize) -> Result<(), FieldError> {
        self.check().map_err(|(field, message)| FieldError::new(index, field, message))
    }

    /// The field that is wrong, and why.
    fn check(&self) -> Result<(), (&'static str, &'static str)> {
        check_name(&self.actor_id).map_err(|message| ("actor_id", message))?;
        if self.actor_id == SERVER_DEVICE {
            return Err(("actor_id", "this name is reserved for the server"));
        }
        if let Some(op_id) = &self.op_id {
            check_name(op_id).map_err(|message| ("op_id", message))?;
        }
        let path = Pointer::parse(&self.path).map_err(|message| ("path", message))?;
        match (self.op, &self.value) {
            (OperationKind::Delete, None | Some(Value::Null)) => Ok(()),
            (OperationKind::Delete, Some(_)) => Err(("value", "`delete` takes no value")),
            (_, None) => Err(("value", "a value is required")),
            (kind, Some(value)) => check_value(kind, &path, value).map_err(|message| ("value", message)),
        }
    }

    pub(super) fn pointer(&self, index: usize) -> Result<Pointer, FieldError> {
        Pointer::parse(&self.path).map_err(|message| FieldError::new(index, "path", message))
    }
}

fn check_value(kind: OperationKind, path: &Pointer, value: &Value) -> Result<(), &'static str> {
    if is_deeper_than(value, VALUE_DEPTH_MAX) {
        return Err("the value is nested too deeply");
    }
    match kind {
        OperationKind::Set if path.is_outcome() => check_outcome(value),
        OperationKind::Set if path.is_item() => check_item(value),
        OperationKind::Append if path.is_outcome() || path.is_item() => Err("this is not a list"),
        _ => Ok(()),
    }
}

/// A name of 1 to 64 visible characters.
fn check_name(name: &str) -> Result<(), &'static str> {
    let is_long_enough = (1..=NAME_CHARACTERS_MAX).contains(&name.chars().count());
    if is_long_enough && !name.contains(char::is_whitespace) && input::check_characters(name, &[]).is_ok() {
        Ok(())
    } else {
        Err("1 to 64 visible characters are expected")
    }
}

/// True when arrays and objects nest deeper than `depth`.
pub(crate) fn is_deeper_than(value: &Value, depth: usize) -> bool {
    let below = |child: &Value| depth == 0 || is_deeper_than(child, depth - 1);
    match value {
        Value::Array(values) => depth == 0 || values.iter().any(below),
        Value::Object(fields) => depth == 0 || fields.values().any(below),
        _ => false,
    }
}

fn value_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 2,
        Value::Array(values) => values.iter().map(|value| value_bytes(value) + 1).sum::<usize>() + 2,
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| key.len() + value_bytes(value) + 4).sum::<usize>() + 2
        }
        _ => 8,
    }
}
