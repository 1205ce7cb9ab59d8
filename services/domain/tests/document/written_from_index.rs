//! What the server writes from its index is what the official library would have said.
//!
//! The server does not ask an Automerge document what stands where; it knows from its index of the changes.
//! Here each operation that it wrote is compared with a document that has the changes its device had seen.

use automerge::Value::Object;
use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType};
use automerge::transaction::Transactable;
use automerge::{Automerge, Change, ChangeHash, ObjId, ObjType, Prop, ReadDoc, ScalarValue};
use firemode_domain::document::{
    Conflict, Entry, Limits, Prepared, RecordedChange, Refusal, SessionDocument, VectorClock,
};
use serde_json::{Value, json};

use crate::support::{self, *};

const DEVICES: [&str; 4] = ["phone", "tablet", "watch", "laptop"];
const FIELDS: [&str; 5] = ["outcome", "notes", "list", "measurements", "measurements/x"];

fn histories() -> u64 {
    std::env::var("FIREMODE_RANDOM_HISTORIES").ok().and_then(|text| text.parse().ok()).unwrap_or(300)
}

/// A session that devices and clients with documents of their own write to, with clocks new and old.
struct Play {
    random: Random,
    session: SessionDocument,
    rows: Vec<RecordedChange>,
    clocks: Vec<VectorClock>,
    clients: Vec<Client>,
    written: usize,
}

impl Play {
    fn new(seed: u64) -> Self {
        let session = session();
        let rows = vec![creation().recorded(user(0), NOW)];
        let clocks = vec![session.vector_clock()];
        let clients = (0..2).map(|number| Client::of(&session, 40 + number)).collect();
        Self { random: Random(seed), session, rows, clocks, clients, written: 0 }
    }

    fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            match self.random.below(10) {
                0 => self.synchronise(),
                1..=3 => self.client_edits(),
                _ => self.device_operates(),
            }
        }
    }

    fn synchronise(&mut self) {
        let mut server = Automerge::load(&self.session.save()).unwrap();
        let client = self.random.below(self.clients.len());
        self.clients[client].0.merge(&mut server).unwrap();
    }

    fn client_edits(&mut self) {
        let number = self.random.below(self.clients.len());
        let (random, client) = (&mut self.random, &mut self.clients[number]);
        let item = client.item(["a", "b"][random.below(2)]);
        let change = client.edit_if_different(|edit| {
            let list = edit
                .get(&item, "list")?
                .filter(|(value, _)| matches!(value, Object(ObjType::List)))
                .map(|(_, list)| list);
            let counts = matches!(edit.get(&item, "notes")?, Some((value, _)) if value.is_counter());
            match (random.below(8), list) {
                (0, Some(list)) => {
                    let at = random.below(edit.length(&list) + 1);
                    edit.insert(&list, at, random.next() as i64)
                }
                (1, Some(list)) if edit.length(&list) > 0 => {
                    edit.delete(&list, random.below(edit.length(&list)))
                }
                (2, Some(list)) if edit.length(&list) > 0 => {
                    let at = random.below(edit.length(&list));
                    edit.put(&list, at, "replaced")
                }
                (0..=2, _) => {
                    let list = edit.put_object(&item, "list", ObjType::List)?;
                    edit.insert(&list, 0, "first").and_then(|()| edit.insert(&list, 0, "before it"))
                }
                (3, _) => edit.put(&item, "notes", ScalarValue::counter(random.below(9) as i64)),
                (4, _) if counts => edit.increment(&item, "notes", 2),
                (5, _) => edit.put_object(&item, "measurements", ObjType::Map).map(drop),
                (6, _) => edit.delete(&item, *random.pick(&FIELDS[..4])),
                _ => edit.put(&item, "outcome", *random.pick(&["pass", "fail"])),
            }
        });
        if let Some(change) = change {
            self.send(vec![bytes(&change)], None, user(10 + number as u128));
        }
    }

    fn device_operates(&mut self) {
        let device = *self.random.pick(&DEVICES);
        let count = 1 + self.random.below(3);
        let entries = (0..count).map(|_| self.entry(device)).collect();
        let seen = match self.random.below(3) {
            0 => None,
            1 => self.clocks.last().cloned(),
            _ => Some(self.random.pick(&self.clocks).clone()),
        };
        self.send(entries, seen, user(1));
    }

    fn entry(&mut self, device: &str) -> Entry {
        let random = &mut self.random;
        let item = ["a", "b", "c"][random.below(3)];
        let index = random.below(3);
        match random.below(12) {
            0 => set(&format!("/items/{item}/outcome"), *random.pick(&["pass", "fail"]), device),
            1 => entry("append", &format!("/items/{item}/list"), json!(index), device),
            2 => set(&format!("/items/{item}/list/{index}"), "set", device),
            3 => entry("delete", &format!("/items/{item}/list/{index}"), Value::Null, device),
            4 => set(&format!("/items/{item}/list/-"), json!({ "in": [index] }), device),
            5 => set(&format!("/items/{item}/list"), json!(["x", { "deep": 1 }]), device),
            6 => set(&format!("/items/{item}/list/{index}/deep"), index, device),
            7 => set(&format!("/items/{item}/measurements"), json!({ "x": 1 }), device),
            8 => entry("delete", "/items/c", Value::Null, device),
            9 => set("/items/c", json!({ "outcome": "fail", "list": [] }), device),
            kind => {
                let path = format!("/items/{item}/{}", random.pick(&FIELDS[1..]));
                let kind = if kind == 10 { "delete" } else { "set" };
                entry(kind, &path, json!(index), device)
            }
        }
    }

    /// Sends a request. One that does not fit the point of history is refused, which is as good.
    fn send(&mut self, entries: Vec<Entry>, seen: Option<VectorClock>, by: uuid::Uuid) {
        let limits = if self.random.below(2) == 0 { in_miniature() } else { Limits::default() };
        let prepared = match prepare_within(&mut self.session, entries, seen.as_ref(), by, &limits) {
            Ok(prepared) => prepared,
            Err(Refusal::Operation(_)) => return,
            Err(refusal) => panic!("an honest change is refused: {refusal}"),
        };
        self.session.adopt(&prepared, NOW);
        let by_server = prepared.changes.iter().filter(|change| change.device.is_some());
        let own: Vec<_> = by_server.map(|change| change.hash).collect();
        self.rows.extend(support::rows(&prepared));
        self.clocks.push(self.session.vector_clock());
        self.check_written(&own);
        self.check_conflicts(&prepared);
    }

    /// The index finds the conflicts that the document shows.
    fn check_conflicts(&self, prepared: &Prepared) {
        let shown = self.session.view().conflicts;
        let found = self.session.conflicts_touching(&prepared.touched);
        assert!(found.iter().all(|conflict| shown.contains(conflict)), "{found:#?} {shown:#?}");
        let mut touched = shown.iter().filter(|conflict| touches(conflict, prepared));
        assert!(touched.all(|conflict| found.contains(conflict)), "{found:#?} {shown:#?}");
    }

    /// Compares operations with what the official library says of the point where they were written.
    fn check_written(&mut self, hashes: &[ChangeHash]) {
        if hashes.is_empty() {
            return;
        }
        let document = plain(&self.rows);
        for hash in hashes {
            let change = document.get_change_by_hash(hash).unwrap();
            let own =
                |id: &OpId| *id.actor() == *change.actor_id() && id.counter() >= change.start_op().get();
            for operation in change.decode().operations {
                let is_in_new_object = matches!(&operation.obj, ObjectId::Id(id) if own(id));
                if !is_in_new_object {
                    check_operation(&document, change.deps(), &operation);
                    self.written += 1;
                }
            }
        }
    }
}

fn touches(conflict: &Conflict, prepared: &Prepared) -> bool {
    let lies_in = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    prepared.touched.iter().any(|path| lies_in(&conflict.path, path) || lies_in(path, &conflict.path))
}

/// The library's answer: what stands at the place of an operation, at the dependencies of its change.
fn check_operation(document: &Automerge, deps: &[ChangeHash], operation: &Op) {
    let object = match &operation.obj {
        ObjectId::Root => ObjId::Root,
        ObjectId::Id(id) => ObjId::Id(id.counter(), id.actor().clone(), 0),
    };
    let at = |prop: Prop| -> Vec<OpId> {
        let values = document.get_all_at(&object, prop, deps).unwrap();
        values.iter().map(|(_, id)| op_id(id)).collect()
    };
    let length = document.length_at(&object, deps);
    let mut replaced = match &operation.key {
        Key::Map(key) => at(Prop::Map(key.to_string())),
        Key::Seq(ElementId::Head) => {
            assert!(operation.insert && length == 0, "only an empty list is added to at its head");
            Vec::new()
        }
        Key::Seq(ElementId::Id(element)) => {
            let places: Vec<_> = (0..length).map(|index| at(Prop::Seq(index))).collect();
            let is_place = |place: &&Vec<OpId>| place.iter().any(|id| element_of(document, id) == *element);
            let place = places.iter().find(is_place).expect("the element stands in the list");
            assert!(!operation.insert || Some(place) == places.last(), "values are added at the end");
            if operation.insert { Vec::new() } else { place.clone() }
        }
    };
    replaced.sort_unstable();
    if replaced.is_empty() && operation.action == OpType::Delete {
        return; // it deletes what readers see and the library does not
    }
    assert_eq!(operation.pred.iter().cloned().collect::<Vec<_>>(), replaced, "{operation:?}");
}

fn op_id(id: &ObjId) -> OpId {
    match id {
        ObjId::Root => panic!("the root is no value"),
        ObjId::Id(counter, actor, _) => OpId::new(*counter, actor),
    }
}

/// The insertion that made the element at which an operation stands.
fn element_of(document: &Automerge, id: &OpId) -> OpId {
    let holds = |change: &Change| {
        change.actor_id() == id.actor() && (change.start_op().get()..=change.max_op()).contains(&id.counter())
    };
    let change = document.get_changes(&[]).into_iter().find(holds).expect("its change is there");
    let operation = change.decode().operations.swap_remove((id.counter() - change.start_op().get()) as usize);
    match operation.key {
        Key::Seq(ElementId::Id(element)) if !operation.insert => element,
        _ => id.clone(),
    }
}

#[test]
fn operations_replace_what_the_official_library_sees_at_their_point_of_history() {
    let mut written = 0;
    for seed in 0..histories() {
        let mut play = Play::new(seed);
        play.run(25);
        written += play.written;
        assert_eq!(play.session.quarantined().len(), 0, "seed {seed}");
    }
    assert!(written as u64 > histories() * 8, "{written}");
}
