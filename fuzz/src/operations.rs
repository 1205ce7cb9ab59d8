//! JSON operations.

use std::fmt::Write as _;

use arbitrary::{Arbitrary, Unstructured};
use firemode_domain::document::{Entry, VectorClock};
use firemode_domain::input;
use serde_json::{Map, Value, json};

use crate::Play;
use crate::session::Session;

const SEGMENTS: [&str; 14] = [
    "items",
    "a",
    "b",
    "outcome",
    "notes",
    "measurements",
    "evidence",
    "list",
    "0",
    "1",
    "-",
    "x",
    "",
    "~0~1",
];
const STRINGS: [&str; 6] = ["pass", "fail", "not_tested", "", "\u{1f525}\u{0}", "text"];
const DEVICES: [&str; 3] = ["phone", "tablet", "watch"];

/// Requests, and the order that their rows are read again in.
#[derive(Debug, Arbitrary)]
pub struct Script {
    requests: Vec<Request>,
    order: Vec<u8>,
}

#[derive(Debug, Arbitrary)]
struct Request {
    entries: Vec<Piece>,
    seen: Seen,
}

#[derive(Debug, Arbitrary)]
enum Seen {
    Present,
    /// The clock after one of the requests before.
    Earlier(u8),
    /// The same with a number that may not exist.
    Altered(u8, u8),
}

#[derive(Debug, Arbitrary)]
struct Piece {
    kind: Kind,
    path: Vec<u8>,
    value: Json,
    device: u8,
    op_id: Option<u8>,
    minute: u8,
}

#[derive(Debug, Arbitrary)]
enum Kind {
    Set,
    Delete,
    Append,
    /// Any text at all in the place of the path.
    Strange(String),
}

/// A value, made small and often equal, so that operations meet in one place.
#[derive(Debug)]
struct Json(Value);

impl<'a> Arbitrary<'a> for Json {
    fn arbitrary(input: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        value(input, 4).map(Self)
    }
}

fn value(input: &mut Unstructured<'_>, depth: usize) -> arbitrary::Result<Value> {
    Ok(match input.int_in_range(0..=9_u8)? {
        0 => Value::Null,
        1 => json!(bool::arbitrary(input)?),
        2 => json!(i64::arbitrary(input)?),
        3 => json!(u64::arbitrary(input)?),
        4 => json!(f64::arbitrary(input)?),
        5 => json!(String::arbitrary(input)?),
        6 if depth > 0 => {
            let count = input.int_in_range(0..=3_u8)?;
            (0..count).map(|_| value(input, depth - 1)).collect::<arbitrary::Result<Vec<_>>>()?.into()
        }
        7 if depth > 0 => {
            let mut fields = Map::new();
            for _ in 0..input.int_in_range(0..=3_u8)? {
                fields.insert((*input.choose(&SEGMENTS)?).to_owned(), value(input, depth - 1)?);
            }
            fields.into()
        }
        _ => json!(*input.choose(&STRINGS)?),
    })
}

impl Piece {
    fn entry(&self) -> Option<Entry> {
        let path = match &self.kind {
            Kind::Strange(path) => path.clone(),
            _ => self.path.iter().take(7).fold(String::new(), |mut path, choice| {
                let _ = write!(path, "/{}", SEGMENTS[usize::from(*choice) % SEGMENTS.len()]);
                path
            }),
        };
        let mut operation = json!({
            "op": match self.kind { Kind::Delete => "delete", Kind::Append => "append", _ => "set" },
            "path": path,
            "actor_id": DEVICES[usize::from(self.device) % DEVICES.len()],
            "timestamp": format!("2026-11-21T09:{:02}:00Z", self.minute % 3),
        });
        if !matches!(self.kind, Kind::Delete) {
            operation["value"] = self.value.0.clone();
        }
        if let Some(op_id) = self.op_id {
            operation["op_id"] = json!(format!("o{}", op_id % 8));
        }
        input::read(operation).ok()
    }
}

impl Play for Script {
    fn play(self) {
        let mut session = Session::new();
        let mut clocks = vec![session.document.vector_clock()];
        for request in self.requests.iter().take(24) {
            let entries: Vec<Entry> = request.entries.iter().take(12).filter_map(Piece::entry).collect();
            let seen = request.seen.clock(&clocks);
            if session.send(entries, seen.as_ref()).is_ok() {
                clocks.push(session.document.vector_clock());
            }
        }
        session.check(&self.order);
    }
}

impl Seen {
    fn clock(&self, clocks: &[VectorClock]) -> Option<VectorClock> {
        let at = |choice: u8| &clocks[usize::from(choice) % clocks.len()];
        match self {
            Self::Present => None,
            Self::Earlier(choice) => Some(at(*choice).clone()),
            Self::Altered(choice, number) => {
                let clock = serde_json::to_value(at(*choice)).ok()?;
                let mut entries = clock.as_object()?.clone();
                if let Some(last) = entries.values_mut().last() {
                    *last = json!(number);
                }
                serde_json::from_value(entries.into()).ok()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn known_inputs_still_hold() -> std::io::Result<()> {
        crate::replay_regressions::<super::Script>("operations")
    }
}
