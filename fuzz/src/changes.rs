//! Automerge changes with a valid checksum that no library would write, and damaged bytes.

use arbitrary::Arbitrary;
use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType, SortedVec};
use automerge::transaction::Transactable as _;
use automerge::{
    ActorId, Automerge, Change, ChangeHash, ExpandedChange, ObjType, ROOT, ReadDoc as _, ScalarValue,
};
use firemode_domain::document::{Entry, Limits, split_changes};
use sha2::{Digest as _, Sha256};

use crate::Play;
use crate::session::{Session, actor};

const KEYS: [&str; 8] = ["items", "outcome", "label", "list", "notes", "new", "a", ""];

/// What is sent, and the order that the rows are read again in.
#[derive(Debug, Arbitrary)]
pub struct Script {
    steps: Vec<Step>,
    order: Vec<u8>,
}

#[derive(Debug, Arbitrary)]
enum Step {
    /// A crafted change in a request.
    Send(Crafted),
    /// A crafted change as a row that is stored already.
    Store(Crafted),
    /// Several in one request.
    SendMany(Vec<Crafted>),
    /// A real change with damaged bytes.
    Damage { source: u8, cuts: Vec<(u16, u8)>, is_sealed: bool },
    /// Bytes as the binary form of a request has them.
    Bytes(Vec<u8>),
    /// A client with the library makes an honest change from what it has.
    Edit { key: u8, kind: u8 },
}

#[derive(Debug, Arbitrary)]
struct Crafted {
    writer: u8,
    seq: i8,
    start_op: StartOp,
    deps: Deps,
    operations: Vec<CraftedOp>,
    time: i64,
    message: Option<String>,
    extra_bytes: Vec<u8>,
}

#[derive(Debug, Arbitrary)]
enum StartOp {
    Next,
    Off(i8),
    Exactly(u64),
}

#[derive(Debug, Arbitrary)]
enum Deps {
    Heads,
    None,
    Some(Vec<u8>),
    /// A hash that nobody has: the change waits.
    Missing(u8),
}

#[derive(Debug, Arbitrary)]
struct CraftedOp {
    action: Action,
    object: Target,
    key: CraftedKey,
    pred: Vec<Target>,
    insert: bool,
}

#[derive(Debug, Arbitrary)]
enum Action {
    Make(u8),
    Delete,
    Increment(i64),
    Counter(i64),
    Text(u8),
    Number(i64),
    Float(f64),
    Null,
    Bytes(Vec<u8>),
    Unknown(u8, Vec<u8>),
    MarkEnd(bool),
}

#[derive(Debug, Arbitrary)]
enum Target {
    Root,
    /// The object of `items`, which is there from the start.
    Items,
    /// An operation of the same change.
    Own(u8),
    /// An operation that exists.
    Known(u8),
    /// One that may not.
    Any(u8, u32),
}

#[derive(Debug, Arbitrary)]
enum CraftedKey {
    Map(u8),
    Head,
    Element(Target),
}

/// What crafted changes may name.
struct World {
    changes: Vec<Change>,
    heads: Vec<ChangeHash>,
}

impl World {
    fn of(session: &Session) -> Self {
        let document = Automerge::load(&session.document.save()).expect("what is saved loads again");
        Self { heads: document.get_heads(), changes: document.get_changes(&[]) }
    }

    fn operations(&self) -> Vec<OpId> {
        let ids = |change: &Change| {
            let actor = change.actor_id().clone();
            (change.start_op().get()..=change.max_op()).map(move |counter| OpId(counter, actor.clone()))
        };
        self.changes.iter().flat_map(ids).collect()
    }

    fn next_seq(&self, actor: &ActorId) -> u64 {
        self.changes.iter().filter(|change| change.actor_id() == actor).count() as u64 + 1
    }

    fn craft(&self, crafted: &Crafted) -> Change {
        let actor_id = actor(50 + crafted.writer % 3);
        let highest = self.changes.iter().map(Change::max_op).max().unwrap_or(0);
        let start_op = match crafted.start_op {
            StartOp::Next => highest + 1,
            StartOp::Off(by) => (highest + 1).saturating_add_signed(by.into()),
            StartOp::Exactly(number) => number,
        };
        let known = self.operations();
        let own = |position: u8| OpId(start_op.saturating_add(position.into()), actor_id.clone());
        let id = |target: &Target| match target {
            Target::Items => known.first().cloned(),
            Target::Own(position) => Some(own(*position)),
            Target::Known(choice) => known.get(usize::from(*choice) % known.len().max(1)).cloned(),
            Target::Any(writer, counter) => Some(OpId((*counter).into(), actor(*writer))),
            Target::Root => None,
        };
        let operations = crafted.operations.iter().take(12).map(|operation| operation.write(&id)).collect();
        Change::from(ExpandedChange {
            operations,
            seq: self.next_seq(&actor_id).saturating_add_signed((crafted.seq / 43).into()).max(1),
            actor_id,
            hash: None,
            start_op: start_op.max(1).try_into().expect("it is at least 1"),
            time: crafted.time,
            message: crafted.message.clone(),
            deps: self.deps(&crafted.deps),
            extra_bytes: crafted.extra_bytes.clone(),
            author: None,
        })
    }

    fn deps(&self, deps: &Deps) -> Vec<ChangeHash> {
        match deps {
            Deps::Heads => self.heads.clone(),
            Deps::None => Vec::new(),
            Deps::Some(choices) => {
                let pick = |choice: &u8| self.changes[usize::from(*choice) % self.changes.len()].hash();
                choices.iter().take(4).map(pick).collect()
            }
            Deps::Missing(number) => vec![ChangeHash([*number; 32])],
        }
    }
}

impl CraftedOp {
    fn write(&self, id: &impl Fn(&Target) -> Option<OpId>) -> Op {
        Op {
            action: self.action.write(),
            obj: id(&self.object).map_or(ObjectId::Root, ObjectId::Id),
            key: match &self.key {
                CraftedKey::Map(choice) => Key::Map(KEYS[usize::from(*choice) % KEYS.len()].into()),
                CraftedKey::Head => Key::Seq(ElementId::Head),
                CraftedKey::Element(target) => Key::Seq(id(target).map_or(ElementId::Head, ElementId::Id)),
            },
            pred: SortedVec::from(self.pred.iter().take(3).filter_map(id).collect::<Vec<_>>()),
            insert: self.insert,
        }
    }
}

impl Action {
    fn write(&self) -> OpType {
        match self {
            Self::Make(kind) => {
                let kinds = [ObjType::Map, ObjType::List, ObjType::Text, ObjType::Table];
                OpType::Make(kinds[usize::from(*kind) % kinds.len()])
            }
            Self::Delete => OpType::Delete,
            Self::Increment(by) => OpType::Increment(*by),
            Self::Counter(start) => OpType::Put(ScalarValue::counter(*start)),
            Self::Text(choice) => {
                OpType::Put(ScalarValue::Str(KEYS[usize::from(*choice) % KEYS.len()].into()))
            }
            Self::Number(number) => OpType::Put(ScalarValue::Int(*number)),
            Self::Float(number) => OpType::Put(ScalarValue::F64(*number)),
            Self::Null => OpType::Put(ScalarValue::Null),
            Self::Bytes(bytes) => OpType::Put(ScalarValue::Bytes(bytes.clone())),
            Self::Unknown(type_code, bytes) => {
                OpType::Put(ScalarValue::Unknown { type_code: type_code % 16, bytes: bytes.clone() })
            }
            Self::MarkEnd(expand) => OpType::MarkEnd(*expand),
        }
    }
}

impl Play for Script {
    fn play(self) {
        let mut session = Session::new();
        for step in self.steps.iter().take(16) {
            step.play(&mut session);
        }
        session.check(&self.order);
    }
}

impl Step {
    fn play(&self, session: &mut Session) {
        match self {
            Self::Send(crafted) => {
                if let Some(change) = craft(session, crafted) {
                    let _ = session.send(vec![entry(&change)], None);
                }
            }
            Self::SendMany(many) => {
                let changes = many.iter().take(5).filter_map(|crafted| craft(session, crafted));
                let entries = changes.map(|change| entry(&change)).collect();
                let _ = session.send(entries, None);
            }
            Self::Store(crafted) => {
                if let Some(change) = craft(session, crafted) {
                    session.find_stored(&change);
                }
            }
            Self::Damage { source, cuts, is_sealed } => {
                let changes = World::of(session).changes;
                let mut bytes = changes[usize::from(*source) % changes.len()].raw_bytes().to_vec();
                damage(&mut bytes, cuts);
                if *is_sealed {
                    seal(&mut bytes);
                }
                let _ = session.send(vec![Entry::Change(bytes)], None);
            }
            Self::Bytes(bytes) => {
                if let Ok(changes) = split_changes(bytes, &Limits::default()) {
                    let _ = session.send(changes.into_iter().map(Entry::Change).collect(), None);
                }
            }
            Self::Edit { key, kind } => edit(session, *key, *kind),
        }
    }
}

fn entry(change: &Change) -> Entry {
    Entry::Change(change.raw_bytes().to_vec())
}

/// The change, where the library can encode it at all.
fn craft(session: &Session, crafted: &Crafted) -> Option<Change> {
    let world = World::of(session);
    std::panic::catch_unwind(|| world.craft(crafted)).ok()
}

fn damage(bytes: &mut Vec<u8>, cuts: &[(u16, u8)]) {
    for (at, value) in cuts.iter().take(6) {
        let at = usize::from(*at) % bytes.len();
        match value % 3 {
            0 => bytes[at] = *value,
            1 => bytes[at] ^= value,
            _ => bytes.insert(at, *value),
        }
    }
}

/// Writes the checksum that the bytes of a plain change should have.
fn seal(bytes: &mut [u8]) {
    if bytes.len() > 9 {
        let hash = Sha256::digest(&bytes[8..]);
        bytes[4..8].copy_from_slice(&hash[..4]);
    }
}

fn edit(session: &mut Session, key: u8, kind: u8) {
    let loaded = Automerge::load(&session.document.save()).expect("what is saved loads again");
    let mut client = loaded.with_actor(actor(60 + kind % 2));
    let Ok(Some((value, items))) = client.get(ROOT, "items") else { return };
    if !value.is_object() {
        return;
    }
    let key = KEYS[usize::from(key) % KEYS.len()];
    let done = client.transact(|edit| match kind % 6 {
        0 => edit.put_object(&items, key, ObjType::Text).map(|_| ()),
        1 => edit.put_object(&items, key, ObjType::List).and_then(|list| edit.insert(&list, 0, 1)),
        2 => edit.put(&items, key, ScalarValue::counter(1)).and_then(|()| edit.increment(&items, key, 2)),
        3 => edit.delete(&items, key),
        4 => edit.put_object(&items, key, ObjType::Map).and_then(|map| edit.put(&map, "outcome", "pass")),
        _ => edit.put(&items, key, i64::from(kind)),
    });
    let Some(hash) = done.ok().and_then(|done| done.hash) else { return };
    if let Some(change) = client.get_change_by_hash(&hash) {
        let _ = session.send(vec![entry(&change)], None);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn known_inputs_still_hold() -> std::io::Result<()> {
        crate::replay_regressions::<super::Script>("changes")
    }
}
