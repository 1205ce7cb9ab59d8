//! What is shown where there are several values, and what is listed of them.

use serde_json::Value;

use super::conflict::{Conflict, ConflictValue, resolved};
use super::reader::Reader;
use super::shown::{Shown, outcome_spot};
use crate::document::history::{Effect, OpRef, Standing};
use crate::document::value::{is_beyond_json, is_same, scalar_json};

impl Reader<'_> {
    /// What is shown of several values, and the conflict that they are.
    pub(super) fn several(&mut self, standing: &Standing, shown: &Shown) -> Value {
        let was_overtaken = !standing.overtaken.is_empty();
        match shown {
            Shown::Maps(maps) if self.path.is_items() => {
                self.beside_items(standing, shown).unwrap_or_else(|| self.map(maps))
            }
            Shown::Maps(sides) | Shown::Lists(sides) if sides.len() > 1 => {
                let is_dispute = was_overtaken || sides.len() < standing.present.len();
                let union = self.reading(is_dispute, |reader| reader.shown(shown));
                if is_dispute {
                    // What is in dispute inside was listed with the union.
                    let conflicts_before = self.conflicts.len();
                    let values = self.all_values(standing, None);
                    self.conflicts.truncate(conflicts_before);
                    self.add_conflict(&union, values, was_overtaken);
                }
                union
            }
            Shown::Maps(_) if self.path.is_item() => self.item(standing),
            Shown::Maps(one) | Shown::Lists(one) => self.one_of(standing, one.first().copied()),
            Shown::Leaf(_) | Shown::Nothing => self.one_of(standing, None),
        }
    }

    fn one_of(&mut self, standing: &Standing, shown: Option<OpRef>) -> Value {
        let values = self.all_values(standing, shown);
        let preferred = shown.map_or(0, |shown| standing.place_of(shown));
        let (shown, conflict) = resolved(&self.path, values, preferred, !standing.overtaken.is_empty());
        self.conflicts.extend(conflict);
        shown
    }

    /// All items as one. What else was put in their place is listed; none where nothing was.
    pub(super) fn beside_items(&mut self, standing: &Standing, shown: &Shown) -> Option<Value> {
        let Shown::Maps(maps) = shown else { return None };
        let others: Vec<OpRef> = standing.present.iter().copied().filter(|id| !maps.contains(id)).collect();
        if others.is_empty() {
            return None;
        }
        let items = self.reading(true, |reader| reader.map(maps));
        let values = others.into_iter().map(|id| self.conflict_value(id)).collect();
        self.add_conflict(&items, values, true);
        Some(items)
    }

    /// An item that was made apart, or replaced or deleted beside an edit: the object that Automerge prefers, with the safest of the
    /// outcomes that nobody has settled.
    fn item(&mut self, standing: &Standing) -> Value {
        let is_object = |id: &OpRef| matches!(self.history.effect(*id), Effect::Map { .. });
        let objects: Vec<OpRef> = standing.values().filter(is_object).collect();
        let conflicts_before = self.conflicts.len();
        let values = self.all_values(standing, objects.first().copied());
        let outcome_path = self.path.child("outcome").to_string();
        let mut inside = self.conflicts.split_off(conflicts_before);
        let conflicts_inside = inside.len();
        inside.retain(|conflict| conflict.path != outcome_path);
        let is_outcome_reported = inside.len() < conflicts_inside;
        self.conflicts.extend(inside);
        let (outcome, conflict) = self.open_outcome(&objects);
        let differ = conflict.is_some();
        // Where each object has one outcome, the whole values show it.
        self.conflicts.extend(conflict.filter(|_| is_outcome_reported));

        let mut present = values.iter().filter_map(|sent| sent.value.as_ref());
        let Some(mut winner) = present.clone().find(|value| value.is_object()).cloned() else {
            return Value::Null;
        };
        let was_overtaken = !standing.overtaken.is_empty() || present.any(|value| !value.is_object());
        let is_same = |sent: &ConflictValue| sent.value.as_ref().is_some_and(|value| is_same(value, &winner));
        if !was_overtaken && values.iter().all(is_same) {
            return winner;
        }
        if let (Some(item), Some(outcome)) = (winner.as_object_mut(), outcome) {
            item.insert("outcome".to_owned(), outcome);
        }
        self.add_conflict(&winner, values, was_overtaken || differ);
        winner
    }

    /// The safest of the outcomes of one item's objects that no later change has written over having seen them, and the conflict that
    /// they are.
    fn open_outcome(&mut self, objects: &[OpRef]) -> (Option<Value>, Option<Conflict>) {
        let standing = self.history.standing_at(&outcome_spot(self.history, objects), self.clock);
        let values: Vec<ConflictValue> = standing.values().map(|id| self.conflict_value(id)).collect();
        if values.is_empty() {
            return (None, None);
        }
        self.path.push("outcome");
        let (outcome, conflict) = resolved(&self.path, values, 0, false);
        self.path.pop();
        (Some(outcome), conflict)
    }

    fn add_conflict(&mut self, winner: &Value, values: Vec<ConflictValue>, needs_review: bool) {
        let (path, winner) = (self.path.to_string(), winner.clone());
        self.conflicts.push(Conflict { path, winner, values, needs_review });
    }

    /// Everything at a place, the value that Automerge prefers first, and deletions before what they have overtaken. What is in
    /// dispute inside of a value that is not shown can be read, and is nothing to review.
    fn all_values(&mut self, standing: &Standing, shown: Option<OpRef>) -> Vec<ConflictValue> {
        let history = self.history;
        let mut values: Vec<_> = standing.present.iter().map(|id| self.value_beside(*id, shown)).collect();
        values.extend(standing.deletions.iter().map(|id| ConflictValue::by(history, *id, None)));
        values.extend(standing.overtaken.iter().map(|id| self.value_beside(*id, shown)));
        values
    }

    fn value_beside(&mut self, id: OpRef, shown: Option<OpRef>) -> ConflictValue {
        let conflicts_before = self.conflicts.len();
        let sent = self.conflict_value(id);
        if Some(id) != shown {
            self.conflicts[conflicts_before..].iter_mut().for_each(|conflict| conflict.needs_review = false);
        }
        sent
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
    pub(super) fn conflict_value(&mut self, id: OpRef) -> ConflictValue {
        let is_scalar = self.history.effect(id) == Effect::Scalar;
        let scalar = is_scalar.then(|| self.source.scalar(id));
        let read = |reader: &mut Self| scalar.as_ref().map_or_else(|| reader.value(id), scalar_json);
        let value = self.reading(true, read);
        let sent = ConflictValue::by(self.history, id, Some(value));
        ConflictValue { is_beyond_json: scalar.as_ref().is_some_and(is_beyond_json), ..sent }
    }
}
