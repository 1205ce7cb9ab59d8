//! Places that need a second look: what is listed of them, and which value is shown.

use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::document::history::{History, OpRef};
use crate::document::pointer::Pointer;
use crate::document::stated::StatedTime;
use crate::document::value::{NOT_TESTED, is_outcome, is_same, outcome_rank};

/// A place with more than one value, or with one that cannot be shown as it is.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Conflict {
    /// Where, as a JSON Pointer.
    pub path: String,
    /// The value that the document shows.
    pub winner: Value,
    /// All values, the one that Automerge prefers first.
    pub values: Vec<ConflictValue>,
    /// True while concurrent outcomes differ, while something was replaced or deleted by somebody who had not seen what another
    /// did inside, and where a value cannot be shown as it is. A later change that has seen all of it settles it.
    pub needs_review: bool,
}

/// One of several values at a place: `{value, actor, at}`, or `{deleted: true, actor, at}` for a deletion.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct ConflictValue {
    /// The value, as it was sent. Absent for a deletion.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value, required = false)]
    pub value: Option<Value>,
    /// True for a deletion.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    /// The device's name where it came from an operation, else the actor in hex.
    pub actor: String,
    /// When the device says it was done where it came from an operation, else when it was received. Null where the device's clock
    /// said something before 1970 or after 9999.
    #[serde(with = "time::serde::rfc3339::option")]
    pub at: Option<OffsetDateTime>,
    /// True where the time that was stated cannot be right.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub clock_suspect: bool,
    /// True for a number that JSON does not have, which is listed as a string and shown as null.
    #[serde(skip)]
    pub(super) is_beyond_json: bool,
}

impl ConflictValue {
    /// A value, or without one a deletion, with who wrote it and when.
    pub(super) fn by(history: &History, id: OpRef, value: Option<Value>) -> Self {
        let deleted = value.is_none();
        let described = Self {
            value,
            deleted,
            actor: String::new(),
            at: None,
            clock_suspect: false,
            is_beyond_json: false,
        };
        let Some((_, node)) = history.operation(id) else { return described };
        let actor = history.actor(node.actor);
        match &actor.device {
            Some(device) => {
                let stated = StatedTime::of_seconds(node.stated_at_seconds);
                Self { actor: device.clone(), at: stated.at, clock_suspect: stated.is_suspect, ..described }
            }
            None => Self { actor: actor.id.to_hex_string(), at: Some(node.received_at), ..described },
        }
    }

    /// What the document shows of it at a path; none for a deletion.
    fn shown(&self, path: &Pointer) -> Option<Value> {
        let value = self.value.as_ref()?;
        Some(match value {
            _ if self.is_beyond_json => Value::Null,
            odd if path.is_outcome() && !is_outcome(odd) => NOT_TESTED.into(),
            odd if path.is_item() && !odd.is_object() => json!({}),
            value => value.clone(),
        })
    }
}

/// Sorts conflicts, each of which may have been found several times.
pub(super) fn by_path(mut conflicts: Vec<Conflict>) -> Vec<Conflict> {
    conflicts.sort_by(|left, right| left.path.cmp(&right.path));
    conflicts.dedup();
    conflicts
}

/// What is shown of several values at a path, the one that Automerge prefers first, and the conflict that they are, if they are
/// one. It is the preferred one, or the first that is no deletion; of outcomes the safest. `was_overtaken` says that some of them are
/// there only because who replaced them had not seen all.
pub(super) fn resolved(
    path: &Pointer,
    values: Vec<ConflictValue>,
    preferred: usize,
    was_overtaken: bool,
) -> (Value, Option<Conflict>) {
    let shown = || values.iter().filter_map(|value| value.shown(path));
    let preferred = values.get(preferred).and_then(|value| value.shown(path)).or_else(|| shown().next());
    let Some(preferred) = preferred else { return (Value::Null, None) };
    let winner = if path.is_outcome() { shown().fold(preferred, more_careful) } else { preferred };
    let is_odd = |value: &ConflictValue| value.value.is_some() && value.shown(path) != value.value;
    let has_odd = values.iter().any(is_odd);
    if !has_odd
        && values.iter().all(|other| other.value.as_ref().is_some_and(|other| is_same(other, &winner)))
    {
        return (winner, None); // the same value was sent more than once
    }
    let needs_review = path.is_outcome() || was_overtaken || has_odd;
    let conflict = Conflict { path: path.to_string(), winner: winner.clone(), values, needs_review };
    (winner, Some(conflict))
}

/// The more careful of two outcomes; of equally careful ones the first.
fn more_careful(one: Value, other: Value) -> Value {
    if outcome_rank(&other) > outcome_rank(&one) { other } else { one }
}
