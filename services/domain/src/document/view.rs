//! The document as JSON, with its conflicts.

use automerge::{Automerge, ObjId, ObjType, Prop, ROOT, ReadDoc};
use serde::Serialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::history::{History, OpRef};
use super::pointer::Pointer;
use super::session::SessionDocument;
use super::value::{is_same, outcome_rank, scalar_json};

/// The merged document as a reader sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentView {
    /// The document. Where outcomes are in conflict, the safe side is shown.
    pub document: Value,
    /// Places with more than one value, by path.
    pub conflicts: Vec<Conflict>,
}

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

impl SessionDocument {
    /// The merged document as JSON.
    #[must_use]
    pub fn view(&self) -> DocumentView {
        let mut reader = Reader::new(self);
        let document = reader.object(&ROOT, ObjType::Map);
        DocumentView { document, conflicts: reader.finish() }
    }

    /// The conflicts at, above or below JSON Pointers, by path.
    #[must_use]
    pub fn conflicts_touching(&self, paths: &[String]) -> Vec<Conflict> {
        let mut reader = Reader::new(self);
        for path in paths.iter().filter_map(|path| Pointer::read(path).ok()) {
            reader.walk(&path);
        }
        reader.finish()
    }
}

struct Reader<'a> {
    document: &'a Automerge,
    history: &'a History,
    path: Pointer,
    conflicts: Vec<Conflict>,
}

impl<'a> Reader<'a> {
    fn new(session: &'a SessionDocument) -> Self {
        Self {
            document: &session.document,
            history: &session.history,
            path: Pointer::default(),
            conflicts: Vec::new(),
        }
    }

    fn finish(mut self) -> Vec<Conflict> {
        self.conflicts.sort_by(|left, right| left.path.cmp(&right.path));
        self.conflicts.dedup();
        self.conflicts
    }

    /// Collects the conflicts along a path and below its end.
    fn walk(&mut self, path: &Pointer) {
        let mut object = ROOT;
        let mut kind = ObjType::Map;
        self.path = Pointer::default();
        for segment in path.segments() {
            let prop = match (kind, segment.parse::<usize>()) {
                (ObjType::Map | ObjType::Table, _) => Prop::from(segment.as_str()),
                (ObjType::List, Ok(index)) => Prop::from(index),
                _ => return,
            };
            let values = self.document.get_all(&object, prop).unwrap_or_default();
            self.path.push(segment.as_str());
            let has_conflict = values.len() > 1;
            let Some((value, id)) = values.last() else { return };
            match value {
                automerge::Value::Object(inner) => (object, kind) = (id.clone(), *inner),
                automerge::Value::Scalar(_) => {
                    if has_conflict {
                        self.resolve(&values);
                    }
                    return;
                }
            }
            if has_conflict {
                self.resolve(&values);
            }
        }
        self.object(&object, kind);
    }

    fn object(&mut self, object: &ObjId, kind: ObjType) -> Value {
        match kind {
            ObjType::Text => Value::String(self.document.text(object).unwrap_or_default()),
            ObjType::List => self.list(object),
            ObjType::Map | ObjType::Table => self.map(object),
        }
    }

    fn map(&mut self, object: &ObjId) -> Value {
        let mut fields = Map::new();
        for item in self.document.map_range(object, ..) {
            self.path.push(&*item.key);
            let value = if item.conflict {
                self.resolve(&self.document.get_all(object, &*item.key).unwrap_or_default())
            } else {
                self.value(&item.value.clone().into_value(), &item.id())
            };
            self.path.pop();
            fields.insert(item.key.into_owned(), value);
        }
        Value::Object(fields)
    }

    fn list(&mut self, object: &ObjId) -> Value {
        let mut values = Vec::new();
        for item in self.document.list_range(object, ..) {
            self.path.push(item.index.to_string());
            values.push(if item.conflict {
                self.resolve(&self.document.get_all(object, item.index).unwrap_or_default())
            } else {
                self.value(&item.value.clone().into_value(), &item.id())
            });
            self.path.pop();
        }
        Value::Array(values)
    }

    fn value(&mut self, value: &automerge::Value<'_>, id: &ObjId) -> Value {
        match value {
            automerge::Value::Object(kind) => self.object(id, *kind),
            automerge::Value::Scalar(scalar) => scalar_json(scalar),
        }
    }

    /// What is shown of several values, which are in Automerge's order: the last one, unless a safer outcome
    /// is among them.
    fn resolve(&mut self, values: &[(automerge::Value<'_>, ObjId)]) -> Value {
        let values: Vec<ConflictValue> =
            values.iter().rev().map(|(value, id)| self.attributed(value, id)).collect();
        let Some(preferred) = values.first().map(|first| first.value.clone()) else { return Value::Null };
        if values.iter().all(|other| is_same(&other.value, &preferred)) {
            return preferred; // the same thing was said more than once
        }
        let (winner, needs_review) = if self.path.is_outcome() {
            (safest(values.iter().map(|value| &value.value)).unwrap_or(preferred), true)
        } else if self.path.is_item() {
            item_with_safest_outcome(preferred, &values)
        } else {
            (preferred, false)
        };
        let path = self.path.to_string();
        self.conflicts.push(Conflict { path, winner: winner.clone(), values, needs_review });
        winner
    }

    fn attributed(&mut self, value: &automerge::Value<'_>, id: &ObjId) -> ConflictValue {
        let (actor, at) = self.writer_of(id);
        ConflictValue { value: self.value(value, id), actor, at }
    }

    fn writer_of(&self, id: &ObjId) -> (String, OffsetDateTime) {
        let unknown = (String::new(), OffsetDateTime::UNIX_EPOCH);
        let ObjId::Id(counter, actor_id, _) = id else { return unknown };
        let operation = self.history.actor_number(actor_id).and_then(|actor| {
            let counter = u32::try_from(*counter).ok()?;
            self.history.operation(OpRef { actor, counter })
        });
        let Some((_, node)) = operation else { return unknown };
        match &self.history.actor(node.actor).device {
            Some(device) => {
                let stated_at = OffsetDateTime::from_unix_timestamp(node.stated_at_seconds);
                (device.clone(), stated_at.unwrap_or(node.received_at))
            }
            None => (actor_id.to_hex_string(), node.received_at),
        }
    }
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
