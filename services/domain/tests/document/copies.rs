//! A copy of a document is that document.

use firemode_domain::document::{ChangeSummary, Entry, RecordedChange, SessionDocument, VectorClock};
use proptest::prelude::*;
use serde_json::json;

use crate::merge_laws::{play, step};
use crate::support::{self, *};

fn of(rows: &[RecordedChange]) -> SessionDocument {
    let mut session = SessionDocument::empty();
    session.integrate(rows.iter().cloned());
    session
}

fn accounts(session: &SessionDocument, rows: &[RecordedChange]) -> Vec<ChangeSummary> {
    rows.iter().map(|row| session.summary_of(&row.hash, &row.bytes)).collect()
}

/// What further operations become, at present and at an old clock.
fn written_next(session: &mut SessionDocument, old: &VectorClock) -> Vec<Vec<u8>> {
    let mut written = Vec::new();
    for seen in [Some(old), None] {
        let entries = vec![
            set("/items/a/outcome", "fail", "clock"),
            set("/items/b/measurements", json!({ "y": [3] }), "clock"),
            entry("delete", "/items/c/outcome", ().into(), "clock"),
        ];
        let prepared = send(session, entries, seen, user(7)).unwrap();
        written.extend(prepared.changes.into_iter().map(|change| change.bytes));
    }
    written
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_copy_of_a_part_and_the_rest_are_the_whole(
        steps in prop::collection::vec(step(), 1..30),
        seed in any::<u64>(),
        cut in any::<prop::sample::Index>(),
        damaged in any::<prop::sample::Index>(),
    ) {
        let (_, mut rows) = play(&steps);
        let old = session().vector_clock();
        let mut random = Random(seed);
        random.shuffle(&mut rows);
        let part = of(&rows[..=cut.index(rows.len())]).copy();
        random.shuffle(&mut rows);
        let (mut whole, mut copied) = (of(&rows), SessionDocument::of_copy(&part).unwrap());
        copied.integrate(rows.iter().cloned());
        prop_assert_eq!(state(&copied), state(&whole));
        prop_assert_eq!(accounts(&copied, &rows), accounts(&whole, &rows));
        prop_assert_eq!(copied.operation_count(), whole.operation_count());
        prop_assert!(whole.is_sound_save(&copied.save()));

        let mut copied = SessionDocument::of_copy(&whole.copy()).unwrap();
        prop_assert_eq!(state(&copied), state(&whole));
        prop_assert_eq!(accounts(&copied, &rows), accounts(&whole, &rows));
        prop_assert_eq!(copied.held_since(), whole.held_since());
        let mark = copied.mark();
        prop_assert_eq!(written_next(&mut copied, &old), written_next(&mut whole, &old));
        prop_assert_eq!(state(&copied), state(&whole));
        prop_assert!(copied.roll_back(&mark));
        prop_assert_eq!(state(&copied), state(&of(&rows)));

        // No damage panics.
        let copy = whole.copy();
        let mut bytes = copy.clone();
        let place = damaged.index(bytes.len());
        bytes[place] ^= 1 << (seed % 8);
        let _ = SessionDocument::of_copy(&bytes);
        prop_assert!(SessionDocument::of_copy(&copy[..place]).is_none());
    }
}

/// A session in which two devices have written, and its rows.
fn written() -> (SessionDocument, Vec<RecordedChange>) {
    let mut session = session();
    let mut rows = vec![creation().recorded(user(0), NOW)];
    for device in ["phone", "tablet"] {
        let mut named = operation(set("/items/a/outcome", "pass", device));
        named.op_id = Some(format!("{device}-1"));
        let prepared = send(&mut session, vec![Entry::Operation(named)], None, user(1)).unwrap();
        rows.extend(support::rows(&prepared));
    }
    (session, rows)
}

#[test]
fn operations_that_were_applied_stay_known() {
    let session = SessionDocument::of_copy(&written().0.copy()).unwrap();
    assert!(session.knows_operation(user(1), "phone", "phone-1"));
    assert!(!session.knows_operation(user(1), "phone", "tablet-1"));
}

#[test]
fn held_and_quarantined_changes_stay_what_they_are() {
    let (_, mut rows) = written();
    let missing = rows.remove(1);
    let mut damaged = missing.clone();
    damaged.hash.0[0] ^= 1;
    rows.push(damaged);
    let before = of(&rows);
    assert_eq!((before.held().len(), before.quarantined().len()), (1, 1));
    let mut copied = SessionDocument::of_copy(&before.copy()).unwrap();
    assert_eq!(state(&copied), state(&before));
    rows.push(missing);
    copied.integrate(rows.iter().cloned());
    assert_eq!(state(&copied), state(&of(&rows)));
    assert_eq!(copied.held(), []);
}
