//! Which of the values at a place are shown: decided once, for readers and for operations that write below.

use std::collections::BTreeMap;

use crate::document::history::{Clock, Effect, History, OpRef, Part, Spot, Standing};
use crate::document::pointer::{ITEMS, Pointer};
use crate::spelling;

/// The key of an item that settles what is in dispute about the item.
const OUTCOME: &str = "outcome";

/// What is shown at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::document) enum Shown {
    /// Maps as one: their union, the one that Automerge prefers last. Mostly there is one.
    Maps(Vec<OpRef>),
    /// Lists as one, behind each other, the one that Automerge prefers last.
    Lists(Vec<OpRef>),
    /// A text, a scalar or a counter.
    Leaf(OpRef),
    /// Nothing is there.
    Nothing,
}

impl Shown {
    /// What is shown of the values at a path.
    ///
    /// - The session's items are the union of every map that was ever put there: no client may replace all of them.
    /// - Collections of an item, and its lists, are the union of those that devices made apart.
    /// - An item is an object where there is one.
    /// - Everywhere else it is what Automerge prefers, and what was overtaken only where nothing else is.
    pub(in crate::document) fn of(
        history: &History,
        path: &Pointer,
        standing: &Standing,
        clock: Option<&Clock>,
    ) -> Self {
        if path.is_items() {
            let maps = history.known_key(ITEMS).map(|key| history.maps_at_root(key, clock));
            if let Some(maps) = maps.filter(|maps| !maps.is_empty()) {
                let mut maps = last_preferred(maps);
                maps.sort_by_key(|map| standing.present.contains(map));
                return Self::Maps(maps);
            }
        }
        let is_map = |id: &OpRef| matches!(history.effect(*id), Effect::Map { .. });
        let is_list = |id: &OpRef| matches!(history.effect(*id), Effect::List { .. });
        let maps = || standing.values().filter(is_map);
        let Some(preferred) = standing.values().next() else { return Self::Nothing };
        match preferred {
            _ if path.is_collection() && maps().next().is_some() => {
                Self::Maps(last_preferred(maps().collect()))
            }
            _ if path.is_item() => Self::one(history, maps().next().unwrap_or(preferred)),
            list if path.is_field_of_item() && is_list(&list) => {
                Self::Lists(last_preferred(standing.values().filter(is_list).collect()))
            }
            other => Self::one(history, other),
        }
    }

    fn one(history: &History, id: OpRef) -> Self {
        match history.effect(id) {
            Effect::Map { .. } => Self::Maps(vec![id]),
            Effect::List { .. } => Self::Lists(vec![id]),
            _ => Self::Leaf(id),
        }
    }

    /// The document itself.
    pub(in crate::document) fn root() -> Self {
        Self::Maps(vec![OpRef::ROOT])
    }
}

fn last_preferred(mut preferred_first: Vec<OpRef>) -> Vec<OpRef> {
    preferred_first.reverse();
    preferred_first
}

/// The places inside maps that are shown as one, at a path, by the key that is shown. Nothing may be shown at some of them.
pub(in crate::document) fn spots_of(
    history: &History,
    path: &Pointer,
    maps: &[OpRef],
) -> BTreeMap<String, Spot> {
    let mut spots: BTreeMap<String, Spot> = BTreeMap::new();
    for map in maps {
        for number in history.keys_of(*map) {
            let key = history.key(number);
            let shown = if path.has_ids_as_keys() { spelling::shown(key) } else { key.into() };
            let spot = spots.entry(shown.into_owned()).or_insert_with(|| empty_spot(history, path));
            spot.parts.push(Part::Key(*map, number));
        }
    }
    spots
}

/// The place of one key inside such maps, and the key as it is shown.
pub(in crate::document) fn spot_of(
    history: &History,
    path: &Pointer,
    maps: &[OpRef],
    key: &str,
) -> (String, Spot) {
    let (shown, numbers) = if path.has_ids_as_keys() {
        (spelling::shown(key), history.keys_meaning(key))
    } else {
        (key.into(), history.known_key(key).into_iter().collect())
    };
    let mut spot = empty_spot(history, path);
    for map in maps {
        spot.parts.extend(numbers.iter().map(|number| Part::Key(*map, *number)));
    }
    (shown.into_owned(), spot)
}

fn empty_spot(history: &History, path: &Pointer) -> Spot {
    let settled_by_key = path.is_items().then(|| history.known_key(OUTCOME)).flatten();
    Spot { parts: Vec::new(), settled_by_key }
}

/// The place of the outcome in several objects of one item.
pub(super) fn outcome_spot(history: &History, items: &[OpRef]) -> Spot {
    let key = history.known_key(OUTCOME).into_iter();
    Spot {
        parts: key.flat_map(|key| items.iter().map(move |item| Part::Key(*item, key))).collect(),
        settled_by_key: None,
    }
}
