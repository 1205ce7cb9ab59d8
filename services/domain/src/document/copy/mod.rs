//! A copy of all that a document is, but for Automerge's: for whoever has no time to work it out from its record.
//!
//! Reading a long history means to parse and check each change of it. What that gives is a function of the set of changes, so it can be
//! kept, with the changes, and those that are not merged. What a copy says is taken for the record's; to make sure of that is for the
//! caller.

pub(super) mod parts;

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::ActorId;
use time::OffsetDateTime;
use uuid::Uuid;

use self::parts::{Reader, Writer};
use super::change::{Provenance, RecordedChange};
use super::history::{History, NewNode, Node, NodeId, OpRef};
use super::session::SessionDocument;

impl SessionDocument {
    /// The form of copies that this release writes and reads. Another number for every other form, and for every other rule about which
    /// changes are merged.
    pub const COPY_FORMAT: i16 = 1;

    /// A copy of this document.
    #[must_use]
    pub fn copy(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        self.write_names(&mut writer);
        writer.count(self.history.len());
        for id in 0..self.history.len() as NodeId {
            write_change(&mut writer, &self.history, id);
        }
        let unmerged: Vec<RecordedChange> = self.unmerged.records().collect();
        writer.count(unmerged.len());
        for record in &unmerged {
            writer.hash(&record.hash);
            writer.bytes(&record.bytes);
            write_time(&mut writer, record.provenance.received_at);
            write_writer(&mut writer, record.provenance.user_id, record.provenance.device.as_deref());
        }
        writer.finish()
    }

    /// The document that a copy was made of, if these bytes are one.
    #[must_use]
    pub fn of_copy(copy: &[u8]) -> Option<Self> {
        // Checked or not, bytes from outside of the process must not end it.
        catch_unwind(AssertUnwindSafe(|| Self::read_copy(&mut Reader::of(copy)))).ok().flatten()
    }

    fn read_copy(reader: &mut Reader<'_>) -> Option<Self> {
        let mut document = Self::default();
        document.read_names(reader)?;
        let history = &mut document.history;
        let changes = reader.count()?;
        history.reserve(changes);
        for _ in 0..changes {
            let new = read_change(reader, history)?;
            document.change_bytes += new.bytes.len();
            history.push(new);
        }
        let mut unmerged = Vec::new();
        for _ in 0..reader.count()? {
            let (hash, bytes) = (reader.hash()?, reader.bytes()?.to_vec());
            let received_at = read_time(reader)?;
            let (user_id, device) = read_writer(reader)?;
            unmerged.push(RecordedChange {
                hash,
                bytes,
                provenance: Provenance { user_id, device, received_at },
            });
        }
        document.integrate(unmerged);
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

fn write_row(writer: &mut Writer, history: &History, node: &Node) {
    write_time(writer, node.received_at);
    writer.bytes(&node.bytes);
    let is_first = node.seq == 1;
    writer.count(is_first.into());
    if is_first {
        let actor = history.actor(node.actor);
        write_writer(writer, actor.user_id, actor.device.as_deref());
    }
}

fn read_row(reader: &mut Reader<'_>) -> Option<Row> {
    let received_at = read_time(reader)?;
    let bytes = reader.bytes()?.to_vec();
    let writer = if reader.count()? > 0 { Some(read_writer(reader)?) } else { None };
    Some(Row { bytes, writer, received_at })
}

/// As exactly as the database keeps it.
fn write_time(writer: &mut Writer, time: OffsetDateTime) {
    writer.signed((time.unix_timestamp_nanos() / 1_000) as i64);
}

fn read_time(reader: &mut Reader<'_>) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(reader.signed()?) * 1_000).ok()
}

fn write_writer(writer: &mut Writer, user_id: Uuid, device: Option<&str>) {
    writer.bytes(user_id.as_bytes());
    writer.count(device.is_some().into());
    device.into_iter().for_each(|device| writer.bytes(device.as_bytes()));
}

fn read_writer(reader: &mut Reader<'_>) -> Option<(Uuid, Option<String>)> {
    let user_id = Uuid::from_slice(reader.bytes()?).ok()?;
    let device = if reader.count()? > 0 { Some(reader.text()?.to_owned()) } else { None };
    Some((user_id, device))
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

fn write_change(writer: &mut Writer, history: &History, id: NodeId) {
    let node = history.node(id);
    let actor = history.actor(node.actor);
    writer.hash(&node.hash);
    write_row(writer, history, node);
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

fn read_change(reader: &mut Reader<'_>, history: &History) -> Option<NewNode> {
    let hash = reader.hash()?;
    let Row { bytes, writer, received_at } = read_row(reader)?;
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
    let seq = known.map_or(0, |actor| actor.last_seq) + 1;
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
