//! Places with more than one value: what is told of them, and which value is shown.

use automerge::legacy::OpType;
use automerge::{Change, ScalarValue};
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;

use super::history::{Effect, History, OpRef};
use super::pointer::Pointer;
use super::value::{is_same, outcome_rank, scalar_json};

/// A place with more than one value.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Conflict {
    /// Where, as a JSON Pointer.
    pub path: String,
    /// The value that the document shows.
    pub winner: Value,
    /// All values, the one that Automerge prefers first.
    pub values: Vec<ConflictValue>,
    /// True while concurrent outcomes differ. A later change that has seen all of them settles it.
    pub needs_review: bool,
}

/// One of several values at a place.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct ConflictValue {
    /// The value.
    pub value: Value,
    /// The device's name where it came from an operation, else the actor in hex.
    pub actor: String,
    /// When the device says it was done where it came from an operation, else when it was received.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// The conflicts at, above or below places, by path, as far as the index of the changes can tell; none where
/// the Automerge document has to be asked.
pub(super) fn scalar_conflicts(history: &History, paths: &[Pointer]) -> Option<Vec<Conflict>> {
    let mut search = Search { history, path: Pointer::default(), conflicts: Vec::new() };
    for path in paths {
        search.walk(path)?;
    }
    Some(by_path(search.conflicts))
}

/// Sorts conflicts, each of which may have been found several times.
pub(super) fn by_path(mut conflicts: Vec<Conflict>) -> Vec<Conflict> {
    conflicts.sort_by(|left, right| left.path.cmp(&right.path));
    conflicts.dedup();
    conflicts
}

/// A search in the index. Its steps are none where only the document can answer.
struct Search<'a> {
    history: &'a History,
    path: Pointer,
    conflicts: Vec<Conflict>,
}

impl Search<'_> {
    /// Collects the conflicts along a path and below its end.
    fn walk(&mut self, path: &Pointer) -> Option<()> {
        let mut object = OpRef::ROOT;
        self.path = Pointer::default();
        for segment in path.segments() {
            let operations = match self.history.effect(object) {
                Effect::Map { .. } => self.history.at_key(object, segment, None),
                Effect::List { .. } => {
                    let Ok(index) = segment.parse::<usize>() else { return Some(()) };
                    self.list(object).into_iter().nth(index).unwrap_or_default()
                }
                _ => return Some(()),
            };
            self.path.push(segment.as_str());
            self.note(&operations)?;
            let Some(winner) = self.history.winner(&operations) else { return Some(()) };
            object = winner;
        }
        self.below(object)
    }

    /// Collects the conflicts in an object and everything in it. Objects nest only so deep, see the limits.
    fn below(&mut self, object: OpRef) -> Option<()> {
        match self.history.effect(object) {
            Effect::Map { .. } => {
                for (key, operations) in self.history.keys_of(object) {
                    self.place(key, &operations)?;
                }
            }
            Effect::List { .. } => {
                for (index, operations) in self.list(object).iter().enumerate() {
                    self.place(&index.to_string(), operations)?;
                }
            }
            Effect::Text { .. } | Effect::Scalar | Effect::Counter | Effect::Nothing => {}
        }
        Some(())
    }

    fn place(&mut self, segment: &str, operations: &[OpRef]) -> Option<()> {
        self.path.push(segment);
        self.note(operations)?;
        if let [only] = operations {
            self.below(*only)?;
        }
        self.path.pop();
        Some(())
    }

    /// What stands at each place of a list.
    fn list(&self, list: OpRef) -> Vec<Vec<OpRef>> {
        let elements = self.history.elements(list, None).into_iter();
        elements.map(|element| element.operations).filter(|operations| !operations.is_empty()).collect()
    }

    /// Notes the conflict of several operations at the present place.
    fn note(&mut self, operations: &[OpRef]) -> Option<()> {
        if operations.len() > 1 {
            let mut operations = operations.to_vec();
            operations.sort_unstable_by(|one, other| self.history.compare(*other, *one));
            let values = operations.into_iter().map(|id| self.scalar(id)).collect::<Option<Vec<_>>>()?;
            self.conflicts.extend(resolved(&self.path, values).1);
        }
        Some(())
    }

    /// The value that an operation wrote, read from its change.
    fn scalar(&self, id: OpRef) -> Option<ConflictValue> {
        let (sketch, node) = self.history.operation(id)?;
        if sketch.effect != Effect::Scalar {
            return None;
        }
        let mut operations = Change::from_bytes(node.bytes.to_vec()).ok()?.decode().operations;
        let value = match operations.swap_remove((id.counter - node.start_op) as usize).action {
            OpType::Put(ScalarValue::Counter(_)) => return None,
            OpType::Put(scalar) => scalar_json(&scalar),
            _ => return None,
        };
        let (actor, at) = writer_of(self.history, Some(id));
        Some(ConflictValue { value, actor, at })
    }
}

/// Who wrote an operation, and when.
pub(super) fn writer_of(history: &History, id: Option<OpRef>) -> (String, OffsetDateTime) {
    let Some((_, node)) = id.and_then(|id| history.operation(id)) else {
        return (String::new(), OffsetDateTime::UNIX_EPOCH);
    };
    let actor = history.actor(node.actor);
    match &actor.device {
        Some(device) => {
            let stated_at = OffsetDateTime::from_unix_timestamp(node.stated_at_seconds);
            (device.clone(), stated_at.unwrap_or(node.received_at))
        }
        None => (actor.id.to_hex_string(), node.received_at),
    }
}

/// What is shown of several values at a path, the one that Automerge prefers first, and the conflict that they
/// are. It is the first of them, unless a safer outcome is among them.
pub(super) fn resolved(path: &Pointer, values: Vec<ConflictValue>) -> (Value, Option<Conflict>) {
    let Some(preferred) = values.first().map(|first| first.value.clone()) else { return (Value::Null, None) };
    if values.iter().all(|other| is_same(&other.value, &preferred)) {
        return (preferred, None); // the same thing was said more than once
    }
    let (winner, needs_review) = if path.is_outcome() {
        (safest(values.iter().map(|value| &value.value)).unwrap_or(preferred), true)
    } else if path.is_item() {
        item_with_safest_outcome(preferred, &values)
    } else {
        (preferred, false)
    };
    let conflict = Conflict { path: path.to_string(), winner: winner.clone(), values, needs_review };
    (winner, Some(conflict))
}

/// The most careful of several outcomes; of equally careful ones the first.
fn safest<'v>(outcomes: impl Iterator<Item = &'v Value>) -> Option<Value> {
    let more_careful = |best: &'v Value, next: &'v Value| {
        if outcome_rank(next) > outcome_rank(best) { next } else { best }
    };
    outcomes.reduce(more_careful).cloned()
}

/// Two devices made the same item apart. Automerge shows one of them; the outcome is the safest of all.
fn item_with_safest_outcome(mut preferred: Value, values: &[ConflictValue]) -> (Value, bool) {
    let outcomes: Vec<&Value> = values.iter().filter_map(|value| value.value.get("outcome")).collect();
    let differ = outcomes.windows(2).any(|pair| !is_same(pair[0], pair[1]));
    if let (Some(item), Some(outcome)) = (preferred.as_object_mut(), safest(outcomes.into_iter())) {
        item.insert("outcome".to_owned(), outcome);
    }
    (preferred, differ)
}
