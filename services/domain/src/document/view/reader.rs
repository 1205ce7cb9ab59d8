//! Goes through the document, as JSON and for its conflicts.

use automerge::{Automerge, ObjId, ReadDoc, ScalarValue};
use serde_json::{Map, Value};

use super::conflict::{Conflict, ConflictValue, by_path, resolved};
use super::shown::{Shown, outcome_spot, spot_of, spots_of};
use super::source::{Source, may_be_odd};
use crate::document::history::{Clock, Effect, History, OpRef, Part, Spot, Standing};
use crate::document::pointer::Pointer;
use crate::document::value::{is_beyond_json, is_outcome, is_same, scalar_json};

/// Reads the document that the index of the changes describes. What is in dispute, and what the Automerge document hides, is read from
/// the changes; the rest from the document, where there is one.
pub(super) struct Reader<'a> {
    history: &'a History,
    source: Source<'a>,
    clock: Option<&'a Clock>,
    path: Pointer,
    conflicts: Vec<Conflict>,
    /// False while conflicts alone are wanted: values that are in none are not read.
    wants_values: bool,
}

impl<'a> Reader<'a> {
    /// Reads the present document.
    pub(super) fn of_document(history: &'a History, document: &'a Automerge) -> Self {
        Self::new(history, None, Source::of_document(history, document))
    }

    /// Reads from the changes alone, at a clock or at present.
    pub(super) fn of_changes(history: &'a History, clock: Option<&'a Clock>) -> Self {
        Self::new(history, clock, Source::of_changes(history, clock))
    }

    /// Reads from the changes what is soon read, and leaves the rest to the document.
    pub(super) fn for_conflicts(history: &'a History) -> Self {
        Self::new(history, None, Source::of_small_texts(history))
    }

    fn new(history: &'a History, clock: Option<&'a Clock>, source: Source<'a>) -> Self {
        let (path, conflicts) = (Pointer::default(), Vec::new());
        Self { history, source, clock, path, conflicts, wants_values: true }
    }

    /// The conflicts that were met; none where only the Automerge document can tell.
    pub(super) fn conflicts(self) -> Option<Vec<Conflict>> {
        (!self.source.misses_document).then(|| by_path(self.conflicts))
    }

    /// The whole document.
    pub(super) fn document(&mut self) -> Value {
        self.shown(&Shown::root())
    }

    /// What is shown of the values at a path.
    pub(super) fn standing_at(&mut self, path: Pointer, standing: &Standing) -> Option<Value> {
        self.path = path;
        self.standing(standing)
    }

    /// Collects the conflicts at, above and below a path.
    pub(super) fn walk(&mut self, path: &Pointer) {
        self.wants_values = false;
        let met_before = self.conflicts.len();
        self.walk_along(path);
        let path = path.with_usual_ids();
        let lies_beside =
            |conflict: &Conflict| !Pointer::read(&conflict.path).is_ok_and(|at| at.overlaps(&path));
        let met = self.conflicts.split_off(met_before);
        self.conflicts.extend(met.into_iter().filter(|conflict| !lies_beside(conflict)));
    }

    fn walk_along(&mut self, path: &Pointer) {
        self.path = Pointer::default();
        let mut shown = Shown::root();
        for segment in path.segments() {
            let standing = match &shown {
                Shown::Maps(maps) => {
                    let (key, spot) = spot_of(self.history, &self.path, maps, segment);
                    self.path.push(key);
                    self.history.standing_at(&spot, self.clock)
                }
                Shown::Lists(lists) => {
                    let Ok(index) = segment.parse::<usize>() else { return };
                    self.path.push(segment);
                    self.elements(lists).into_iter().nth(index).unwrap_or_default()
                }
                Shown::Leaf(_) | Shown::Nothing => return,
            };
            shown = Shown::of(self.history, &self.path, &standing, self.clock);
            match (&standing.present[..], &standing.overtaken[..]) {
                _ if self.path.is_items() => drop(self.beside_items(&standing, &shown)),
                ([], []) => return,
                ([only], []) if self.is_container(*only) && !self.is_odd_place(*only) => {}
                ([only], []) => drop(self.single(*only)),
                _ => drop(self.several(&standing, &shown)),
            }
        }
        if matches!(shown, Shown::Maps(_) | Shown::Lists(_)) {
            self.shown(&shown);
        }
    }

    fn shown(&mut self, shown: &Shown) -> Value {
        match shown {
            Shown::Maps(maps) => self.map(maps),
            Shown::Lists(lists) => self.list(lists),
            Shown::Leaf(id) => self.value(*id),
            Shown::Nothing => Value::Null,
        }
    }

    fn value(&mut self, id: OpRef) -> Value {
        match self.history.effect(id) {
            Effect::Map { .. } => self.map(&[id]),
            Effect::List { .. } => self.list(&[id]),
            Effect::Text { .. } => Value::String(self.source.text(id)),
            _ => scalar_json(&self.source.scalar(id)),
        }
    }

    fn map(&mut self, maps: &[OpRef]) -> Value {
        let mut fields = Map::new();
        if let ([map], Some(document)) = (maps, self.source.document())
            && self.is_plain_map(*map)
        {
            self.plain_fields(*map, document, &mut fields);
            return Value::Object(fields);
        }
        for (key, spot) in spots_of(self.history, &self.path, maps) {
            self.path.push(key.as_str());
            let value = self.place(&spot);
            self.path.pop();
            fields.extend(value.map(|value| (key, value)));
        }
        Value::Object(fields)
    }

    /// True for a map that holds what the Automerge document says it holds.
    fn is_plain_map(&self, map: OpRef) -> bool {
        map != OpRef::ROOT
            && self.wants_values
            && !self.path.has_ids_as_keys()
            && self.history.disputed_keys(map).is_empty()
    }

    fn plain_fields(&mut self, map: OpRef, document: &Automerge, fields: &mut Map<String, Value>) {
        let id = self.source.object_id(map);
        for item in document.map_range(&id, ..) {
            self.path.push(&*item.key);
            let value = if item.conflict {
                let (_, spot) = spot_of(self.history, &self.path, &[map], &item.key);
                self.place(&spot).unwrap_or_default()
            } else {
                self.plain_value(&item.value.clone().into_value(), &item.id())
            };
            self.path.pop();
            fields.insert(item.key.into_owned(), value);
        }
    }

    /// A value that stands alone, as the Automerge document has it.
    fn plain_value(&mut self, value: &automerge::Value<'_>, id: &ObjId) -> Value {
        match value {
            automerge::Value::Scalar(scalar) if !self.is_odd(scalar) => scalar_json(scalar),
            _ => self.operation(id).map(|id| self.single(id)).unwrap_or_default(),
        }
    }

    fn is_odd(&self, scalar: &ScalarValue) -> bool {
        is_beyond_json(scalar) || self.path.is_outcome() || self.path.is_item()
    }

    fn operation(&self, id: &ObjId) -> Option<OpRef> {
        let ObjId::Id(counter, actor, _) = id else { return None };
        let counter = u32::try_from(*counter).ok()?;
        Some(OpRef { actor: self.history.actor_number(actor)?, counter })
    }

    fn list(&mut self, lists: &[OpRef]) -> Value {
        let mut values = Vec::new();
        if let ([list], Some(document)) = (lists, self.source.document())
            && self.wants_values
            && !self.history.is_disputed_list(*list)
        {
            self.plain_elements(*list, document, &mut values);
            return Value::Array(values);
        }
        for (index, standing) in self.elements(lists).into_iter().enumerate() {
            self.path.push(index.to_string());
            values.extend(self.standing(&standing));
            self.path.pop();
        }
        Value::Array(values)
    }

    fn plain_elements(&mut self, list: OpRef, document: &Automerge, values: &mut Vec<Value>) {
        let id = self.source.object_id(list);
        for item in document.list_range(&id, ..) {
            self.path.push(item.index.to_string());
            let value = if item.conflict {
                let element = self.operation(&item.id()).and_then(|id| self.history.element_of(id));
                element.and_then(|element| self.place(&Part::Element(list, element).into()))
            } else {
                Some(self.plain_value(&item.value.clone().into_value(), &item.id()))
            };
            self.path.pop();
            values.push(value.unwrap_or_default());
        }
    }

    /// What is shown at each place of lists that are one.
    fn elements(&self, lists: &[OpRef]) -> Vec<Standing> {
        let elements = lists.iter().flat_map(|list| self.history.shown_elements(*list, self.clock));
        elements.map(|(_, standing)| standing).collect()
    }

    fn place(&mut self, spot: &Spot) -> Option<Value> {
        let standing = self.history.standing_at(spot, self.clock);
        self.standing(&standing)
    }

    fn standing(&mut self, standing: &Standing) -> Option<Value> {
        match (&standing.present[..], &standing.overtaken[..]) {
            ([only], []) if !self.path.is_items() => Some(self.single(*only)),
            _ => {
                let shown = Shown::of(self.history, &self.path, standing, self.clock);
                (shown != Shown::Nothing).then(|| self.several(standing, &shown))
            }
        }
    }

    /// True for a list or a map where there should be an outcome, and for a list where there should be an item.
    fn is_odd_place(&self, id: OpRef) -> bool {
        match self.history.effect(id) {
            Effect::Map { .. } => self.path.is_outcome(),
            Effect::List { .. } => self.path.is_outcome() || self.path.is_item(),
            _ => false,
        }
    }

    fn is_container(&self, id: OpRef) -> bool {
        matches!(self.history.effect(id), Effect::Map { .. } | Effect::List { .. })
    }

    /// The only value of a place. It is told as a conflict where it cannot be shown as it is.
    fn single(&mut self, id: OpRef) -> Value {
        if self.is_container(id) && !self.is_odd_place(id) {
            return self.value(id);
        }
        let may_be_odd = self.is_odd_place(id) || may_be_odd(self.history, id);
        if !self.wants_values && !may_be_odd {
            return Value::Null;
        }
        let told = self.told(id);
        let value = told.value.clone().unwrap_or_default();
        if self.is_sound(&told, &value) {
            return value;
        }
        let (shown, conflict) = resolved(&self.path, vec![told], 0, false);
        self.conflicts.extend(conflict);
        shown
    }

    fn is_sound(&self, told: &ConflictValue, value: &Value) -> bool {
        let suits = match value {
            outcome if self.path.is_outcome() => is_outcome(outcome),
            item if self.path.is_item() => item.is_object(),
            _ => true,
        };
        suits && !told.is_beyond_json
    }

    /// What is shown of several values, and the conflict that they are.
    fn several(&mut self, standing: &Standing, shown: &Shown) -> Value {
        let was_overtaken = !standing.overtaken.is_empty();
        match shown {
            Shown::Maps(maps) if self.path.is_items() => {
                self.beside_items(standing, shown).unwrap_or_else(|| self.map(maps))
            }
            Shown::Maps(sides) | Shown::Lists(sides) if sides.len() > 1 => {
                let is_dispute = was_overtaken || sides.len() < standing.present.len();
                let union = self.reading(is_dispute, |reader| reader.shown(shown));
                if is_dispute {
                    // What is in dispute inside was told with the union.
                    let told_before = self.conflicts.len();
                    let values = self.all_told(standing, None);
                    self.conflicts.truncate(told_before);
                    self.tell(&union, values, was_overtaken);
                }
                union
            }
            Shown::Maps(_) if self.path.is_item() => self.item(standing),
            Shown::Maps(one) | Shown::Lists(one) => self.one_of(standing, one.first().copied()),
            Shown::Leaf(_) | Shown::Nothing => self.one_of(standing, None),
        }
    }

    fn one_of(&mut self, standing: &Standing, shown: Option<OpRef>) -> Value {
        let values = self.all_told(standing, shown);
        let preferred = shown.map_or(0, |shown| standing.place_of(shown));
        let (shown, conflict) = resolved(&self.path, values, preferred, !standing.overtaken.is_empty());
        self.conflicts.extend(conflict);
        shown
    }

    /// All items as one. What else was put in their place is told; none where nothing was.
    fn beside_items(&mut self, standing: &Standing, shown: &Shown) -> Option<Value> {
        let Shown::Maps(maps) = shown else { return None };
        let others: Vec<OpRef> = standing.present.iter().copied().filter(|id| !maps.contains(id)).collect();
        if others.is_empty() {
            return None;
        }
        let items = self.reading(true, |reader| reader.map(maps));
        let told = others.into_iter().map(|id| self.told(id)).collect();
        self.tell(&items, told, true);
        Some(items)
    }

    /// An item that was made apart, or replaced or deleted beside an edit: the object that Automerge prefers, with the safest of the
    /// outcomes that nobody has settled.
    fn item(&mut self, standing: &Standing) -> Value {
        let is_object = |id: &OpRef| matches!(self.history.effect(*id), Effect::Map { .. });
        let objects: Vec<OpRef> = standing.values().filter(is_object).collect();
        let told_before = self.conflicts.len();
        let values = self.all_told(standing, objects.first().copied());
        let outcome_path = self.path.child("outcome").to_string();
        let inside = self.conflicts.split_off(told_before);
        self.conflicts.extend(inside.into_iter().filter(|conflict| conflict.path != outcome_path));
        let (outcome, differ) = self.open_outcome(&objects);

        let mut told = values.iter().filter_map(|told| told.value.as_ref());
        let Some(mut winner) = told.clone().find(|value| value.is_object()).cloned() else {
            return Value::Null;
        };
        let was_overtaken = !standing.overtaken.is_empty() || told.any(|value| !value.is_object());
        let is_same = |told: &ConflictValue| told.value.as_ref().is_some_and(|value| is_same(value, &winner));
        if !was_overtaken && values.iter().all(is_same) {
            return winner;
        }
        if let (Some(item), Some(outcome)) = (winner.as_object_mut(), outcome) {
            item.insert("outcome".to_owned(), outcome);
        }
        self.tell(&winner, values, was_overtaken || differ);
        winner
    }

    /// The safest of the outcomes of one item's objects that no later change has written over having seen them, and whether they differ.
    /// One that cannot be shown as it is is told at the outcome's own place.
    fn open_outcome(&mut self, objects: &[OpRef]) -> (Option<Value>, bool) {
        let standing = self.history.standing_at(&outcome_spot(self.history, objects), self.clock);
        let values: Vec<ConflictValue> = standing.values().map(|id| self.told(id)).collect();
        if values.is_empty() {
            return (None, false);
        }
        self.path.push("outcome");
        let is_odd = values.iter().any(|told| !told.value.as_ref().is_some_and(is_outcome));
        let (outcome, conflict) = resolved(&self.path, values, 0, false);
        self.path.pop();
        let differ = conflict.is_some();
        self.conflicts.extend(conflict.filter(|_| is_odd));
        (Some(outcome), differ)
    }

    fn tell(&mut self, winner: &Value, values: Vec<ConflictValue>, needs_review: bool) {
        let (path, winner) = (self.path.to_string(), winner.clone());
        self.conflicts.push(Conflict { path, winner, values, needs_review });
    }

    /// Everything at a place, the value that Automerge prefers first, and deletions before what they have overtaken. What is in
    /// dispute inside of a value that is not shown can be read, and is nothing to review.
    fn all_told(&mut self, standing: &Standing, shown: Option<OpRef>) -> Vec<ConflictValue> {
        let history = self.history;
        let mut told: Vec<_> = standing.present.iter().map(|id| self.told_beside(*id, shown)).collect();
        told.extend(standing.deletions.iter().map(|id| ConflictValue::by(history, *id, None)));
        told.extend(standing.overtaken.iter().map(|id| self.told_beside(*id, shown)));
        told
    }

    fn told_beside(&mut self, id: OpRef, shown: Option<OpRef>) -> ConflictValue {
        let told_before = self.conflicts.len();
        let told = self.told(id);
        if Some(id) != shown {
            self.conflicts[told_before..].iter_mut().for_each(|conflict| conflict.needs_review = false);
        }
        told
    }

    /// Reads something with its values, if they are wanted now.
    fn reading<T>(&mut self, wants_values: bool, read: impl FnOnce(&mut Self) -> T) -> T {
        let wanted_before = self.wants_values;
        self.wants_values |= wants_values;
        let read = read(self);
        self.wants_values = wanted_before;
        read
    }

    /// A value as it was sent, by whom and when.
    fn told(&mut self, id: OpRef) -> ConflictValue {
        let is_scalar = self.history.effect(id) == Effect::Scalar;
        let scalar = is_scalar.then(|| self.source.scalar(id));
        let read = |reader: &mut Self| scalar.as_ref().map_or_else(|| reader.value(id), scalar_json);
        let value = self.reading(true, read);
        let told = ConflictValue::by(self.history, id, Some(value));
        ConflictValue { is_beyond_json: scalar.as_ref().is_some_and(is_beyond_json), ..told }
    }
}
