//! The document as JSON, with its conflicts.

use automerge::{Automerge, ObjId, ObjType, Prop, ROOT, ReadDoc};
use serde_json::{Map, Value};

use super::conflict::{Conflict, ConflictValue, by_path, resolved, scalar_conflicts, writer_of};
use super::history::{History, OpRef};
use super::pointer::Pointer;
use super::session::SessionDocument;
use super::value::scalar_json;

/// The merged document as a reader sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentView {
    /// The document. Where outcomes are in conflict, the safe side is shown.
    pub document: Value,
    /// Places with more than one value, by path.
    pub conflicts: Vec<Conflict>,
}

impl SessionDocument {
    /// The merged document as JSON.
    #[must_use]
    pub fn view(&self) -> DocumentView {
        self.read(|document| {
            let mut reader = Reader::new(document, &self.history);
            let document = reader.object(&ROOT, ObjType::Map);
            DocumentView { document, conflicts: reader.finish() }
        })
    }

    /// The conflicts at, above or below JSON Pointers, by path. The Automerge document is read only where
    /// objects are among the values in conflict.
    #[must_use]
    pub fn conflicts_touching(&self, paths: &[String]) -> Vec<Conflict> {
        let paths: Vec<Pointer> = paths.iter().filter_map(|path| Pointer::read(path).ok()).collect();
        match scalar_conflicts(&self.history, &paths) {
            Some(conflicts) => conflicts,
            None => self.read(|document| {
                let mut reader = Reader::new(document, &self.history);
                paths.iter().for_each(|path| reader.walk(path));
                reader.finish()
            }),
        }
    }
}

struct Reader<'a> {
    document: &'a Automerge,
    history: &'a History,
    path: Pointer,
    conflicts: Vec<Conflict>,
}

impl<'a> Reader<'a> {
    fn new(document: &'a Automerge, history: &'a History) -> Self {
        Self { document, history, path: Pointer::default(), conflicts: Vec::new() }
    }

    fn finish(self) -> Vec<Conflict> {
        by_path(self.conflicts)
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
        let (shown, conflict) = resolved(&self.path, values);
        self.conflicts.extend(conflict);
        shown
    }

    fn attributed(&mut self, value: &automerge::Value<'_>, id: &ObjId) -> ConflictValue {
        let operation = match id {
            ObjId::Root => None,
            ObjId::Id(counter, actor, _) => {
                let counter = u32::try_from(*counter).ok();
                let actor = self.history.actor_number(actor);
                actor.zip(counter).map(|(actor, counter)| OpRef { actor, counter })
            }
        };
        let (actor, at) = writer_of(self.history, operation);
        ConflictValue { value: self.value(value, id), actor, at }
    }
}
