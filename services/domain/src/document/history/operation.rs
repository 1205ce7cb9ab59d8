//! Operations, as much of them as later changes are checked against.

use super::{ActorNumber, places};

/// An operation's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::document) struct OpRef {
    pub(in crate::document) actor: ActorNumber,
    pub(in crate::document) counter: u32,
}

impl OpRef {
    /// The root object, which no operation makes.
    pub(in crate::document) const ROOT: Self = Self { actor: 0, counter: 0 };
}

/// Where in its object an operation acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::document) enum SketchKey {
    /// A key of a map, by its number.
    Map(u32),
    /// Before the first element.
    Head,
    /// At (or, inserting, behind) an element.
    Element(OpRef),
}

/// What an operation leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::document) enum Effect {
    Map {
        depth: u8,
    },
    List {
        depth: u8,
    },
    Text {
        depth: u8,
    },
    Scalar,
    Counter,
    /// An addition to a counter.
    Increment,
    /// A deletion.
    Nothing,
}

impl Effect {
    /// True when the operation leaves a value that a later one may name as its predecessor.
    pub(in crate::document) fn has_value(self) -> bool {
        !matches!(self, Self::Increment | Self::Nothing)
    }
}

/// As much of an operation as later changes need to be checked against.
#[derive(Debug, Clone, Copy)]
pub(in crate::document) struct OpSketch {
    pub(in crate::document) object: OpRef,
    pub(in crate::document) key: SketchKey,
    pub(in crate::document) insert: bool,
    pub(in crate::document) effect: Effect,
    /// Where the operation stands among those of its place; known once its change is in the index.
    pub(super) position: u32,
}

impl OpSketch {
    pub(in crate::document) fn new(object: OpRef, key: SketchKey, insert: bool, effect: Effect) -> Self {
        Self { object, key, insert, effect, position: places::NOT_KEPT }
    }

    /// The element of a list at which the operation, of this id, acts; none in a map.
    pub(in crate::document) fn element(&self, id: OpRef) -> Option<OpRef> {
        match self.key {
            _ if self.insert => Some(id),
            SketchKey::Element(element) => Some(element),
            SketchKey::Head | SketchKey::Map(_) => None,
        }
    }
}

/// An operation names an earlier one at its place: it ends that one's value, or adds to it if the one is an increment and the
/// other a counter.
#[derive(Debug, Clone, Copy)]
pub(in crate::document) struct Predecessor {
    /// Position of the operation in its change.
    pub(in crate::document) by: u32,
    /// The operation that it names.
    pub(in crate::document) of: OpRef,
}
