//! What a reader has to be shown at a place, which can be more than stands there for Automerge.
//!
//! Automerge shows nothing of an object that was replaced or deleted, and so hides what another device did inside without
//! having been seen by the writer who replaced it. Such an object is *overtaken*: it goes on to be shown beside what took its place,
//! until a change that has seen all of it writes there. The same goes for texts, and for counters with their increments.

use std::collections::{HashMap, HashSet};

use super::entry::IndexEntry;
use super::{ActorNumber, Clock, Effect, Element, History, NodeId, OpRef, SketchKey};

/// Places that are one to a reader: mostly one key of one map. Several where maps were made apart, or where keys spell one id.
#[derive(Debug, Clone, Default)]
pub(in crate::document) struct Spot {
    pub(in crate::document) parts: Vec<Part>,
    /// The number of a key: writing it in an object that stands at the place settles what is in dispute there.
    pub(in crate::document) settled_by_key: Option<u32>,
}

/// One place of a [`Spot`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::document) enum Part {
    /// A key of a map, by its number.
    Key(OpRef, u32),
    /// An element of a list, by the insertion that made it.
    Element(OpRef, OpRef),
}

/// What is shown at a place. Each list has the operation first that Automerge prefers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::document) struct Standing {
    /// The operations whose values stand there.
    pub(in crate::document) present: Vec<OpRef>,
    /// Objects, texts and counters that were replaced or deleted by changes that had not seen all that was done inside.
    pub(in crate::document) overtaken: Vec<OpRef>,
    /// The deletions among what overtook them.
    pub(in crate::document) deletions: Vec<OpRef>,
}

impl Standing {
    /// All values, those that Automerge shows first.
    pub(in crate::document) fn values(&self) -> impl Iterator<Item = OpRef> {
        self.present.iter().chain(&self.overtaken).copied()
    }

    /// The place of a value among what stands, the deletions, and what is overtaken.
    pub(in crate::document) fn place_of(&self, id: OpRef) -> usize {
        let all = self.present.iter().chain(&self.deletions).chain(&self.overtaken);
        all.into_iter().position(|other| *other == id).unwrap_or_default()
    }
}

impl From<Part> for Spot {
    fn from(part: Part) -> Self {
        Self { parts: vec![part], settled_by_key: None }
    }
}

impl Part {
    /// The object that the place is in.
    pub(in crate::document) fn object(self) -> OpRef {
        match self {
            Self::Key(object, _) | Self::Element(object, _) => object,
        }
    }

    fn key(self) -> Option<u32> {
        match self {
            Self::Key(_, key) => Some(key),
            Self::Element(..) => None,
        }
    }
}

impl History {
    /// What is shown at a place, at a clock or at present.
    pub(in crate::document) fn standing_at(&self, spot: &Spot, clock: Option<&Clock>) -> Standing {
        if let [part] = spot.parts[..]
            && !self.is_disputed(part)
        {
            let mut standing = Standing { present: self.present_at(part, clock), ..Standing::default() };
            self.sort_preferred_first(&mut standing.present);
            return standing;
        }
        let mut standing = Standing::default();
        let mut candidates = Vec::new();
        for part in &spot.parts {
            let overruled = self.overruled(spot, *part, clock);
            let mut present = self.present_at(*part, clock);
            present
                .retain(|id| !overruled.as_ref().is_some_and(|overruled| self.is_overruled(*id, overruled)));
            let mut edited = self.edited_at(*part, clock);
            edited.retain(|id| !present.contains(id));
            if !edited.is_empty() {
                candidates.push((*part, edited));
            }
            standing.present.extend(present);
        }
        if !candidates.is_empty() {
            let writers = self.writers(spot, &standing.present, clock);
            let before = self.clock_before(&writers);
            for (part, mut edited) in candidates {
                let seen = self.seen_by_writers(part, &before, clock);
                edited.retain(|id| self.has_unseen(*id, &seen, clock));
                standing.overtaken.extend(edited);
            }
            if !standing.overtaken.is_empty() {
                standing.deletions = self.last_deletions(spot, &writers, clock);
            }
        }
        self.sort_preferred_first(&mut standing.present);
        self.sort_preferred_first(&mut standing.overtaken);
        self.sort_preferred_first(&mut standing.deletions);
        standing
    }

    /// The numbers of all keys that were ever written in a map.
    pub(in crate::document) fn keys_of(&self, map: OpRef) -> impl Iterator<Item = u32> {
        self.places.keys(map).map(|(key, _)| key)
    }

    /// True where something is disputed at a key of a map.
    pub(in crate::document) fn is_disputed_map(&self, map: OpRef) -> bool {
        self.places.keys(map).any(|(_, place)| place.is_disputed())
    }

    /// True where an element of a list is disputed.
    pub(in crate::document) fn is_disputed_list(&self, list: OpRef) -> bool {
        self.places.is_disputed_list(list)
    }

    /// The elements of a list with what is shown at each, at a clock or at present.
    pub(in crate::document) fn shown_elements(
        &self,
        list: OpRef,
        clock: Option<&Clock>,
    ) -> Vec<(OpRef, Standing)> {
        let disputed = self.disputed_elements(list);
        let standing = |element: Element| {
            let mut standing = Standing { present: element.operations, ..Standing::default() };
            if disputed.contains(&element.id) {
                standing = self.standing_at(&Part::Element(list, element.id).into(), clock);
            }
            self.sort_preferred_first(&mut standing.present);
            (element.id, standing)
        };
        let elements = self.elements(list, clock).into_iter().map(standing);
        elements.filter(|(_, standing)| standing.values().next().is_some()).collect()
    }

    fn disputed_elements(&self, list: OpRef) -> HashSet<OpRef> {
        if !self.places.is_disputed_list(list) {
            return HashSet::new();
        }
        let disputed = self.places.list(list).iter().filter(|entry| entry.is_disputed()).map(IndexEntry::id);
        disputed.filter_map(|id| self.operation(id).and_then(|(sketch, _)| sketch.element(id))).collect()
    }

    /// Every map that was ever put at a key of the root, at a clock or at present.
    pub(in crate::document) fn maps_at_root(&self, key: u32, clock: Option<&Clock>) -> Vec<OpRef> {
        let entries = self.entries(Part::Key(OpRef::ROOT, key)).into_iter();
        let maps =
            entries.filter(|entry| matches!(entry.effect, Effect::Map { .. }) && entry.is_covered(clock));
        let mut maps: Vec<_> = maps.map(IndexEntry::id).collect();
        self.sort_preferred_first(&mut maps);
        maps
    }

    /// The increments of a counter, at a clock or at present.
    pub(in crate::document) fn increments_of(&self, counter: OpRef, clock: Option<&Clock>) -> Vec<OpRef> {
        let Some((sketch, _)) = self.operation(counter) else { return Vec::new() };
        let entries = self.places.beside(sketch).iter();
        let increments = entries.filter(|entry| entry.adds_to(sketch.position) && entry.is_covered(clock));
        increments.map(IndexEntry::id).collect()
    }

    /// The changes that wrote into a text, at a clock or at present, the one that made it first.
    pub(in crate::document) fn writers_of_text(&self, text: OpRef, clock: Option<&Clock>) -> Vec<NodeId> {
        let maker = self.node_of(text);
        let edits = self.places.text_edits(text).iter().copied();
        maker.into_iter().chain(edits.filter(|node| self.is_covered(*node, clock))).collect()
    }

    /// Sorts operations in Automerge's order, the one that it prefers first.
    pub(in crate::document) fn sort_preferred_first(&self, operations: &mut [OpRef]) {
        operations.sort_unstable_by(|one, other| self.compare(*other, *one));
    }

    fn is_disputed(&self, part: Part) -> bool {
        match part {
            Part::Key(map, key) => {
                self.places.key(map, key).is_some_and(super::places::KeyPlace::is_disputed)
            }
            Part::Element(list, _) => self.places.is_disputed_list(list),
        }
    }

    /// The operations whose values stand at one place for Automerge, at a clock or at present.
    pub(in crate::document) fn present_at(&self, part: Part, clock: Option<&Clock>) -> Vec<OpRef> {
        match part {
            Part::Key(map, key) => {
                self.places.key(map, key).map(|place| place.standing(clock)).unwrap_or_default()
            }
            Part::Element(list, element) => {
                let elements = self.elements(list, clock).into_iter();
                elements.filter(|other| other.id == element).flat_map(|other| other.operations).collect()
            }
        }
    }

    /// True for an operation at this place.
    pub(in crate::document) fn is_at(&self, id: OpRef, part: Part) -> bool {
        self.operation(id).is_some_and(|(sketch, _)| match part {
            Part::Key(map, key) => sketch.object == map && sketch.key == SketchKey::Map(key),
            Part::Element(list, element) => sketch.object == list && sketch.element(id) == Some(element),
        })
    }

    /// The operations at a place.
    fn entries(&self, part: Part) -> Vec<&IndexEntry> {
        match part {
            Part::Key(map, key) => {
                self.places.key(map, key).map(|place| place.entries.iter().collect()).unwrap_or_default()
            }
            Part::Element(list, _) => {
                self.places.list(list).iter().filter(|entry| self.is_at(entry.id(), part)).collect()
            }
        }
    }

    /// Values of objects, texts and counters at a place that others have edited.
    fn edited_at(&self, part: Part, clock: Option<&Clock>) -> Vec<OpRef> {
        let entries = self.entries(part).into_iter();
        let edited = entries.filter(|entry| entry.is_edited() && entry.is_covered(clock));
        edited.map(IndexEntry::id).collect()
    }

    /// What the writers of the other parts of a spot had seen, with and without those of another key.
    fn overruled(&self, spot: &Spot, part: Part, clock: Option<&Clock>) -> Option<Overruled> {
        let others = || spot.parts.iter().filter(move |other| **other != part);
        others().next()?;
        let seen_by = |parts: Vec<Part>| {
            let writers: Vec<NodeId> =
                parts.iter().flat_map(|part| self.last_writers(*part, clock).into_values()).collect();
            self.clock_before(&writers)
        };
        Some(Overruled {
            by_any: seen_by(others().copied().collect()),
            by_same_key: seen_by(others().filter(|other| other.key() == part.key()).copied().collect()),
        })
    }

    /// True for a value that somebody wrote over, having seen it, in another part of its spot. Objects under keys that only
    /// spell one id stay: the writer of one of them did not mean the other.
    fn is_overruled(&self, id: OpRef, overruled: &Overruled) -> bool {
        let Some((sketch, node)) = self.operation(id) else { return false };
        let seen = match sketch.effect {
            Effect::Map { .. } | Effect::List { .. } => &overruled.by_same_key,
            _ => &overruled.by_any,
        };
        seen.get(node.actor as usize).is_some_and(|seq| node.seq <= *seq)
    }

    /// The changes that wrote at a spot: of each actor the last one, which has seen the ones before. `present` are the objects
    /// that stand there, in which the settling key counts too.
    fn writers(&self, spot: &Spot, present: &[OpRef], clock: Option<&Clock>) -> Vec<NodeId> {
        let inside = spot.settled_by_key.into_iter();
        let inside = inside.flat_map(|key| present.iter().map(move |object| Part::Key(*object, key)));
        let parts = spot.parts.iter().copied().chain(inside);
        parts.flat_map(|part| self.last_writers(part, clock).into_values()).collect()
    }

    fn last_writers(&self, part: Part, clock: Option<&Clock>) -> HashMap<ActorNumber, NodeId> {
        let mut last: HashMap<ActorNumber, NodeId> = HashMap::new();
        for entry in self.entries(part) {
            if entry.effect != Effect::Increment
                && entry.is_covered(clock)
                && let Some(node) = self.node_of(entry.id())
            {
                // An actor's operations come in the order of its changes.
                last.insert(entry.id().actor, node);
            }
        }
        last
    }

    /// What others had seen, and those who wrote at a place. Of their own changes the latter have seen all, as what they wrote there
    /// replaced it; who wrote elsewhere may have gone on here in the same change.
    fn seen_by_writers(&self, part: Part, seen: &Clock, clock: Option<&Clock>) -> Clock {
        let writers: Vec<NodeId> = self.last_writers(part, clock).into_values().collect();
        let here = self.clock_of(&writers);
        seen.iter().zip(here).map(|(seen, here)| (*seen).max(here)).collect()
    }

    /// Deletions that nobody has written over since, having seen them.
    fn last_deletions(&self, spot: &Spot, writers: &[NodeId], clock: Option<&Clock>) -> Vec<OpRef> {
        let seen = self.clock_before(writers);
        let entries = spot.parts.iter().flat_map(|part| self.entries(*part));
        let last = entries.filter(|entry| {
            entry.effect == Effect::Nothing && entry.is_covered(clock) && !entry.is_covered(Some(&seen))
        });
        last.map(IndexEntry::id).collect()
    }

    /// True when something inside an object, a text or a counter was not seen: a value, an edit of the text, an increment.
    fn has_unseen(&self, object: OpRef, seen: &Clock, clock: Option<&Clock>) -> bool {
        match self.effect(object) {
            Effect::Map { .. } => self.places.keys(object).any(|(key, place)| {
                let part = Part::Key(object, key);
                self.is_any_unseen(&place.standing(clock), seen, clock)
                    || (place.is_disputed() && self.has_unseen_overtaken(part, seen, clock))
            }),
            Effect::List { .. } => {
                let mut elements = self.elements(object, clock).into_iter();
                elements.any(|element| self.is_any_unseen(&element.operations, seen, clock))
                    || self
                        .disputed_elements(object)
                        .into_iter()
                        .any(|element| self.has_unseen_overtaken(Part::Element(object, element), seen, clock))
            }
            Effect::Text { .. } => {
                let mut edits = self.places.text_edits(object).iter();
                edits.any(|node| self.is_covered(*node, clock) && !self.is_covered(*node, Some(seen)))
            }
            Effect::Counter => {
                let increments = self.increments_of(object, clock);
                increments.into_iter().any(|id| self.is_unseen(id, seen))
            }
            Effect::Scalar | Effect::Increment | Effect::Nothing => false,
        }
    }

    /// True when one of these values, or something inside of one, was not seen.
    fn is_any_unseen(&self, values: &[OpRef], seen: &Clock, clock: Option<&Clock>) -> bool {
        let in_value = |id: &OpRef| {
            self.is_unseen(*id, seen) || (self.is_edited(*id) && self.has_unseen(*id, seen, clock))
        };
        values.iter().any(in_value)
    }

    /// The same for what is overtaken at a place further inside: those who wrote there have seen values too.
    fn has_unseen_overtaken(&self, part: Part, seen: &Clock, clock: Option<&Clock>) -> bool {
        let seen = self.seen_by_writers(part, seen, clock);
        let present = self.present_at(part, clock);
        let overtaken = self.edited_at(part, clock).into_iter().filter(|id| !present.contains(id));
        overtaken.into_iter().any(|id| self.has_unseen(id, &seen, clock))
    }

    fn is_unseen(&self, id: OpRef, seen: &Clock) -> bool {
        self.node_of(id).is_some_and(|node| !self.is_covered(node, Some(seen)))
    }

    fn is_edited(&self, id: OpRef) -> bool {
        let Some((sketch, _)) = self.operation(id) else { return false };
        self.places.beside(sketch).get(sketch.position as usize).is_some_and(IndexEntry::is_edited)
    }

    fn is_covered(&self, node: NodeId, clock: Option<&Clock>) -> bool {
        let node = self.node(node);
        clock.is_none_or(|clock| clock.get(node.actor as usize).is_some_and(|seen| node.seq <= *seen))
    }

    /// The change that made an operation.
    pub(in crate::document) fn node_of(&self, id: OpRef) -> Option<NodeId> {
        let (_, node) = self.operation(id)?;
        self.change_of(node.actor, u64::from(node.seq))
    }
}

/// What those who wrote at the other parts of a spot had seen before they did.
struct Overruled {
    by_any: Clock,
    by_same_key: Clock,
}
