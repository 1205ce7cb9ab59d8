//! A stored copy of what was worked out from the changes: the index, and the Automerge document.
//!
//! Reading a long history means to parse, check and apply each change of it. What that gives is a function of the set of
//! changes, so it can be kept. A snapshot holds none of the changes themselves, only what they amount to. To restore one,
//! the record is needed too: each change that the snapshot was made from has to be there with its own hash, and every other
//! change is taken in as always. So an old snapshot, one of another copy of the database or one that was made while changes
//! were held gives the same document as the record alone; what does not fit gives none.

mod draft;
pub(super) mod parts;
mod whole;

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::{ActorId, ChangeHash};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

pub use self::draft::DocumentSnapshotDraft;
use self::draft::Facts;
use self::parts::{Reader, Writer};
use super::change::{Provenance, RecordedChange};
use super::history::{History, NewNode, NodeId, OpRef};
use super::merged::MergedDocument;
use super::session::SessionDocument;

/// What a change begins with that its hash does not cover: four bytes that name the format, and a checksum.
const UNHASHED_BYTES: usize = 8;

impl SessionDocument {
    /// The form of snapshots that this release writes and reads. Another number for every other form, and for every other
    /// rule about which changes are merged: what an earlier rule made of the changes must not outlive it.
    pub const SNAPSHOT_FORMAT: i16 = 2;

    /// What was worked out from the merged changes, still to be verified; none where the Automerge document does not have all
    /// of them. Takes as long as saving the document.
    #[must_use]
    pub fn snapshot(&self) -> Option<DocumentSnapshotDraft> {
        let heads = self.history.hashes(&self.history.heads());
        let document = self.read(|document| (document.get_heads() == heads).then(|| document.save()))?;
        let mut writer = Writer::default();
        self.write_names(&mut writer);
        writer.count(self.history.len());
        for id in 0..self.history.len() as NodeId {
            write_change(&mut writer, &self.history, id, |_| {});
        }
        writer.bytes(&document);
        Some(DocumentSnapshotDraft {
            bytes: writer.finish(),
            records: self.merged_records(),
            facts: Facts::of(self),
        })
    }

    /// The document of these changes, of which a snapshot knows some. None where the snapshot does not fit them.
    ///
    /// The bytes are to be the ones that [`DocumentSnapshotDraft::verified`] gave, in the present format; that is for the caller to make sure.
    #[must_use]
    pub fn restored(snapshot: &[u8], records: Vec<RecordedChange>) -> Option<Self> {
        let mut record = Record::of(records);
        // Checked or not, bytes from outside of the process must not end it.
        let restored = catch_unwind(AssertUnwindSafe(|| Self::restore(snapshot, &mut record)));
        let mut document = restored.ok().flatten()?;
        document.integrate(record.changes.into_iter().flatten());
        Some(document)
    }

    /// Takes the changes that the snapshot knows off the record.
    fn restore(snapshot: &[u8], record: &mut Record) -> Option<Self> {
        let mut reader = Reader::of(snapshot);
        let mut document = Self::default();
        document.read_names(&mut reader)?;
        let history = &mut document.history;
        for _ in 0..reader.count()? {
            let new = read_change(&mut reader, history, |_, hash| record.take_itself(hash))?;
            document.change_bytes += new.bytes.len();
            history.push(new);
        }
        document.merged = MergedDocument::saved(reader.bytes()?.to_vec(), history).into();
        reader.is_at_end().then_some(document)
    }

    /// The ids of operations and the keys of maps.
    fn write_names(&self, writer: &mut Writer) {
        self.write_operation_ids(writer);
        writer.count(self.history.keys().len());
        self.history.keys().iter().for_each(|key| writer.bytes(key.as_bytes()));
    }

    fn read_names(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        self.operation_ids = read_operation_ids(reader)?;
        for _ in 0..reader.count()? {
            self.history.key_number(reader.text()?);
        }
        Some(())
    }

    fn write_operation_ids(&self, writer: &mut Writer) {
        let mut by_device: HashMap<(Uuid, &str), Vec<&str>> = HashMap::new();
        for (user_id, device, id) in &self.operation_ids {
            by_device.entry((*user_id, device)).or_default().push(id);
        }
        writer.count(by_device.len());
        for ((user_id, device), ids) in by_device {
            writer.bytes(user_id.as_bytes());
            writer.bytes(device.as_bytes());
            writer.count(ids.len());
            ids.iter().for_each(|id| writer.bytes(id.as_bytes()));
        }
    }
}

/// What the index does not keep of a change.
struct Row {
    bytes: Vec<u8>,
    /// The user and the device; none: those that its actor has.
    writer: Option<(Uuid, Option<String>)>,
    received_at: OffsetDateTime,
}

/// Changes in their order, of which some are taken.
struct Record {
    changes: Vec<Option<RecordedChange>>,
    places: HashMap<ChangeHash, usize>,
}

impl Record {
    fn of(changes: Vec<RecordedChange>) -> Self {
        let places = changes.iter().enumerate().map(|(place, change)| (change.hash, place)).collect();
        Self { changes: changes.into_iter().map(Some).collect(), places }
    }

    /// Takes the change with a hash, which is worked out again.
    fn take_itself(&mut self, hash: &ChangeHash) -> Option<Row> {
        let RecordedChange { bytes, provenance, .. } = self.changes[*self.places.get(hash)?].take()?;
        let is_itself = Sha256::digest(bytes.get(UNHASHED_BYTES..)?).as_slice() == hash.as_ref();
        let Provenance { user_id, device, received_at } = provenance;
        is_itself.then_some(Row { bytes, writer: Some((user_id, device)), received_at })
    }
}

fn read_operation_ids(reader: &mut Reader<'_>) -> Option<HashSet<(Uuid, String, String)>> {
    let mut known = HashSet::new();
    for _ in 0..reader.count()? {
        let user_id = Uuid::from_slice(reader.bytes()?).ok()?;
        let device = reader.text()?;
        for _ in 0..reader.count()? {
            known.insert((user_id, device.to_owned(), reader.text()?.to_owned()));
        }
    }
    Some(known)
}

/// A change, with what is to stand beside its hash.
fn write_change(writer: &mut Writer, history: &History, id: NodeId, beside: impl FnOnce(&mut Writer)) {
    let node = history.node(id);
    let actor = history.actor(node.actor);
    writer.hash(&node.hash);
    beside(writer);
    writer.number(node.actor);
    if node.seq == 1 {
        writer.bytes(actor.id.to_bytes());
    }
    writer.number(node.start_op);
    writer.signed(node.stated_at_seconds);
    writer.count(node.deps.len());
    node.deps.iter().for_each(|dep| writer.number(id - dep));
    writer.count(node.operations.len());
    node.operations.iter().for_each(|sketch| writer.sketch(sketch));
    let predecessors = history.predecessors_of(id);
    writer.count(predecessors.len());
    predecessors.iter().for_each(|predecessor| writer.predecessor(predecessor));
}

/// The next change, with the rest of it from where that stands.
fn read_change<'a>(
    reader: &mut Reader<'a>,
    history: &History,
    row: impl FnOnce(&mut Reader<'a>, &ChangeHash) -> Option<Row>,
) -> Option<NewNode> {
    let hash = reader.hash()?;
    let Row { bytes, writer, received_at } = row(reader, &hash)?;
    let number = reader.number()? as usize;
    let known = history.actors().get(number);
    let is_of_actor = match (known, &writer) {
        (Some(actor), Some((user_id, device))) => actor.user_id == *user_id && actor.device == *device,
        (Some(_), None) => true,
        (None, writer) => writer.is_some() && number == history.actors().len(),
    };
    if !is_of_actor {
        return None;
    }
    let (user_id, device) = writer.unwrap_or_default();
    let actor = match known {
        Some(actor) => actor.id.clone(),
        None => ActorId::from(reader.bytes()?),
    };
    let seq = known.map_or(0, |actor| actor.changes.len()) as u32 + 1;
    let start_op = reader.number()?;
    let stated_at_seconds = reader.signed()?;
    let next = history.len() as NodeId;
    let dep = |reader: &mut Reader<'_>| next.checked_sub(reader.number()?).filter(|dep| *dep < next);
    let deps = (0..reader.count()?).map(|_| dep(reader)).collect::<Option<Box<[_]>>>()?;
    // What holds an operation was made before it: without that, going from object to object would not end.
    let is_made_before =
        |object: OpRef, counter: u64| object == OpRef::ROOT || u64::from(object.counter) < counter;
    let operation = |position: usize, reader: &mut Reader<'_>| {
        let counter = u64::from(start_op) + position as u64;
        reader.sketch().filter(|sketch| is_made_before(sketch.object, counter))
    };
    Some(NewNode {
        seen: history.seen_by(&deps),
        operations: (0..reader.count()?).map(|at| operation(at, reader)).collect::<Option<_>>()?,
        predecessors: (0..reader.count()?).map(|_| reader.predecessor()).collect::<Option<_>>()?,
        hash,
        actor,
        user_id,
        device,
        seq,
        start_op,
        deps,
        bytes: bytes.into(),
        stated_at_seconds,
        received_at,
    })
}
