//! A session with items, clients with Automerge documents of their own, devices with JSON operations.

use automerge::transaction::Transactable;
use automerge::{ActorId, Automerge, AutomergeError, Change, ObjId, ROOT, ReadDoc};
use firemode_domain::document::{
    ConflictValue, Entry, ItemSeed, Limits, NewChange, Operation, Prepared, RecordedChange, Refusal,
    SessionDocument, VectorClock, WriterContext,
};
use firemode_domain::input;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::datetime;
use uuid::Uuid;

pub(crate) const NOW: OffsetDateTime = datetime!(2026-11-21 09:00 UTC);

pub(crate) fn user(number: u128) -> Uuid {
    Uuid::from_u128(0xfeed_0000 + number)
}

pub(crate) fn actor(number: u8) -> ActorId {
    let mut bytes = [0; 16];
    bytes[15] = number;
    ActorId::from(bytes)
}

pub(crate) fn seed(item_id: &str) -> ItemSeed {
    ItemSeed {
        item_id: item_id.to_owned(),
        label: Some(format!("Label of {item_id}")),
        location: Some("Level 1".to_owned()),
        ..ItemSeed::default()
    }
}

/// The change that makes the items `a`, `b` and `c`.
pub(crate) fn creation() -> NewChange {
    SessionDocument::creation_change(&actor(1), &[seed("a"), seed("b"), seed("c")], NOW).unwrap()
}

/// A session with the items `a`, `b` and `c`.
pub(crate) fn session() -> SessionDocument {
    let mut session = SessionDocument::empty();
    session.integrate([creation().recorded(user(0), NOW)]);
    session
}

/// What the official library makes of stored changes.
pub(crate) fn plain(rows: &[RecordedChange]) -> Automerge {
    let mut document = Automerge::new();
    let changes: Vec<_> = rows.iter().map(|row| Change::from_bytes(row.bytes.clone()).unwrap()).collect();
    document.apply_changes(changes).unwrap();
    document
}

/// The actor of a device: devices of the tests have different first letters.
pub(crate) fn device_actor(device: &str) -> ActorId {
    actor(device.as_bytes()[0])
}

pub(crate) fn prepare(
    session: &mut SessionDocument,
    entries: Vec<Entry>,
    seen: Option<&VectorClock>,
    by: Uuid,
) -> Result<Prepared, Refusal> {
    prepare_within(session, entries, seen, by, &Limits::default())
}

pub(crate) fn prepare_within(
    session: &mut SessionDocument,
    entries: Vec<Entry>,
    seen: Option<&VectorClock>,
    by: Uuid,
    limits: &Limits,
) -> Result<Prepared, Refusal> {
    let mut writer = WriterContext { user_id: by, new_actor: &mut device_actor, may_go_on_with: &|_| true };
    session.prepare(entries, seen, &mut writer, limits)
}

/// Limits with which every document is so large that changes are tried in miniature.
pub(crate) fn in_miniature() -> Limits {
    Limits { trial_save_operations_max: 0, ..Limits::default() }
}

/// Prepares and adopts.
pub(crate) fn send(
    session: &mut SessionDocument,
    entries: Vec<Entry>,
    seen: Option<&VectorClock>,
    by: Uuid,
) -> Result<Prepared, Refusal> {
    let prepared = prepare(session, entries, seen, by)?;
    session.adopt(&prepared, NOW);
    Ok(prepared)
}

pub(crate) fn entry(kind: &str, path: &str, value: Value, device: &str) -> Entry {
    let mut json =
        json!({ "op": kind, "path": path, "actor_id": device, "timestamp": "2026-11-20T10:00:00Z" });
    if kind != "delete" {
        json["value"] = value;
    }
    input::read(json).unwrap()
}

pub(crate) fn set(path: &str, value: impl Into<Value>, device: &str) -> Entry {
    entry("set", path, value.into(), device)
}

pub(crate) fn operation(entry: Entry) -> Operation {
    match entry {
        Entry::Operation(operation) => operation,
        Entry::Change(_) => panic!("an operation is expected"),
    }
}

/// A client with an Automerge document of its own.
pub(crate) struct Client(pub(crate) Automerge);

impl Client {
    pub(crate) fn of(session: &SessionDocument, number: u8) -> Self {
        Self(Automerge::load(&session.save()).unwrap().with_actor(actor(number)))
    }

    pub(crate) fn edit(
        &mut self,
        edit: impl FnOnce(&mut automerge::transaction::Transaction<'_>) -> Result<(), AutomergeError>,
    ) -> Change {
        self.edit_if_different(edit).unwrap()
    }

    /// The library writes nothing where a value is equal already.
    pub(crate) fn edit_if_different(
        &mut self,
        edit: impl FnOnce(&mut automerge::transaction::Transaction<'_>) -> Result<(), AutomergeError>,
    ) -> Option<Change> {
        let hash = self.0.transact(edit).unwrap().hash?;
        self.0.get_change_by_hash(&hash)
    }

    pub(crate) fn item(&self, id: &str) -> ObjId {
        let (_, items) = self.0.get(ROOT, "items").unwrap().unwrap();
        self.0.get(items, id).unwrap().unwrap().1
    }

    pub(crate) fn put(&mut self, item: &str, field: &str, value: &str) -> Change {
        let item = self.item(item);
        self.edit(|edit| edit.put(&item, field, value))
    }
}

pub(crate) fn bytes(change: &Change) -> Entry {
    Entry::Change(change.raw_bytes().to_vec())
}

/// The text of one of several values.
pub(crate) fn text_of(value: &ConflictValue) -> &str {
    value.value.as_ref().and_then(Value::as_str).unwrap()
}

pub(crate) fn outcome(session: &SessionDocument, item: &str) -> Value {
    session.view().document["items"][item]["outcome"].clone()
}

/// Everything that a reader can see.
pub(crate) fn state(session: &SessionDocument) -> impl PartialEq + std::fmt::Debug + use<> {
    let view = session.view();
    let quarantined: Vec<_> = session.quarantined().into_iter().map(|kept| (kept.hash, kept.fault)).collect();
    (session.heads(), session.vector_clock(), view.document, view.conflicts, session.held(), quarantined)
}

/// The rows that are stored for what was prepared.
pub(crate) fn rows(prepared: &Prepared) -> impl Iterator<Item = RecordedChange> {
    prepared.changes.iter().map(|change| change.recorded(prepared.user_id, NOW))
}

pub(crate) fn record_all(session: &mut SessionDocument, changes: &[NewChange], by: Uuid) {
    session.integrate(changes.iter().map(|change| change.recorded(by, NOW)));
}

/// A small generator of pseudo-random numbers (splitmix64), so that each run is the same.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(crate) fn pick<'p, T>(&mut self, from: &'p [T]) -> &'p T {
        &from[self.below(from.len())]
    }

    pub(crate) fn shuffle<T>(&mut self, values: &mut [T]) {
        for last in (1..values.len()).rev() {
            values.swap(last, self.below(last + 1));
        }
    }
}
