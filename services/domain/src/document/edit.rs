//! Writing JSON operations as an Automerge change.
//!
//! The operations are written by hand from what the index says of a point of the history; the Automerge
//! document is not needed, and it does not matter how long the history is. The library's own transactions
//! turn a value that is equal already into no change at all, where here a confirmation is a fact to keep; they
//! use the highest counter of the whole document, which lets a stale write win; they change the document
//! before anything is stored; and they get slower as it grows.

use std::num::NonZeroU64;

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType, SortedVec};
use automerge::{ActorId, ChangeHash, ExpandedChange, ObjType};
use serde_json::Value;

use super::change::ParsedChange;
use super::history::{Clock, Effect, Element, History, OpRef};
use super::operation::{Operation, OperationKind};
use super::pointer::Pointer;
use super::value::json_scalar;

/// A document as it was at a point of its history.
#[derive(Clone, Copy)]
pub(super) struct Point<'a> {
    pub(super) history: &'a History,
    /// What had been seen; none is the present.
    pub(super) clock: Option<&'a Clock>,
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
                Some(list) => self.write_value(point.end_of(list), value),
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
        let (object, effect) = self.descend(parents)?;
        if let Effect::Map { .. } = effect {
            let replaced = self.history.at_key(object, last, self.clock);
            let key = Key::Map(last.as_str().into());
            return Ok(Place {
                object: self.object_id(object),
                key,
                insert: false,
                replaced: self.ids(&replaced),
            });
        }
        let elements = self.elements(object);
        match elements.get(list_index(last, elements.len())?) {
            Some(element) => {
                let key = Key::Seq(ElementId::Id(self.history.op_id(element.id)));
                let replaced = self.ids(&element.operations);
                Ok(Place { object: self.object_id(object), key, insert: false, replaced })
            }
            None => Ok(self.behind(object, elements.last())),
        }
    }

    /// The list at a path, or none where nothing is there.
    fn list_at(&self, path: &Pointer) -> Result<Option<OpRef>, String> {
        let (last, parents) = path.split_last().ok_or("a path must not be empty")?;
        let (object, effect) = self.descend(parents)?;
        match self.value_at(object, effect, last)? {
            Some((list, Effect::List { .. })) => Ok(Some(list)),
            Some(_) => Err(format!("`{path}` is not a list")),
            None => Ok(None),
        }
    }

    /// The place behind the last element of a list.
    fn end_of(&self, list: OpRef) -> Place {
        self.behind(list, self.elements(list).last())
    }

    fn behind(&self, list: OpRef, last: Option<&Element>) -> Place {
        let last = last.map_or(ElementId::Head, |last| ElementId::Id(self.history.op_id(last.id)));
        Place { object: self.object_id(list), key: Key::Seq(last), insert: true, replaced: Vec::new() }
    }

    /// The object or list that segments lead to.
    fn descend(&self, segments: &[String]) -> Result<(OpRef, Effect), String> {
        let mut at = (OpRef::ROOT, self.history.effect(OpRef::ROOT));
        for (depth, segment) in segments.iter().enumerate() {
            let here = || segments[..=depth].iter().cloned().collect::<Pointer>();
            at = match self.value_at(at.0, at.1, segment)? {
                Some(inner @ (_, Effect::Map { .. } | Effect::List { .. })) => inner,
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

    /// The operation whose value is shown at a place.
    fn value_at(
        &self,
        object: OpRef,
        effect: Effect,
        segment: &str,
    ) -> Result<Option<(OpRef, Effect)>, String> {
        let operations = if let Effect::List { .. } = effect {
            let mut elements = self.elements(object);
            let index = list_index(segment, elements.len())?;
            elements.get_mut(index).map(|element| std::mem::take(&mut element.operations)).unwrap_or_default()
        } else {
            self.history.at_key(object, segment, self.clock)
        };
        Ok(self.history.winner(&operations).map(|id| (id, self.history.effect(id))))
    }

    fn elements(&self, list: OpRef) -> Vec<Element> {
        let mut elements = self.history.elements(list, self.clock);
        elements.retain(|element| !element.operations.is_empty());
        elements
    }

    fn ids(&self, operations: &[OpRef]) -> Vec<OpId> {
        operations.iter().map(|id| self.history.op_id(*id)).collect()
    }

    fn object_id(&self, object: OpRef) -> ObjectId {
        if object == OpRef::ROOT { ObjectId::Root } else { ObjectId::Id(self.history.op_id(object)) }
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
