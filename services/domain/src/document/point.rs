//! Where an operation writes, at a point of the history.
//!
//! Operations write where readers see values, and readers see more than stands in the Automerge document (see `view`). Where what
//! is shown is gone for Automerge, it is made again there, with what the operation changes.

use automerge::legacy::{ElementId, Key, ObjectId, OpId};
use serde_json::Value;

use super::history::{Clock, History, OpRef, Part, Spot, Standing};
use super::operation::OperationKind;
use super::pointer::Pointer;
use super::view::{self, Shown, spot_of};

/// Fields of an item that say what it is about. They outlive the item's being set as a whole.
const FIELDS_OF_ASSET: [&str; 4] = ["asset_id", "item_code", "label", "location"];

/// A document as it was at a point of its history.
#[derive(Clone, Copy)]
pub(super) struct Point<'a> {
    pub(super) history: &'a History,
    /// What had been seen; none is the present.
    pub(super) clock: Option<&'a Clock>,
}

/// A place that can be written: an entry of a map or a list.
pub(super) struct Place {
    pub(super) object: ObjectId,
    pub(super) key: Key,
    pub(super) insert: bool,
    /// What stands there for Automerge.
    pub(super) present: Vec<OpId>,
    /// What else is shown there.
    pub(super) overtaken: Vec<OpId>,
}

impl Place {
    pub(super) fn empty(object: ObjectId, key: Key, insert: bool) -> Self {
        Self { object, key, insert, present: Vec::new(), overtaken: Vec::new() }
    }

    /// True where nothing is shown.
    pub(super) fn is_empty(&self) -> bool {
        self.present.is_empty() && self.overtaken.is_empty()
    }

    /// What an operation there names as its predecessors. Where nothing stands for Automerge a value in a map needs none; anything
    /// else does.
    pub(super) fn predecessors(self, is_deletion: bool) -> Vec<OpId> {
        let needs_one = is_deletion || (matches!(self.key, Key::Seq(_)) && !self.insert);
        if self.present.is_empty() && needs_one { self.overtaken } else { self.present }
    }
}

/// The places that are one to a reader.
pub(super) struct Places {
    /// The one that is written.
    pub(super) first: Place,
    /// The others at which something stands.
    pub(super) others: Vec<Place>,
}

/// Where an operation writes.
pub(super) enum Target {
    /// At its path.
    Here(Places),
    /// Behind the last element of the list at its path.
    Behind(Place),
    /// Inside something that is shown, and gone for Automerge.
    Inside {
        /// The path of that.
        at: Pointer,
        places: Places,
        /// What is shown there.
        content: Value,
        /// The operation's path from there on.
        rest: Vec<String>,
    },
}

impl From<Place> for Places {
    fn from(first: Place) -> Self {
        Self { first, others: Vec::new() }
    }
}

/// Objects that are shown as one, at a path.
struct Sides {
    path: Pointer,
    objects: Vec<Side>,
    are_lists: bool,
}

/// One of them. A dead one is gone for Automerge.
#[derive(Clone, Copy)]
struct Side {
    object: OpRef,
    is_live: bool,
}

/// What there is at a segment of a path.
struct Found {
    path: Pointer,
    /// The key, where it is one of a map.
    key: String,
    spot: Spot,
    standing: Standing,
    shown: Shown,
}

impl Sides {
    fn root() -> Self {
        let objects = vec![Side { object: OpRef::ROOT, is_live: true }];
        Self { path: Pointer::default(), objects, are_lists: false }
    }

    fn all(&self) -> Vec<OpRef> {
        self.objects.iter().map(|side| side.object).collect()
    }

    fn is_live(&self, object: OpRef) -> bool {
        self.objects.iter().any(|side| side.object == object && side.is_live)
    }

    /// The one that Automerge prefers among those that it shows.
    fn front(&self) -> OpRef {
        let live = self.objects.iter().rev().find(|side| side.is_live);
        live.or(self.objects.last()).map_or(OpRef::ROOT, |side| side.object)
    }
}

impl Point<'_> {
    /// Where an operation at a path writes. The parent must exist.
    pub(super) fn target(&self, path: &Pointer, kind: OperationKind) -> Result<Target, String> {
        let (last, parents) = path.split_last().ok_or("a path must not be empty")?;
        let mut sides = Sides::root();
        for (depth, segment) in parents.iter().enumerate() {
            let found = self.find(&sides, segment)?;
            let inside = match &found.shown {
                Shown::Maps(_) | Shown::Lists(_) => self.sides(&sides, &found),
                Shown::Leaf(_) => return Err(format!("`{}` is not an object or a list", found.path)),
                Shown::Nothing => {
                    return Err(format!(
                        "`{}` does not exist at the point of history that the client had seen",
                        found.path
                    ));
                }
            };
            if inside.objects.iter().all(|side| !side.is_live) {
                return Ok(self.inside(&sides, found, path.segments()[depth + 1..].to_vec()));
            }
            sides = inside;
        }
        let found = self.find(&sides, last)?;
        match &found.shown {
            Shown::Lists(_) if kind == OperationKind::Append => {
                let inside = self.sides(&sides, &found);
                if inside.objects.iter().any(|side| side.is_live) {
                    Ok(Target::Behind(self.end_of(inside.front())))
                } else {
                    Ok(self.inside(&sides, found, Vec::new()))
                }
            }
            Shown::Maps(_) | Shown::Leaf(_) if kind == OperationKind::Append => {
                Err(format!("`{path}` is not a list"))
            }
            _ => Ok(Target::Here(self.places(&sides, &found))),
        }
    }

    /// A value for the item at a path, with the fields of its asset where the value says nothing of them.
    pub(super) fn item_with_asset(&self, path: &Pointer, value: &Value) -> Value {
        let mut value = value.clone();
        let Some(fields) = value.as_object_mut() else { return value };
        for shown in self.values_at(path) {
            for field in FIELDS_OF_ASSET {
                if let (false, Some(known)) = (fields.contains_key(field), shown.get(field)) {
                    fields.insert(field.to_owned(), known.clone());
                }
            }
        }
        value
    }

    /// Everything that can be read at a path, what is shown first.
    fn values_at(&self, path: &Pointer) -> Vec<Value> {
        let mut sides = Sides::root();
        let mut standing = Standing::default();
        for segment in path.segments() {
            let Ok(found) = self.find(&sides, segment) else { return Vec::new() };
            sides = self.sides(&sides, &found);
            standing = found.standing;
        }
        let one = |id: OpRef| {
            let standing = Standing { present: vec![id], ..Standing::default() };
            view::shown_at(self.history, self.clock, path, &standing)
        };
        standing.values().filter_map(one).collect()
    }

    fn find(&self, sides: &Sides, segment: &str) -> Result<Found, String> {
        let (key, spot, standing) = if sides.are_lists {
            let elements = self.elements(sides);
            let index = list_index(segment, elements.len())?;
            let (part, standing) = elements.into_iter().nth(index).unzip();
            let parts = Vec::from_iter(part);
            (index.to_string(), Spot { parts, settled_by_key: None }, standing.unwrap_or_default())
        } else {
            let (key, spot) = spot_of(self.history, &sides.path, &sides.all(), segment);
            let standing = self.history.standing_at(&spot, self.clock);
            (key, spot, standing)
        };
        let path = sides.path.child(key.as_str());
        let shown = Shown::of(self.history, &path, &standing, self.clock);
        Ok(Found { path, key, spot, standing, shown })
    }

    /// The objects that are shown at a place. Those are live that Automerge shows, inside of what it shows; where it shows nothing
    /// at all of the session's items, they are written where they are.
    fn sides(&self, parents: &Sides, found: &Found) -> Sides {
        let (Shown::Maps(objects) | Shown::Lists(objects)) = &found.shown else {
            return Sides { path: found.path.clone(), objects: Vec::new(), are_lists: false };
        };
        let stands_live = |id: &OpRef| {
            found.standing.present.contains(id)
                && self.history.operation(*id).is_some_and(|(sketch, _)| parents.is_live(sketch.object))
        };
        let is_any_live = objects.iter().any(stands_live);
        let is_kept = found.path.is_items() && !is_any_live;
        let side = |id: &OpRef| Side { object: *id, is_live: is_kept || stands_live(id) };
        Sides {
            path: found.path.clone(),
            objects: objects.iter().map(side).collect(),
            are_lists: matches!(found.shown, Shown::Lists(_)),
        }
    }

    fn inside(&self, parents: &Sides, found: Found, rest: Vec<String>) -> Target {
        let content = view::shown_at(self.history, self.clock, &found.path, &found.standing);
        let (places, content) = (self.places(parents, &found), content.unwrap_or_default());
        Target::Inside { at: found.path, places, content, rest }
    }

    /// The elements of lists that are shown as one.
    fn elements(&self, lists: &Sides) -> Vec<(Part, Standing)> {
        let of_list = |list: OpRef| {
            let elements = self.history.shown_elements(list, self.clock).into_iter();
            elements.map(move |(element, standing)| (Part::Element(list, element), standing))
        };
        lists.all().into_iter().flat_map(of_list).collect()
    }

    /// The places that are written where something was found, or can be put.
    fn places(&self, sides: &Sides, found: &Found) -> Places {
        let live = found.spot.parts.iter().copied().filter(|part| sides.is_live(part.object()));
        let mut parts: Vec<Part> = live.collect();
        if parts.is_empty() {
            let object = sides.front();
            let key = || Key::Map(found.key.as_str().into());
            let new = || Place::empty(self.object_id(object), key(), false);
            return (if sides.are_lists { self.end_of(object) } else { new() }).into();
        }
        let holds = |id: OpRef| parts.iter().position(|part| self.history.is_at(id, *part));
        let preferred = found.standing.values().find_map(holds);
        let first = parts.swap_remove(preferred.unwrap_or(parts.len() - 1));
        let place = |part: Part| self.place(part, &found.standing);
        let others = parts.into_iter().map(place).filter(|place| !place.is_empty()).collect();
        Places { first: place(first), others }
    }

    fn place(&self, part: Part, standing: &Standing) -> Place {
        let key = match part {
            Part::Key(_, key) => Key::Map(self.history.key(key).into()),
            Part::Element(_, element) => Key::Seq(ElementId::Id(self.history.op_id(element))),
        };
        let ids = |operations: Vec<OpRef>| operations.iter().map(|id| self.history.op_id(*id)).collect();
        let overtaken = standing.overtaken.iter().copied().filter(|id| self.history.is_at(*id, part));
        Place {
            object: self.object_id(part.object()),
            key,
            insert: false,
            present: ids(self.history.present_at(part, self.clock)),
            overtaken: ids(overtaken.collect()),
        }
    }

    /// The place behind the last element of a list.
    fn end_of(&self, list: OpRef) -> Place {
        let last = self.history.shown_elements(list, self.clock).pop();
        let last = last.map_or(ElementId::Head, |(id, _)| ElementId::Id(self.history.op_id(id)));
        Place::empty(self.object_id(list), Key::Seq(last), true)
    }

    fn object_id(&self, object: OpRef) -> ObjectId {
        if object == OpRef::ROOT { ObjectId::Root } else { ObjectId::Id(self.history.op_id(object)) }
    }
}

/// The index that a segment names: a number up to the length, or `-` for the place behind the last element.
pub(super) fn list_index(segment: &str, length: usize) -> Result<usize, String> {
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
