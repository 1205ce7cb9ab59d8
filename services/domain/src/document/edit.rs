//! Writing JSON operations as an Automerge change.
//!
//! The operations are written by hand from what the document says at a point of its history. The library's
//! own transactions would do, but they turn a value that is equal already into no change at all, where here
//! a confirmation is a fact to keep; they use the highest counter of the whole document, which lets a stale
//! write win; and they change the document before anything is stored.

use std::num::NonZeroU64;

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType, SortedVec};
use automerge::{ActorId, Automerge, ChangeHash, ExpandedChange, ObjId, ObjType, Prop, ROOT, ReadDoc};
use serde_json::Value;

use super::change::ParsedChange;
use super::history::{History, OpRef, SketchKey};
use super::operation::{Operation, OperationKind};
use super::pointer::Pointer;
use super::value::json_scalar;

/// A document as it was at a point of its history.
#[derive(Clone, Copy)]
pub(super) struct Point<'a> {
    pub(super) document: &'a Automerge,
    pub(super) history: &'a History,
    pub(super) heads: &'a [ChangeHash],
}

/// A change that is being written.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) actor: ActorId,
    pub(super) seq: u64,
    pub(super) start_op: u32,
    pub(super) deps: Vec<ChangeHash>,
    /// Seconds since 1970.
    pub(super) stated_at_seconds: i64,
    pub(super) operations: Vec<Op>,
}

/// A place that can be written: an entry of a map or a list, and what stands there.
struct Place {
    object: ObjectId,
    key: Key,
    insert: bool,
    replaced: Vec<OpId>,
}

impl Draft {
    /// Writes one operation; false when there is nothing to do. The error is about the path.
    pub(super) fn write(
        &mut self,
        point: Point<'_>,
        operation: &Operation,
        path: &Pointer,
    ) -> Result<bool, String> {
        let value = operation.value.as_ref().unwrap_or(&Value::Null);
        match operation.op {
            OperationKind::Set => {
                let place = point.place(path)?;
                self.write_value(place, value);
            }
            OperationKind::Delete => {
                let place = point.place(path)?;
                if place.replaced.is_empty() {
                    return Ok(false);
                }
                self.push(place, OpType::Delete);
            }
            OperationKind::Append => match point.list_at(path)? {
                Some(list) => self.write_value(point.end_of(&list)?, value),
                None => self.write_value(point.place(path)?, &Value::Array(vec![value.clone()])),
            },
        }
        Ok(true)
    }

    /// Writes a value into an entry of a map that this change made.
    pub(super) fn write_entry(&mut self, object: &OpId, key: &str, value: &Value) {
        let place = Place {
            object: ObjectId::Id(object.clone()),
            key: Key::Map(key.into()),
            insert: false,
            replaced: Vec::new(),
        };
        self.write_value(place, value);
    }

    /// Makes a map at a key of the root or of another map, where nothing stands yet.
    pub(super) fn make_map(&mut self, object: ObjectId, key: &str) -> OpId {
        let place = Place { object, key: Key::Map(key.into()), insert: false, replaced: Vec::new() };
        self.push(place, OpType::Make(ObjType::Map))
    }

    /// The finished change.
    pub(super) fn finish(self, message: Option<String>) -> ParsedChange {
        ParsedChange::built(ExpandedChange {
            operations: self.operations,
            actor_id: self.actor,
            hash: None,
            seq: self.seq,
            start_op: NonZeroU64::MIN.saturating_add(u64::from(self.start_op) - 1),
            time: self.stated_at_seconds,
            message,
            deps: self.deps,
            extra_bytes: Vec::new(),
            author: None,
        })
    }

    fn write_value(&mut self, place: Place, value: &Value) {
        match value {
            Value::Object(fields) => {
                let map = self.push(place, OpType::Make(ObjType::Map));
                for (key, value) in fields {
                    self.write_entry(&map, key, value);
                }
            }
            Value::Array(values) => {
                let list = ObjectId::Id(self.push(place, OpType::Make(ObjType::List)));
                let mut last = ElementId::Head;
                for value in values {
                    let element = ElementId::Id(self.next_id());
                    let key = Key::Seq(std::mem::replace(&mut last, element));
                    self.write_value(
                        Place { object: list.clone(), key, insert: true, replaced: Vec::new() },
                        value,
                    );
                }
            }
            scalar => {
                let scalar = json_scalar(scalar).unwrap_or(automerge::ScalarValue::Null);
                self.push(place, OpType::Put(scalar));
            }
        }
    }

    fn push(&mut self, place: Place, action: OpType) -> OpId {
        let id = self.next_id();
        self.operations.push(Op {
            action,
            obj: place.object,
            key: place.key,
            pred: SortedVec::from(place.replaced),
            insert: place.insert,
        });
        id
    }

    fn next_id(&self) -> OpId {
        OpId::new(u64::from(self.start_op) + self.operations.len() as u64, &self.actor)
    }
}

impl Point<'_> {
    /// The place that a path names. Its parent must exist.
    fn place(&self, path: &Pointer) -> Result<Place, String> {
        let (last, parents) = path.split_last().ok_or("a path must not be empty")?;
        let (object, kind) = self.descend(parents)?;
        if kind != ObjType::List {
            let replaced = self.operations_at(&object, last.as_str().into());
            return Ok(Place {
                object: object_id(&object),
                key: Key::Map(last.as_str().into()),
                insert: false,
                replaced,
            });
        }
        let length = self.document.length_at(&object, self.heads);
        match list_index(last, length)? {
            index if index < length => {
                let replaced = self.operations_at(&object, index.into());
                let key = Key::Seq(self.element_of(&replaced)?);
                Ok(Place { object: object_id(&object), key, insert: false, replaced })
            }
            _ => self.end_of(&object),
        }
    }

    /// The list at a path, or none where nothing is there.
    fn list_at(&self, path: &Pointer) -> Result<Option<ObjId>, String> {
        let (last, parents) = path.split_last().ok_or("a path must not be empty")?;
        let (object, kind) = self.descend(parents)?;
        match self.value_at(&object, kind, last)? {
            Some((automerge::Value::Object(ObjType::List), list)) => Ok(Some(list)),
            Some(_) => Err(format!("`{path}` is not a list")),
            None => Ok(None),
        }
    }

    /// The place behind the last element of a list.
    fn end_of(&self, list: &ObjId) -> Result<Place, String> {
        let length = self.document.length_at(list, self.heads);
        let last = match length.checked_sub(1) {
            None => ElementId::Head,
            Some(index) => self.element_of(&self.operations_at(list, index.into()))?,
        };
        Ok(Place { object: object_id(list), key: Key::Seq(last), insert: true, replaced: Vec::new() })
    }

    /// The object or list that segments lead to.
    fn descend(&self, segments: &[String]) -> Result<(ObjId, ObjType), String> {
        let mut at = (ROOT, ObjType::Map);
        for (depth, segment) in segments.iter().enumerate() {
            let here = || segments[..=depth].iter().cloned().collect::<Pointer>();
            at = match self.value_at(&at.0, at.1, segment)? {
                Some((automerge::Value::Object(kind @ (ObjType::Map | ObjType::List)), object)) => {
                    (object, kind)
                }
                Some(_) => return Err(format!("`{}` is not an object or a list", here())),
                None => {
                    return Err(format!(
                        "`{}` does not exist at the point of history that the client had seen",
                        here()
                    ));
                }
            };
        }
        Ok(at)
    }

    fn value_at(
        &self,
        object: &ObjId,
        kind: ObjType,
        segment: &str,
    ) -> Result<Option<(automerge::Value<'_>, ObjId)>, String> {
        let prop = match kind {
            ObjType::List => list_index(segment, self.document.length_at(object, self.heads))?.into(),
            _ => Prop::from(segment),
        };
        Ok(self.document.get_at(object, prop, self.heads).ok().flatten())
    }

    /// The operations whose values stand at a place: what a write there replaces.
    fn operations_at(&self, object: &ObjId, prop: Prop) -> Vec<OpId> {
        let values = self.document.get_all_at(object, prop, self.heads).unwrap_or_default();
        values.iter().filter_map(|(_, id)| op_id(id)).collect()
    }

    /// The list element at which operations stand: the insertion that made it.
    fn element_of(&self, operations: &[OpId]) -> Result<ElementId, String> {
        let element = operations.first().and_then(|id| {
            let actor = self.history.actor_number(id.actor())?;
            let counter = u32::try_from(id.counter()).ok()?;
            let (sketch, _) = self.history.operation(OpRef { actor, counter })?;
            match sketch.key {
                _ if sketch.insert => Some(id.clone()),
                SketchKey::Element(element) => {
                    Some(OpId::new(element.counter.into(), &self.history.actor(element.actor).id))
                }
                _ => None,
            }
        });
        element.map(ElementId::Id).ok_or_else(|| "there is no such element".to_owned())
    }
}

/// The index that a segment names: a number up to the length, or `-` for the place behind the last element.
fn list_index(segment: &str, length: usize) -> Result<usize, String> {
    if segment == "-" {
        return Ok(length);
    }
    let is_plain = segment == "0" || !segment.starts_with(['0', '+']);
    match segment.parse::<usize>() {
        Ok(index) if is_plain && index <= length => Ok(index),
        Ok(_) if is_plain => Err(format!("the list has {length} elements; there is no place `{segment}`")),
        _ => Err(format!("`{segment}` is not the index of a list")),
    }
}

fn op_id(id: &ObjId) -> Option<OpId> {
    match id {
        ObjId::Root => None,
        ObjId::Id(counter, actor, _) => Some(OpId::new(*counter, actor)),
    }
}

fn object_id(id: &ObjId) -> ObjectId {
    op_id(id).map_or(ObjectId::Root, ObjectId::Id)
}
