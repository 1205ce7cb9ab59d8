//! Writing JSON operations as an Automerge change.
//!
//! The operations are written by hand from what the index says of a point of the history; the Automerge
//! document is not needed, and it does not matter how long the history is. The library's own transactions make
//! no change of a value that is equal already, but here a confirmation is a fact to keep. They use the highest
//! counter of the whole document, which lets a stale write win. They change the document before anything is
//! stored, and get slower as it grows.

use std::num::NonZeroU64;

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType, SortedVec};
use automerge::{ActorId, ChangeHash, ExpandedChange, ObjType};
use serde_json::Value;

use super::change::ParsedChange;
use super::json_edit;
use super::operation::{Operation, OperationKind};
use super::point::{Place, Places, Point, Target};
use super::pointer::Pointer;
use super::value::json_scalar;

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

impl Draft {
    /// Writes one operation, and returns the path that was written: that of the operation, or of what had to be made again to hold
    /// it. None when there is nothing to do. The error is about the path.
    pub(super) fn write(
        &mut self,
        point: Point<'_>,
        operation: &Operation,
        path: &Pointer,
    ) -> Result<Option<Pointer>, String> {
        let value = operation.value.as_ref().unwrap_or(&Value::Null);
        let is_written = match point.target(path, operation.op)? {
            Target::Here(places) => match operation.op {
                OperationKind::Set if path.is_item() => self.set(places, &point.item_with_asset(path, value)),
                OperationKind::Set => self.set(places, value),
                OperationKind::Delete => self.delete(places),
                OperationKind::Append => self.set(places, &Value::Array(vec![value.clone()])),
            },
            Target::Behind(place) => self.set(place.into(), value),
            Target::Inside { at, places, mut content, rest } => {
                let is_changed = json_edit::apply(&mut content, operation.op, &rest, value)?;
                return Ok((is_changed && self.set(places, &content)).then_some(at));
            }
        };
        Ok(is_written.then(|| path.clone()))
    }

    fn set(&mut self, places: Places, value: &Value) -> bool {
        self.write_value(places.first, value);
        places.others.into_iter().for_each(|place| {
            self.push(place, OpType::Delete);
        });
        true
    }

    /// False where nothing stands.
    fn delete(&mut self, places: Places) -> bool {
        let places = std::iter::once(places.first).chain(places.others);
        let deleted = places.filter(|place| !place.is_empty());
        deleted.map(|place| self.push(place, OpType::Delete)).count() > 0
    }

    /// Writes a value into an entry of a map that this change made.
    pub(super) fn write_entry(&mut self, object: &OpId, key: &str, value: &Value) {
        let place = Place::empty(ObjectId::Id(object.clone()), Key::Map(key.into()), false);
        self.write_value(place, value);
    }

    /// Makes a map at a key of the root or of another map, where nothing stands yet.
    pub(super) fn make_map(&mut self, object: ObjectId, key: &str) -> OpId {
        let place = Place::empty(object, Key::Map(key.into()), false);
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
                    self.write_value(Place::empty(list.clone(), key, true), value);
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
        let (obj, key, insert) = (place.object.clone(), place.key.clone(), place.insert);
        let pred = SortedVec::from(place.predecessors(action == OpType::Delete));
        self.operations.push(Op { action, obj, key, pred, insert });
        id
    }

    fn next_id(&self) -> OpId {
        OpId::new(u64::from(self.start_op) + self.operations.len() as u64, &self.actor)
    }
}
