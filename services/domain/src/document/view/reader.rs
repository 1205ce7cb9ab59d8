//! Goes through the document, as JSON and for its conflicts.

use automerge::{Automerge, ObjId, ReadDoc, ScalarValue};
use serde_json::{Map, Value};

use super::conflict::{Conflict, ConflictValue, by_path, resolved};
use super::shown::{Shown, spot_of, spots_of};
use super::source::{Source, may_be_odd};
use crate::document::history::{Clock, Effect, History, OpRef, Part, Spot, Standing};
use crate::document::pointer::Pointer;
use crate::document::value::{is_beyond_json, is_outcome, scalar_json};

/// Reads the document that the index of the changes describes. What is in dispute, and what the Automerge document hides, is read from
/// the changes; the rest from the document, where there is one.
pub(super) struct Reader<'a> {
    pub(super) history: &'a History,
    pub(super) source: Source<'a>,
    pub(super) clock: Option<&'a Clock>,
    pub(super) path: Pointer,
    pub(super) conflicts: Vec<Conflict>,
    /// False while conflicts alone are wanted: values that are in none are not read.
    pub(super) wants_values: bool,
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

    /// Reads from the changes what is soon read, and leaves texts that many of them have edited to the document.
    pub(super) fn of_small_texts(history: &'a History) -> Self {
        Self::new(history, None, Source::of_small_texts(history))
    }

    fn new(history: &'a History, clock: Option<&'a Clock>, source: Source<'a>) -> Self {
        let (path, conflicts) = (Pointer::default(), Vec::new());
        Self { history, source, clock, path, conflicts, wants_values: true }
    }

    /// The conflicts that were met; none where only the Automerge document has them.
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
    pub(super) fn collect_at(&mut self, path: &Pointer) {
        self.wants_values = false;
        let met_before = self.conflicts.len();
        self.go_along(path);
        let path = path.with_usual_ids();
        let lies_beside =
            |conflict: &Conflict| !Pointer::read(&conflict.path).is_ok_and(|at| at.overlaps(&path));
        let met = self.conflicts.split_off(met_before);
        self.conflicts.extend(met.into_iter().filter(|conflict| !lies_beside(conflict)));
    }

    fn go_along(&mut self, path: &Pointer) {
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
                _ => {
                    // What is in dispute inside is listed with it.
                    drop(self.several(&standing, &shown));
                    return;
                }
            }
        }
        if matches!(shown, Shown::Maps(_) | Shown::Lists(_)) {
            self.shown(&shown);
        }
    }

    pub(super) fn shown(&mut self, shown: &Shown) -> Value {
        match shown {
            Shown::Maps(maps) => self.map(maps),
            Shown::Lists(lists) => self.list(lists),
            Shown::Leaf(id) => self.value(*id),
            Shown::Nothing => Value::Null,
        }
    }

    pub(super) fn value(&mut self, id: OpRef) -> Value {
        match self.history.effect(id) {
            Effect::Map { .. } => self.map(&[id]),
            Effect::List { .. } => self.list(&[id]),
            Effect::Text { .. } => Value::String(self.source.text(id)),
            _ => scalar_json(&self.source.scalar(id)),
        }
    }

    pub(super) fn map(&mut self, maps: &[OpRef]) -> Value {
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
            && !(self.path.has_ids_as_keys() && self.history.has_unusual_spellings())
            && !self.history.is_disputed_map(map)
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
        is_beyond_json(scalar)
            || self.path.is_item()
            || (self.path.is_outcome() && !is_outcome(&scalar_json(scalar)))
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

    /// The only value of a place. It is listed as a conflict where it cannot be shown as it is.
    fn single(&mut self, id: OpRef) -> Value {
        if self.is_container(id) && !self.is_odd_place(id) {
            return self.value(id);
        }
        let may_be_odd = self.is_odd_place(id) || may_be_odd(self.history, id);
        if !self.wants_values && !may_be_odd {
            return Value::Null;
        }
        let sent = self.conflict_value(id);
        let value = sent.value.clone().unwrap_or_default();
        if self.is_sound(&sent, &value) {
            return value;
        }
        let (shown, conflict) = resolved(&self.path, vec![sent], 0, false);
        self.conflicts.extend(conflict);
        shown
    }

    fn is_sound(&self, sent: &ConflictValue, value: &Value) -> bool {
        let suits = match value {
            outcome if self.path.is_outcome() => is_outcome(outcome),
            item if self.path.is_item() => item.is_object(),
            _ => true,
        };
        suits && !sent.is_beyond_json
    }
}
