//! What documents take is held against what is said that they take: before one is read, so much memory is taken for it.

use automerge::transaction::{CommitOptions, Transactable as _};
use automerge::{ActorId, Automerge, ObjType, ROOT, ReadDoc as _};
use firemode_domain::document::{Provenance, RecordedChange, SessionDocument};
use peak_alloc::PeakAlloc;
use time::OffsetDateTime;
use uuid::Uuid;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// How a session was written.
struct Shape {
    name: &'static str,
    changes: usize,
    operations_each: usize,
    /// Bytes of each value.
    value_bytes: usize,
    writers: usize,
}

const SHAPES: [Shape; 6] = [
    Shape { name: "single results", changes: 20_000, operations_each: 1, value_bytes: 8, writers: 4 },
    Shape { name: "many devices", changes: 8_000, operations_each: 2, value_bytes: 8, writers: 1_000 },
    Shape { name: "bulk", changes: 40, operations_each: 1_000, value_bytes: 8, writers: 2 },
    Shape { name: "bulk of texts", changes: 40, operations_each: 1_000, value_bytes: 200, writers: 2 },
    Shape { name: "long texts", changes: 30, operations_each: 1, value_bytes: 700_000, writers: 2 },
    Shape { name: "notes", changes: 5_000, operations_each: 3, value_bytes: 300, writers: 8 },
];

impl Shape {
    /// The rows, as the writers would have written them in turns.
    fn rows(&self) -> Vec<RecordedChange> {
        let mut random = 1_u32;
        let mut text = |bytes: usize| -> String {
            let mut next = || {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                char::from(b' ' + (random >> 24) as u8 % 95)
            };
            (0..bytes).map(|_| next()).collect()
        };
        let mut document = Automerge::new();
        for number in 0..self.changes {
            let mut actor = [7; 16];
            actor[..8].copy_from_slice(&(number % self.writers).to_be_bytes());
            document.set_actor(ActorId::from(actor));
            let mut edit = document.transaction();
            if number == 0 {
                edit.put_object(ROOT, "items", ObjType::Map).expect("the root is a map");
            }
            let items = edit.get(ROOT, "items").ok().flatten().expect("the first change made it").1;
            for operation in 0..self.operations_each {
                let key = format!("item {}", (number * self.operations_each + operation) % 3_000);
                edit.put(&items, key, text(self.value_bytes)).expect("it is a map");
            }
            edit.commit_with(CommitOptions::default().with_time(1_700_000_000));
        }
        let row = |change: automerge::Change| RecordedChange {
            hash: change.hash(),
            bytes: change.raw_bytes().into(),
            provenance: Provenance {
                user_id: Uuid::from_u128(1),
                device: None,
                received_at: OffsetDateTime::UNIX_EPOCH,
            },
        };
        document.get_changes(&[]).into_iter().map(|change| row(change.clone())).collect()
    }
}

/// The most bytes that were allocated at once while this was done, besides those from before.
fn peak<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let done = work();
    (done, ALLOCATOR.peak_usage().saturating_sub(before))
}

#[test]
fn what_is_taken_for_a_document_is_enough_for_it() {
    for shape in SHAPES {
        let rows = shape.rows();
        let (document, loading) = peak(|| {
            let mut document = SessionDocument::empty();
            document.integrate(rows.iter().cloned());
            document
        });
        let size = document.size();
        let copy = document.copy();
        let (copied, of_copy) = peak(|| SessionDocument::of_copy(&copy).unwrap());
        drop(copied);
        let (view, looking) = peak(|| serde_json::to_vec(&document.view().document).unwrap());
        drop(view);
        let (saved, saving) = peak(|| (document.save(), document.view()));
        drop(saved);
        let told = [
            ("loading", size.index_bytes + size.loading_bytes(), loading),
            ("a copy", size.index_bytes + size.loading_bytes(), of_copy),
            ("looking", size.looking_bytes(), looking),
            ("saving", size.looking_bytes() + size.saving_bytes(), saving),
        ];
        for (what, told, taken) in told {
            assert!(
                taken <= told,
                "{}: {what} takes {taken} bytes and {told} are told of {size:?}",
                shape.name
            );
        }
    }
}
