//! What one change did, for people who read a session's history.

use std::collections::{BTreeSet, HashMap};

use automerge::legacy::{ElementId, Key, ObjectId, OpId, OpType};
use automerge::{ChangeHash, ExpandedChange, ObjType};
use serde::Serialize;
use serde_json::{Map, Value};

use super::change::ParsedChange;
use super::history::{Effect, History, OpRef};
use super::limits::Limits;
use super::paths::Paths;
use super::pointer::Pointer;
use super::session::SessionDocument;
use super::stated::StatedTime;
use super::value::scalar_json;

/// Places that an account names at most.
const TOUCHES_MAX: usize = 100;

/// A value of more keys and characters than this is left out of an account.
const VALUE_SIZE_MAX: usize = 512;

/// What a change did.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeSummary {
    /// What became of it.
    pub standing: Standing,
    /// When its author says it was made.
    pub stated_at: StatedTime,
    /// What it changed, at most 100 places.
    pub touched: Vec<Touch>,
    /// True when it changed more places than are named.
    pub is_cut: bool,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Part of the document.
    Merged,
    /// Waits for a change that it builds on.
    Held,
    /// Would damage the document, so it is kept beside it.
    Quarantined,
    /// Not part of the document's record.
    Apart,
}

/// A place that a change touched.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Touch {
    /// Where, as a JSON Pointer into the present document: of a list or a text its own path. None where the change builds on
    /// one that is not here.
    pub path: Option<String>,
    /// What was done there.
    pub action: TouchAction,
    /// The new value, where it is small.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value, required = false)]
    pub value: Option<Value>,
}

/// What was done at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TouchAction {
    /// A value was set.
    Set,
    /// A value was put into a list.
    Insert,
    /// A value was removed.
    Delete,
    /// A counter was moved; the value is by how much.
    Increment,
    /// A text was edited.
    Edit,
}

impl SessionDocument {
    /// Whether a stored change is merged, held, quarantined or apart.
    #[must_use]
    pub fn standing_of(&self, hash: &ChangeHash) -> Standing {
        match () {
            () if self.history.find(hash).is_some() => Standing::Merged,
            () if self.unmerged.held.contains_key(hash) => Standing::Held,
            () if self.contains(hash) => Standing::Quarantined,
            () => Standing::Apart,
        }
    }

    /// The merged changes that came before this one and build on it: they waited for it.
    #[must_use]
    pub fn waited_for(&self, hash: &ChangeHash) -> Vec<ChangeHash> {
        let Some(node) = self.history.find(hash) else { return Vec::new() };
        let received_at = self.history.node(node).received_at;
        let mut waited = BTreeSet::new();
        let mut behind = vec![node];
        while let Some(node) = behind.pop() {
            let builds_on = self.history.children(node);
            let waited_too = builds_on.filter(|child| self.history.node(*child).received_at < received_at);
            behind.extend(waited_too.filter(|child| waited.insert(*child)));
        }
        self.history.hashes(&waited.into_iter().collect::<Vec<_>>())
    }

    /// What a stored change did. Changes that are not merged are shown as far as the document knows their places.
    #[must_use]
    pub fn summary_of(&self, hash: &ChangeHash, bytes: &[u8]) -> ChangeSummary {
        let standing = self.standing_of(hash);
        let stated_at = StatedTime::of_change(0);
        let nothing = ChangeSummary { standing, stated_at, touched: Vec::new(), is_cut: false };
        let Ok(parsed) = ParsedChange::parse(bytes, &Limits::of_stored_changes()) else { return nothing };
        let stated_at = StatedTime::of_change(parsed.expanded.time);
        let (touched, is_cut) = Summarizer::new(&self.history, &parsed.expanded).summarize();
        ChangeSummary { stated_at, touched, is_cut, ..nothing }
    }
}

/// Goes through the operations of one change.
struct Summarizer<'a> {
    history: &'a History,
    change: &'a ExpandedChange,
    /// Objects that this change makes: their kind, and the operations inside.
    made: HashMap<OpId, (ObjType, Vec<usize>)>,
    touched: Vec<Touch>,
    is_cut: bool,
}

impl<'a> Summarizer<'a> {
    fn new(history: &'a History, change: &'a ExpandedChange) -> Self {
        let mut made: HashMap<OpId, (ObjType, Vec<usize>)> = HashMap::new();
        for (index, operation) in change.operations.iter().enumerate() {
            if let ObjectId::Id(object) = &operation.obj
                && let Some((_, inside)) = made.get_mut(object)
            {
                inside.push(index);
            }
            if let OpType::Make(kind) = operation.action {
                made.insert(id_of(change, index), (kind, Vec::new()));
            }
        }
        Self { history, change, made, touched: Vec::new(), is_cut: false }
    }

    fn summarize(mut self) -> (Vec<Touch>, bool) {
        let mut paths = Paths::in_history(self.history);
        let mut known: HashMap<&ObjectId, Option<(Pointer, ObjType)>> = HashMap::new();
        for (index, operation) in self.change.operations.iter().enumerate() {
            let is_inside = matches!(&operation.obj, ObjectId::Id(object) if self.made.contains_key(object));
            if !is_inside {
                let place = known.entry(&operation.obj);
                let place = place.or_insert_with(|| object_at(self.history, &mut paths, &operation.obj));
                self.add_operation(index, place.as_ref());
            }
        }
        (self.touched, self.is_cut)
    }

    fn add_operation(&mut self, index: usize, object: Option<&(Pointer, ObjType)>) {
        let operation = &self.change.operations[index];
        let path = object.map(|(path, _)| match &operation.key {
            Key::Map(key) => path.child(key.as_str()),
            Key::Seq(_) => path.clone(),
        });
        if matches!(object, Some((_, ObjType::Text))) {
            let edit = Touch { path: text_of(path.as_ref()), action: TouchAction::Edit, value: None };
            if self.touched.last() != Some(&edit) {
                self.add(edit);
            }
            return;
        }
        let action = match &operation.action {
            OpType::Delete => TouchAction::Delete,
            OpType::Increment(_) => TouchAction::Increment,
            _ if operation.insert => TouchAction::Insert,
            _ => TouchAction::Set,
        };
        let mut room = VALUE_SIZE_MAX;
        let value = self.value(index, &mut room);
        // `/items` itself says little: its items are shown one by one, as is what a large object holds.
        let is_shown_in_parts = value.is_none() || operation.obj == ObjectId::Root;
        if is_shown_in_parts
            && let Some((ObjType::Map, inside)) = self.made.get(&id_of(self.change, index))
            && !inside.is_empty()
        {
            let place = path.map(|path| (path, ObjType::Map));
            for inner in inside.clone() {
                self.add_operation(inner, place.as_ref());
            }
            return;
        }
        let value = value.filter(|_| action != TouchAction::Delete);
        self.add(Touch { path: text_of(path.as_ref()), action, value });
    }

    fn add(&mut self, touch: Touch) {
        if self.touched.len() < TOUCHES_MAX {
            self.touched.push(touch);
        } else {
            self.is_cut = true;
        }
    }

    /// What an operation writes, if there is room for it. Objects have what this change put into them.
    fn value(&self, index: usize, room: &mut usize) -> Option<Value> {
        let value = match &self.change.operations[index].action {
            OpType::Put(scalar) => scalar_json(scalar),
            OpType::Increment(by) => Value::from(*by),
            OpType::Make(kind) => {
                return self.object(*kind, &self.made.get(&id_of(self.change, index))?.1, room);
            }
            _ => Value::Null,
        };
        let size = 1 + value.as_str().map_or(0, str::len);
        *room = room.checked_sub(size)?;
        Some(value)
    }

    fn object(&self, kind: ObjType, inside: &[usize], room: &mut usize) -> Option<Value> {
        if !kind.is_sequence() {
            let mut fields = Map::new();
            for &index in inside {
                if let Key::Map(key) = &self.change.operations[index].key {
                    *room = room.checked_sub(key.len())?;
                    fields.insert(key.to_string(), self.value(index, room)?);
                }
            }
            return Some(Value::Object(fields));
        }
        // Each element stands behind the one that its insertion names.
        let mut elements: Vec<(OpId, Value)> = Vec::new();
        for &index in inside {
            let operation = &self.change.operations[index];
            let value = self.value(index, room)?;
            let position = match &operation.key {
                Key::Seq(ElementId::Id(before)) => {
                    elements.iter().position(|(id, _)| id == before).map(|at| at + 1)
                }
                _ => Some(0),
            };
            if operation.insert
                && let Some(position) = position
            {
                elements.insert(position, (id_of(self.change, index), value));
            }
        }
        let values = elements.into_iter().map(|(_, value)| value);
        Some(match kind {
            ObjType::Text => {
                values.filter_map(|value| value.as_str().map(str::to_owned)).collect::<String>().into()
            }
            _ => Value::Array(values.collect()),
        })
    }
}

fn id_of(change: &ExpandedChange, index: usize) -> OpId {
    OpId::new(change.start_op.get() + index as u64, &change.actor_id)
}

fn text_of(path: Option<&Pointer>) -> Option<String> {
    path.map(Pointer::to_string)
}

/// Where an object stands in the document, and its kind.
fn object_at(history: &History, paths: &mut Paths<'_>, object: &ObjectId) -> Option<(Pointer, ObjType)> {
    let ObjectId::Id(id) = object else { return Some((Pointer::default(), ObjType::Map)) };
    let actor = history.actor_number(id.actor())?;
    let object = OpRef { actor, counter: u32::try_from(id.counter()).ok()? };
    let kind = match history.effect(object) {
        Effect::Map { .. } => ObjType::Map,
        Effect::List { .. } => ObjType::List,
        Effect::Text { .. } => ObjType::Text,
        _ => return None,
    };
    Some((paths.of(object), kind))
}
