//! Each acknowledged value is in the document or in a conflict, or was removed by a change that had seen it.
//!
//! The oracle knows nothing of the view. It takes the changes apart, and asks of each value: has anybody who had seen it written at
//! its place, or at a place that holds it?

use std::collections::{HashMap, HashSet};

use automerge::legacy::{ElementId, Key, ObjectId, OpId, OpType};
use automerge::transaction::{Transactable, Transaction};
use automerge::{Automerge, AutomergeError, Change, ChangeHash, ObjId, ObjType, ROOT, ReadDoc, ScalarValue};
use firemode_domain::document::{
    DocumentSummary, PlaceInHistory, Provenance, RecordedChange, SessionDocument, VectorClock, covered_by,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{self, *};

const ITEMS: [&str; 2] = ["a", "b"];
const FIELDS: [&str; 5] = ["outcome", "measurements", "photos", "notes", "extra"];

#[derive(Debug, Clone)]
enum Step {
    /// A device with its own Automerge document.
    Edit { client: usize, item: usize, field: usize, kind: u8 },
    /// It takes in what the server has.
    Synchronise { client: usize },
    /// A device that sends JSON, with the clock of an earlier step.
    Operate { device: usize, item: usize, field: usize, kind: u8, seen: prop::sample::Index },
}

fn step() -> impl Strategy<Value = Step> {
    let (item, field) = (0..ITEMS.len(), 0..FIELDS.len());
    prop_oneof![
        4 => (0..3_usize, item.clone(), field.clone(), 0..10_u8)
            .prop_map(|(client, item, field, kind)| Step::Edit { client, item, field, kind }),
        1 => (0..3_usize).prop_map(|client| Step::Synchronise { client }),
        4 => (0..2_usize, item, field, 0..7_u8, any::<prop::sample::Index>())
            .prop_map(|(device, item, field, kind, seen)| Step::Operate { device, item, field, kind, seen }),
    ]
}

struct Play {
    session: SessionDocument,
    rows: Vec<RecordedChange>,
    clients: Vec<Client>,
    clocks: Vec<VectorClock>,
    /// How many values were written: each is another one.
    values: usize,
}

impl Play {
    fn of(steps: &[Step]) -> Self {
        let session = session();
        let mut play = Self {
            rows: vec![creation().recorded(user(0), NOW)],
            clients: (0..3).map(|number| Client::of(&session, 50 + number)).collect(),
            clocks: vec![VectorClock::new(), session.vector_clock()],
            session,
            values: 0,
        };
        for step in steps {
            play.step(step);
            // It is counted on from where it was counted last.
            let _ = play.session.item_count();
        }
        play
    }

    fn value(&mut self) -> String {
        self.values += 1;
        format!("<{}>", self.values)
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Synchronise { client } => {
                let mut server = Automerge::load(&self.session.save()).unwrap();
                self.clients[*client].0.merge(&mut server).unwrap();
            }
            Step::Edit { client, item, field, kind } => {
                let value = self.value();
                let edited = self.clients[*client]
                    .edit_if_different(|edit| change(edit, ITEMS[*item], FIELDS[*field], *kind, &value));
                let Some(change) = edited else { return };
                // An earlier release has taken all of them: today nobody may touch the items as a whole.
                let (hash, bytes) = (change.hash(), change.raw_bytes().to_vec());
                let provenance =
                    Provenance { user_id: user(10 + *client as u128), device: None, received_at: NOW };
                let row = RecordedChange { hash, bytes, provenance };
                self.session.integrate([row.clone()]);
                self.rows.push(row);
            }
            Step::Operate { device, item, field, kind, seen } => {
                let device = ["phone", "tablet"][*device];
                let (item, field) = (ITEMS[*item], FIELDS[*field]);
                let value = self.value();
                let place = format!("/items/{item}/{field}");
                let entry = match kind {
                    0 => set(&format!("/items/{item}"), json!({ "extra": value }), device),
                    1 => entry("delete", &format!("/items/{item}"), Value::Null, device),
                    2 => entry("delete", &place, Value::Null, device),
                    3 if field == "outcome" => set(&place, "fail", device),
                    3 => set(&place, json!({ "in": { "deep": value } }), device),
                    4 => entry("append", &format!("/items/{item}/photos"), json!({ "n": value }), device),
                    5 => set(&format!("/items/{item}/measurements/p"), value, device),
                    _ => set(&format!("/items/{item}/extra/in/deep"), value, device),
                };
                let seen = seen.get(&self.clocks).clone();
                // What does not exist at that point is refused, which is as good.
                if let Ok(prepared) = send(&mut self.session, vec![entry], Some(&seen), user(1)) {
                    self.rows.extend(support::rows(&prepared));
                    self.clocks.push(self.session.vector_clock());
                }
            }
        }
    }
}

/// An edit or a harm by a client with the library; nothing where its document does not have what it needs.
fn change(
    edit: &mut Transaction<'_>,
    item: &str,
    field: &str,
    kind: u8,
    value: &str,
) -> Result<(), AutomergeError> {
    let object = |edit: &Transaction<'_>,
                  object: &ObjId,
                  key: &str|
     -> Result<Option<(ObjId, ObjType)>, AutomergeError> {
        Ok(edit.get(object, key)?.and_then(|(found, id)| match found {
            automerge::Value::Object(kind) => Some((id, kind)),
            automerge::Value::Scalar(_) => None,
        }))
    };
    if kind == 9 && field == "extra" {
        return edit.put_object(ROOT, "items", ObjType::Map).map(|_| ());
    }
    let Some((items, ObjType::Map)) = object(edit, &ROOT, "items")? else { return Ok(()) };
    match kind {
        7 => {
            return edit
                .put_object(&items, item, ObjType::Map)
                .and_then(|item| edit.put(&item, "extra", value));
        }
        8 => return if edit.get(&items, item)?.is_some() { edit.delete(&items, item) } else { Ok(()) },
        9 if field == "notes" => return edit.put(&items, item, value),
        _ => {}
    }
    let Some((item, ObjType::Map)) = object(edit, &items, item)? else { return Ok(()) };
    let inner = object(edit, &item, field)?;
    match (kind, inner) {
        (0, _) if field == "outcome" => edit.put(&item, field, "pass"),
        (0, _) => edit.put(&item, field, value),
        (1, _) => edit.put_object(&item, field, ObjType::Map).and_then(|map| edit.put(&map, "p", value)),
        (2, _) => edit.put_object(&item, field, ObjType::List).and_then(|list| edit.insert(&list, 0, value)),
        (3, _) => {
            edit.put_object(&item, field, ObjType::Text).and_then(|text| edit.splice_text(&text, 0, 0, value))
        }
        (_, Some((map, ObjType::Map))) => edit.put(&map, "p", value),
        (4, Some((list, ObjType::List))) if edit.length(&list) > 0 => edit.put(&list, 0, value),
        (_, Some((list, ObjType::List))) => {
            edit.insert_object(&list, 0, ObjType::Map).and_then(|map| edit.put(&map, "n", value))
        }
        (4, Some((text, ObjType::Text))) => edit.splice_text(&text, 0, 0, value),
        (_, Some((text, ObjType::Text))) => {
            let end = edit.length(&text);
            edit.splice_text(&text, end, 0, value)
        }
        (5, None) if edit.get(&item, field)?.is_some() => edit.delete(&item, field),
        _ => edit.put(&item, "extra", value),
    }
}

/// A step of a path: a key, or an element by the insertion that made it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Segment {
    Key(String),
    Element(OpId),
}

/// A path as a JSON Pointer, where it leads through no list.
fn pointer(path: &[Segment]) -> Option<String> {
    let keys = path.iter().map(|segment| match segment {
        Segment::Key(key) => Some(format!("/{key}")),
        Segment::Element(_) => None,
    });
    keys.collect()
}

/// An operation that writes at a place.
struct Written {
    path: Vec<Segment>,
    object: ObjectId,
    change: ChangeHash,
    /// Its position in its change.
    position: usize,
}

/// The changes, taken apart.
struct Oracle {
    /// What each change has seen, itself included.
    seen: HashMap<ChangeHash, HashSet<ChangeHash>>,
    /// Puts, deletions and makings.
    written: Vec<Written>,
    /// The values, with where they were written.
    values: Vec<(String, Written)>,
}

impl Oracle {
    fn of(rows: &[RecordedChange]) -> Self {
        let changes: Vec<Change> = plain(rows).get_changes(&[]).into_iter().collect();
        let mut oracle = Self { seen: HashMap::new(), written: Vec::new(), values: Vec::new() };
        let mut objects: HashMap<OpId, Vec<Segment>> = HashMap::new();
        let mut texts: HashSet<OpId> = HashSet::new();
        for change in &changes {
            let mut seen = HashSet::from([change.hash()]);
            for dep in change.deps() {
                seen.extend(&oracle.seen[dep]);
            }
            oracle.seen.insert(change.hash(), seen);
            let mut typed: HashMap<OpId, String> = HashMap::new();
            for (position, operation) in change.decode().operations.into_iter().enumerate() {
                let id = OpId::new(change.start_op().get() + position as u64, change.actor_id());
                let (in_text, mut path) = match &operation.obj {
                    ObjectId::Root => (false, Vec::new()),
                    ObjectId::Id(object) => (texts.contains(object), objects[object].clone()),
                };
                if in_text {
                    if let (ObjectId::Id(text), OpType::Put(ScalarValue::Str(character))) =
                        (&operation.obj, &operation.action)
                    {
                        typed.entry(text.clone()).or_default().push_str(character);
                    }
                    continue;
                }
                path.push(match &operation.key {
                    Key::Map(key) => Segment::Key(key.to_string()),
                    Key::Seq(_) if operation.insert => Segment::Element(id.clone()),
                    Key::Seq(ElementId::Id(element)) => Segment::Element(element.clone()),
                    Key::Seq(ElementId::Head) => panic!("an element is inserted at the head"),
                });
                if let OpType::Make(kind) = operation.action {
                    objects.insert(id.clone(), path.clone());
                    if kind == ObjType::Text {
                        texts.insert(id.clone());
                    }
                }
                let written = || Written {
                    path: path.clone(),
                    object: operation.obj.clone(),
                    change: change.hash(),
                    position,
                };
                if let OpType::Put(ScalarValue::Str(value)) = &operation.action
                    && value.starts_with('<')
                {
                    oracle.values.push((value.to_string(), written()));
                }
                oracle.written.push(written());
            }
            for (text, typed) in typed {
                let position = usize::MAX;
                // As if it stood at the text's own place, and without being counted as a write there.
                let written = Written {
                    path: objects[&text].clone(),
                    object: ObjectId::Id(text),
                    change: change.hash(),
                    position,
                };
                oracle.values.push((typed, written));
            }
        }
        oracle
    }

    /// True when somebody who had seen a value wrote at its place or at one that holds it; of an item that is in dispute, its outcome in
    /// another object counts too.
    fn is_removed(&self, value: &Written) -> bool {
        self.written.iter().any(|write| {
            let has_seen = self.seen[&write.change].contains(&value.change);
            let is_later = write.change != value.change || write.position > value.position;
            let holds = write.path.len() <= value.path.len() && value.path.starts_with(&write.path);
            let settles = write.path.len() == 3
                && write.path[2] == Segment::Key("outcome".to_owned())
                && value.path.len() >= 2
                && write.path[..2] == value.path[..2]
                && write.object != value.object;
            has_seen && is_later && (holds || settles)
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_value_is_hidden(steps in prop::collection::vec(step(), 1..40), shuffled in any::<u64>()) {
        let Play { mut session, mut rows, clocks, .. } = Play::of(&steps);
        prop_assert_eq!(session.quarantined().len(), 0);
        let view = session.view();
        let shown = serde_json::to_string(&(&view.document, &view.conflicts)).unwrap();
        let oracle = Oracle::of(&rows);
        for (value, written) in &oracle.values {
            prop_assert!(shown.contains(value) || oracle.is_removed(written), "{value} of {:?} in {shown}", written.path);
        }

        let keys = view.document.as_object().unwrap().keys();
        let paths: Vec<String> = keys.map(|key| format!("/{key}")).collect();
        prop_assert_eq!(session.conflicts_touching(&paths), view.conflicts.clone(), "the index says what the document says");
        for path in oracle.written.iter().filter_map(|write| pointer(&write.path)) {
            let overlaps = |other: &str| {
                format!("{other}/").starts_with(&format!("{path}/")) || format!("{path}/").starts_with(&format!("{other}/"))
            };
            let mut expected = view.conflicts.clone();
    expected.retain(|conflict| overlaps(&conflict.path));
            prop_assert_eq!(session.conflicts_touching(std::slice::from_ref(&path)), expected, "{}", path);
        }

        Random(shuffled).shuffle(&mut rows);
        let mut other = SessionDocument::empty();
        rows.iter().for_each(|row| other.integrate([row.clone()]));
        let of_changes = state(&other);
        let _ = other.save();
        prop_assert_eq!(&of_changes, &state(&other), "the changes say what Automerge's document says");
        prop_assert_eq!(of_changes, state(&session));
        let summary = session.summary();
        let items = view.document["items"].as_object().unwrap();
        prop_assert_eq!((summary.item_count, other.item_count()), (items.len(), items.len()));
        prop_assert_eq!(DocumentSummary::of_bytes(&summary.to_bytes()), Some(summary));
        for clock in &clocks {
            let past = session.at(clock).unwrap();
            let then = as_of(&rows, clock);
            prop_assert_eq!(&past.view, &then.view(), "at {:?}", clock);
            let heads: Vec<String> = past.heads.iter().map(ToString::to_string).collect();
            prop_assert_eq!((past.vector_clock, heads), (then.vector_clock(), then.heads()));
        }
        let copied = SessionDocument::of_copy(&session.copy()).unwrap();
        prop_assert_eq!(state(&copied), state(&session));

        settle_everything(&mut session)?;
    }
}

/// The document of the changes that a clock covers.
fn as_of(rows: &[RecordedChange], clock: &VectorClock) -> SessionDocument {
    let place = |row: &RecordedChange| {
        let change = Change::from_bytes(row.bytes.clone()).unwrap();
        let (actor, seq, deps) = (change.actor_id().clone(), change.seq(), change.deps().to_vec());
        PlaceInHistory { hash: row.hash, actor, seq, deps }
    };
    let places: Vec<PlaceInHistory> = rows.iter().map(place).collect();
    let covered = covered_by(clock, &places).unwrap();
    let mut then = SessionDocument::empty();
    then.integrate(
        rows.iter().zip(covered).filter(|(_, is_covered)| *is_covered).map(|(row, _)| row.clone()),
    );
    then
}

/// Whoever has seen all sides can settle what needs review, with what is shown.
fn settle_everything(session: &mut SessionDocument) -> Result<(), TestCaseError> {
    for _ in 0..20 {
        let mut open = session.view().conflicts;
        open.retain(|conflict| conflict.needs_review && conflict.path != "/items");
        let Some(conflict) = open.first() else { return Ok(()) };
        let settled = set(&conflict.path, conflict.winner.clone(), "desk");
        let prepared = send(session, vec![settled], None, user(3));
        prop_assert!(prepared.is_ok(), "{:?} {:?}", conflict, prepared);
        let left = session.view().conflicts;
        prop_assert!(
            !left.iter().any(|other| other.path == conflict.path && other.needs_review),
            "{conflict:?} is left: {left:?}"
        );
    }
    Err(TestCaseError::fail("it does not end"))
}
