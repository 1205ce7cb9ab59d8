//! A condensed document does with the work that it takes what a whole one does.

use firemode_domain::document::{Entry, SessionDocument, VectorClock};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::*;

const DEVICES: [&str; 3] = ["phone", "tablet", "watch"];

#[derive(Debug, Clone)]
enum Step {
    /// A device writes, having seen what was there so many writes ago.
    Write { device: usize, entries: Vec<usize>, behind: usize },
    /// The document is condensed down to so many changes.
    Condense { last: usize },
}

fn step() -> impl Strategy<Value = Step> {
    // Seldom what makes the document stay whole from then on.
    let written = prop_oneof![60 => 0..SCALARS_WRITTEN, 1 => SCALARS_WRITTEN..WRITTEN];
    let entries = prop::collection::vec(written, 1..3);
    let write = (0..DEVICES.len(), entries, prop_oneof![4 => 0..3_usize, 1 => 0..30_usize])
        .prop_map(|(device, entries, behind)| Step::Write { device, entries, behind });
    prop_oneof![8 => write, 1 => (1..12_usize).prop_map(|last| Step::Condense { last })]
}

const WRITTEN: usize = 14;
const SCALARS_WRITTEN: usize = 12;

fn written(kind: usize, device: &str, number: usize) -> Entry {
    let value = json!(number);
    match kind {
        0..=3 => set(
            &format!("/items/{}/outcome", ["a", "b", "c", "a"][kind]),
            ["pass", "fail"][number % 2],
            device,
        ),
        4 => set("/items/a/notes", value, device),
        5 => set("/items/b/measurements/pressure", value, device),
        6 => entry("delete", "/items/b/measurements/pressure", Value::Null, device),
        7 => entry("append", "/items/c/marks", value, device),
        8 => set("/items/c/marks/0", value, device),
        9 => entry("delete", "/items/a/notes", Value::Null, device),
        10 => set("/items/a/observed_condition", value, device),
        11 => set(&format!("/items/new-{number}"), json!({ "outcome": "pass" }), device),
        12 => set("/items/c/marks", json!([number]), device),
        _ => set("/items/b/measurements/flow", json!({ "value": number, "unit": "l" }), device),
    }
}

/// A document and what it was condensed to.
struct Pair {
    whole: SessionDocument,
    condensed: SessionDocument,
    clocks: Vec<VectorClock>,
    taken: usize,
}

impl Pair {
    fn new() -> Self {
        Self { whole: session(), condensed: session(), clocks: vec![session().vector_clock()], taken: 0 }
    }

    fn condense(&mut self, last: usize) {
        let is_less = self.condensed.condense(last);
        assert!(self.condensed.change_count_in_memory() <= self.whole.change_count());
        assert!(is_less || !self.condensed.is_condensed() || self.condensed.change_count_in_memory() > 0);
    }

    fn write(&mut self, device: usize, kinds: &[usize], behind: usize) {
        let number = self.clocks.len();
        let entries = |device| kinds.iter().map(|kind| written(*kind, device, number)).collect::<Vec<_>>();
        let seen = (behind > 0).then(|| &self.clocks[number.saturating_sub(behind)]);
        let device = DEVICES[device];
        let is_taken = self.condensed.can_take(&entries(device), seen);
        let prepared = prepare(&mut self.whole, entries(device), seen, user(1));
        if is_taken {
            self.taken += usize::from(self.condensed.is_condensed());
            let same = prepare(&mut self.condensed, entries(device), seen, user(1));
            let told = |prepared: &Result<firemode_domain::document::Prepared, _>| match prepared {
                Ok(prepared) => Ok((
                    prepared.changes.iter().map(|change| change.bytes.clone()).collect::<Vec<_>>(),
                    (prepared.accepted, prepared.duplicates, prepared.touched.clone()),
                    prepared.relied_on.clone(),
                )),
                Err(refusal) => Err(format!("{refusal:?}")),
            };
            assert_eq!(told(&same), told(&prepared));
            if let Ok(prepared) = &prepared {
                self.condensed.adopt(prepared, NOW);
            }
        }
        if let Ok(prepared) = &prepared {
            self.whole.adopt(prepared, NOW);
            self.clocks.push(self.whole.vector_clock());
            if is_taken {
                let paths = &prepared.touched;
                assert_eq!(self.condensed.conflicts_touching(paths), self.whole.conflicts_touching(paths));
            }
        }
        if !is_taken {
            self.condensed = SessionDocument::of_copy(&self.whole.copy()).unwrap();
        }
        self.compare();
    }

    fn compare(&self) {
        let (condensed, whole) = (&self.condensed, &self.whole);
        assert_eq!(state(condensed), state(whole));
        assert_eq!(condensed.change_count(), whole.change_count());
        assert_eq!(condensed.operation_count(), whole.operation_count());
        let (summary, expected) = (condensed.summary(), whole.summary());
        assert_eq!(
            (summary.vector_clock, summary.heads, summary.item_count, summary.size.change_bytes),
            (expected.vector_clock, expected.heads, expected.item_count, expected.size.change_bytes)
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_condensed_document_does_what_the_whole_one_does(steps in prop::collection::vec(step(), 1..90)) {
        let mut pair = Pair::new();
        for step in steps {
            match step {
                Step::Write { device, entries, behind } => pair.write(device, &entries, behind),
                Step::Condense { last } => pair.condense(last),
            }
        }
    }
}

#[test]
fn what_a_condensed_document_takes_does_not_grow_with_its_history() {
    let mut pair = Pair::new();
    let mut memory = Vec::new();
    for number in 0..2_000 {
        pair.write(number % 3, &[number % 6], number % 3);
        if number % 200 == 199 {
            pair.condense(16);
            memory.push(pair.condensed.memory_bytes_estimate());
        }
    }
    assert!(memory.iter().all(|bytes| bytes.abs_diff(memory[0]) < memory[0] / 50), "{memory:?}");
    assert!(pair.condensed.memory_bytes_estimate() * 10 < pair.whole.memory_bytes_estimate());
    assert_eq!(
        pair.condensed.summary().size.index_bytes / 1_000,
        pair.whole.summary().size.index_bytes / 1_000
    );
    assert!(pair.taken > 1_700, "{} of 2,000 were taken by a condensed document", pair.taken);
}

#[test]
fn who_has_not_seen_what_was_left_out_asks_a_whole_document() {
    let mut pair = Pair::new();
    (0..40).for_each(|_| pair.write(0, &[0], 0));
    pair.condense(4);
    let entries = || vec![set("/items/b/outcome", "fail", "tablet")];
    assert!(pair.condensed.is_condensed());
    assert!(
        pair.condensed.can_take(&entries(), None) && pair.condensed.can_take(&entries(), pair.clocks.last())
    );
    assert!(!pair.condensed.can_take(&entries(), pair.clocks.first()));
    let change = Client::of(&pair.whole, 7).put("a", "notes", "x");
    assert!(!pair.condensed.can_take(&[bytes(&change)], None));
}
