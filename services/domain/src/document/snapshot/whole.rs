//! A copy of all that a document is, but for Automerge's: for a writer who has no time to read its record.
//!
//! Unlike a snapshot it holds the changes too, and those that are not merged, so that nobody has to read a row to use it. What it says is
//! taken for the record's; to make sure of that is for the caller.

use std::panic::{AssertUnwindSafe, catch_unwind};

use time::OffsetDateTime;
use uuid::Uuid;

use super::parts::{Reader, Writer};
use super::{Row, read_change, write_change};
use crate::document::change::{Provenance, RecordedChange};
use crate::document::history::{Node, NodeId};
use crate::document::session::SessionDocument;

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
            let node = self.history.node(id);
            write_change(&mut writer, &self.history, id, |writer| self.write_row(writer, node));
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
            let new = read_change(reader, history, |reader, _| read_row(reader))?;
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

    fn write_row(&self, writer: &mut Writer, node: &Node) {
        write_time(writer, node.received_at);
        writer.bytes(&node.bytes);
        let is_first = node.seq == 1;
        writer.count(is_first.into());
        if is_first {
            let actor = self.history.actor(node.actor);
            write_writer(writer, actor.user_id, actor.device.as_deref());
        }
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
