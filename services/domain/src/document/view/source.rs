//! The values of single operations, read from the changes that wrote them.

use std::collections::{HashMap, HashSet};

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType};
use automerge::{Automerge, Change, ObjId, ObjType, ReadDoc, ScalarValue};

use crate::document::history::{Clock, Effect, History, NodeId, OpRef};

/// A text that more changes than this have edited is read from the Automerge document.
const TEXT_CHANGES_MAX: usize = 32;

/// What stands in a text for an object.
const OBJECT_IN_TEXT: &str = "\u{fffc}";

/// Operations as they were written, of changes that were read already.
pub(super) type Decoded = HashMap<NodeId, Vec<Op>>;

/// Where values are read from.
pub(super) struct Source<'a> {
    history: &'a History,
    /// The document at present; without it everything is read from the changes.
    document: Option<&'a Automerge>,
    clock: Option<&'a Clock>,
    text_changes_max: usize,
    pub(super) decoded: Decoded,
    /// True once a text was met that only the document should be asked for.
    pub(super) misses_document: bool,
}

impl<'a> Source<'a> {
    /// The document at present, and the changes where it hides something.
    pub(super) fn of_document(history: &'a History, document: &'a Automerge) -> Self {
        Self { document: Some(document), ..Self::of_changes(history, None) }
    }

    /// The changes, at a clock or at present.
    pub(super) fn of_changes(history: &'a History, clock: Option<&'a Clock>) -> Self {
        Self {
            history,
            document: None,
            clock,
            text_changes_max: usize::MAX,
            decoded: HashMap::new(),
            misses_document: false,
        }
    }

    /// The changes at present, but for texts that many of them have edited.
    pub(super) fn of_small_texts(history: &'a History) -> Self {
        Self { text_changes_max: TEXT_CHANGES_MAX, ..Self::of_changes(history, None) }
    }

    /// The document, where all of it can be read at once.
    pub(super) fn document(&self) -> Option<&'a Automerge> {
        self.document
    }

    /// An object as the document knows it.
    pub(super) fn object_id(&self, object: OpRef) -> ObjId {
        if object == OpRef::ROOT {
            return ObjId::Root;
        }
        ObjId::Id(object.counter.into(), self.history.actor(object.actor).id.clone(), 0)
    }

    /// The scalar that an operation wrote; of a counter with everything that was added to it.
    pub(super) fn scalar(&mut self, id: OpRef) -> ScalarValue {
        let Some(OpType::Put(scalar)) = self.action(id) else { return ScalarValue::Null };
        let ScalarValue::Counter(start) = scalar else { return scalar };
        let increments = self.history.increments_of(id, self.clock);
        let steps = increments.into_iter().filter_map(|id| match self.action(id) {
            Some(OpType::Increment(step)) => Some(step),
            _ => None,
        });
        ScalarValue::counter(steps.fold(i64::from(&start), i64::saturating_add))
    }

    /// The characters of a text.
    pub(super) fn text(&mut self, text: OpRef) -> String {
        if let Some(document) = self.document {
            return document.text(self.object_id(text)).unwrap_or_default();
        }
        let nodes = self.history.writers_of_text(text, self.clock);
        if nodes.len() > self.text_changes_max {
            self.misses_document = true;
            return String::new();
        }
        let object = ObjectId::Id(self.history.op_id(text));
        let mut characters = Characters::default();
        for node in nodes {
            let (start, actor) = {
                let node = self.history.node(node);
                (u64::from(node.start_op), self.history.actor(node.actor).id.clone())
            };
            for (counter, operation) in (start..).zip(self.operations(node)) {
                if operation.obj == object {
                    characters.take(OpId::new(counter, &actor), operation);
                }
            }
        }
        characters.read()
    }

    fn action(&mut self, id: OpRef) -> Option<OpType> {
        let history = self.history;
        let (_, node) = history.operation(id)?;
        let position = (id.counter - node.start_op) as usize;
        let operations = self.operations(history.node_of(id)?);
        operations.get(position).map(|operation| operation.action.clone())
    }

    fn operations(&mut self, node: NodeId) -> &[Op] {
        let history = self.history;
        self.decoded.entry(node).or_insert_with(|| {
            let change = Change::from_bytes(history.node(node).bytes.to_vec());
            change.map(|change| change.decode().operations).unwrap_or_default()
        })
    }
}

/// The characters of a text, in no order yet.
#[derive(Default)]
struct Characters {
    /// What was inserted behind each character, or at the beginning.
    behind: HashMap<Option<OpId>, Vec<OpId>>,
    /// The values of each character.
    values: HashMap<OpId, Vec<(OpId, String)>>,
    removed: HashSet<OpId>,
}

impl Characters {
    fn take(&mut self, id: OpId, operation: &Op) {
        let named = match &operation.key {
            Key::Seq(ElementId::Id(element)) => Some(element.clone()),
            _ => None,
        };
        self.removed.extend(operation.pred.iter().cloned());
        let character = if operation.insert {
            self.behind.entry(named).or_default().push(id.clone());
            id.clone()
        } else {
            let Some(named) = named else { return };
            named
        };
        let value = match &operation.action {
            OpType::Put(ScalarValue::Str(value)) => value.to_string(),
            OpType::Put(_) | OpType::Make(ObjType::Map | ObjType::Table | ObjType::List | ObjType::Text) => {
                OBJECT_IN_TEXT.to_owned()
            }
            _ => return,
        };
        self.values.entry(character).or_default().push((id, value));
    }

    fn read(mut self) -> String {
        let mut text = String::new();
        let mut open = Vec::new();
        let push_siblings = |open: &mut Vec<OpId>, siblings: Option<Vec<OpId>>| {
            let mut siblings = siblings.unwrap_or_default();
            // The later insertion comes first, so it is taken off the end first.
            siblings.sort_unstable();
            open.extend(siblings);
        };
        push_siblings(&mut open, self.behind.remove(&None));
        while let Some(character) = open.pop() {
            let values = self.values.remove(&character).unwrap_or_default();
            let shown = values.into_iter().filter(|(id, _)| !self.removed.contains(id)).max();
            text.extend(shown.map(|(_, value)| value));
            push_siblings(&mut open, self.behind.remove(&Some(character)));
        }
        text
    }
}

/// True for what may be read differently than it was written; the server's own operations were checked before.
pub(super) fn may_be_odd(history: &History, id: OpRef) -> bool {
    history.operation(id).is_some_and(|(sketch, node)| {
        matches!(sketch.effect, Effect::Scalar | Effect::Counter | Effect::Text { .. })
            && history.actor(node.actor).device.is_none()
    })
}
