//! What accepting changes costs as the history of a session grows. Prints a table; run it with
//! `cargo bench -p firemode-domain`.
#![expect(clippy::print_stdout, reason = "figures are printed on the terminal")]

use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use automerge::transaction::Transactable;
use automerge::{ActorId, Automerge, ObjId, ROOT, ReadDoc};
use firemode_domain::document::{
    Entry, ItemSeed, Limits, Prepared, RecordedChange, SessionDocument, VectorClock, WriterContext,
};
use firemode_domain::input;
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

const ITEMS: usize = 100;
const FIELDS: usize = 10;
const USER: Uuid = Uuid::from_u128(1);
const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

/// How many requests are measured for one figure.
const REQUESTS: usize = 1_000;
const BLOCK_REQUESTS: usize = 40;

fn main() {
    println!(
        "microseconds for one request; in milliseconds: integrate, reading a copy, a view of the changes, making Automerge's"
    );
    println!("document, and a view of that");
    println!(
        "{:>8} {:>7} | {:>7} {:>7} {:>7} {:>8} {:>8} | {:>9} {:>7} {:>7} {:>8} {:>7} {:>6} | {:>8}",
        "changes",
        "writers",
        "present",
        "clock",
        "stale",
        "conflict",
        "change",
        "integrate",
        "copy",
        "view",
        "automerge",
        "again",
        "MiB",
        "document"
    );
    for writers in [1, 500] {
        for changes in [100, 1_000, 10_000, 100_000] {
            println!("{}", Measured::of(changes, writers));
        }
    }
}

/// Figures for one length of history and number of writers.
struct Measured {
    changes: usize,
    writers: usize,
    /// A set of one field at the present state: prepare, adopt, conflicts.
    present: Duration,
    /// The same with the clock of the moment.
    with_clock: Duration,
    /// The same with the clock after the items were made: each request is concurrent with all others.
    stale: Duration,
    /// A set of one field that is that is in conflict each time.
    conflicting: Duration,
    /// A device's own Automerge change.
    change: Duration,
    integrate: Duration,
    /// Reading a copy of the document.
    copy: Duration,
    first_view: Duration,
    /// Making Automerge's document, and saving it.
    automerge: Duration,
    view_again: Duration,
    memory_bytes: usize,
    /// The same set through an Automerge document, in a transaction of its own.
    through_document: Duration,
}

impl Measured {
    fn of(changes: usize, writers: usize) -> Self {
        let rows = Bench::rows(changes, writers);
        let start = Instant::now();
        let mut bench = Bench::new(rows, writers);
        let integrate = start.elapsed();
        let memory_bytes = bench.session.memory_bytes_estimate();
        let present = bench.each_request(|bench, number| bench.set(number, None));
        let with_clock = bench.each_request(|bench, number| {
            let seen = bench.session.vector_clock();
            bench.set(number, Some(&seen))
        });
        let copied = bench.session.copy();
        let start = Instant::now();
        black_box(SessionDocument::of_copy(&copied));
        let copy = start.elapsed();
        let start = Instant::now();
        black_box(bench.session.view());
        let first_view = start.elapsed();
        let start = Instant::now();
        black_box(bench.session.save());
        let automerge = start.elapsed();
        bench.set(0, None);
        let start = Instant::now();
        black_box(bench.session.view());
        let view_again = start.elapsed();
        let (change, through_document) = bench.own_changes();
        let old = bench.created.clone();
        let conflicting = bench.each_request(|bench, number| {
            bench.request(&format!("/items/i{}/notes", number % ITEMS), number, Some(&old));
        });
        let stale = bench.each_request(|bench, number| bench.set(number, Some(&old)));
        Self {
            changes,
            writers,
            present,
            with_clock,
            stale,
            conflicting,
            change,
            integrate,
            copy,
            first_view,
            automerge,
            view_again,
            memory_bytes,
            through_document,
        }
    }
}

impl std::fmt::Display for Measured {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let micros = |duration: Duration| duration.as_secs_f64() * 1e6;
        let millis = |duration: Duration| duration.as_secs_f64() * 1e3;
        write!(
            formatter,
            "{:>8} {:>7} | {:>7.1} {:>7.1} {:>7.1} {:>8.1} {:>8.1} | {:>9.1} {:>7.1} {:>7.1} {:>8.1} {:>7.1} {:>6.1} | {:>8.1}",
            self.changes,
            self.writers,
            micros(self.present),
            micros(self.with_clock),
            micros(self.stale),
            micros(self.conflicting),
            micros(self.change),
            millis(self.integrate),
            millis(self.copy),
            millis(self.first_view),
            millis(self.automerge),
            millis(self.view_again),
            self.memory_bytes as f64 / f64::from(1 << 20),
            micros(self.through_document),
        )
    }
}

struct Bench {
    session: SessionDocument,
    writers: usize,
    /// What had been seen once the items were made.
    created: VectorClock,
}

fn actor(kind: u8, number: usize) -> ActorId {
    let mut bytes = [0; 16];
    bytes[0] = kind;
    bytes[8..].copy_from_slice(&(number as u64).to_be_bytes());
    ActorId::from(bytes)
}

impl Bench {
    fn new(rows: Vec<RecordedChange>, writers: usize) -> Self {
        let mut session = SessionDocument::empty();
        let created = VectorClock::try_from(
            HashMap::from([(actor(1, 0).to_hex_string(), 1)])
                .into_iter()
                .collect::<std::collections::BTreeMap<_, _>>(),
        );
        session.integrate(rows);
        Self { session, writers, created: created.unwrap_or_default() }
    }

    /// The rows of a session in which devices have set fields in turn.
    fn rows(changes: usize, writers: usize) -> Vec<RecordedChange> {
        let items: Vec<_> = (0..ITEMS)
            .map(|number| ItemSeed { item_id: format!("i{number}"), ..ItemSeed::default() })
            .collect();
        let Ok(creation) = SessionDocument::creation_change(&actor(1, 0), &items, NOW) else {
            return Vec::new();
        };
        let mut rows = vec![creation.recorded(USER, NOW)];
        let mut bench = Self::new(rows.clone(), writers);
        for number in 0..changes {
            let prepared = bench.set(number, None);
            rows.extend(prepared.changes.iter().map(|change| change.recorded(prepared.user_id, NOW)));
        }
        rows
    }

    /// What one request takes, in the median of blocks of requests: other work on the machine disturbs some.
    fn each_request<T>(&mut self, mut request: impl FnMut(&mut Self, usize) -> T) -> Duration {
        let mut blocks = Vec::new();
        for block in 0..REQUESTS / BLOCK_REQUESTS {
            let start = Instant::now();
            for number in 0..BLOCK_REQUESTS {
                black_box(request(self, block * BLOCK_REQUESTS + number));
            }
            blocks.push(start.elapsed() / BLOCK_REQUESTS as u32);
        }
        blocks.sort_unstable();
        blocks[blocks.len() / 2]
    }

    fn set(&mut self, number: usize, seen: Option<&VectorClock>) -> Prepared {
        let path = format!("/items/i{}/f{}", number * 7 % ITEMS, number / ITEMS % FIELDS);
        self.request(&path, number, seen)
    }

    /// A request from a device: prepared, adopted, and looked at for conflicts.
    fn request(&mut self, path: &str, number: usize, seen: Option<&VectorClock>) -> Prepared {
        let writer = number % self.writers;
        let operation = json!({
            "op": "set", "path": path, "value": format!("value {number}"),
            "actor_id": format!("d{writer}"), "timestamp": "2026-11-21T09:00:00Z",
        });
        let entry = input::read(operation).expect("the operation is valid");
        self.send(entry, writer, seen)
    }

    fn send(&mut self, entry: Entry, writer: usize, seen: Option<&VectorClock>) -> Prepared {
        let mut device_actor = |_: &str| actor(2, writer);
        let mut context =
            WriterContext { user_id: USER, new_actor: &mut device_actor, may_go_on_with: &|_| true };
        let prepared = self.session.prepare(vec![entry], seen, &mut context, &Limits::default());
        let prepared = prepared.expect("the request is valid");
        self.session.adopt(&prepared, NOW);
        black_box(self.session.conflicts_touching(&prepared.touched));
        prepared
    }

    /// What a change of a device with its own document costs here, and what it costs there to make it.
    fn own_changes(&mut self) -> (Duration, Duration) {
        let mut document =
            Automerge::load(&self.session.save()).expect("it was saved").with_actor(actor(3, 0));
        let (mut here, mut there) = (Duration::ZERO, Duration::ZERO);
        const CHANGES: u32 = 50;
        for number in 0..CHANGES as usize {
            let start = Instant::now();
            let hash = document.transact(|edit| {
                let item = child(edit, &child(edit, &ROOT, "items"), &format!("i{number}"));
                edit.put(item, "f1", number as u64)
            });
            there += start.elapsed();
            let hash = hash.expect("the fields are there").hash.expect("the value is new");
            let change = document.get_change_by_hash(&hash).expect("it was made");
            let start = Instant::now();
            self.send(Entry::Change(change.raw_bytes().to_vec()), 0, None);
            here += start.elapsed();
        }
        (here / CHANGES, there / CHANGES)
    }
}

fn child(document: &impl ReadDoc, object: &ObjId, key: &str) -> ObjId {
    let found = document.get(object, key).ok().flatten();
    found.expect("the object is there").1
}
