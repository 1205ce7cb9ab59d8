//! A stored snapshot and the rest of the changes are the same document as all of the changes.

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

fn snapshot_of(session: &SessionDocument) -> Vec<u8> {
    session.snapshot().unwrap().verified().unwrap()
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
    fn a_snapshot_of_any_part_and_the_rest_are_the_whole(
        steps in prop::collection::vec(step(), 1..30),
        seed in any::<u64>(),
        cut in any::<prop::sample::Index>(),
        damaged in any::<prop::sample::Index>(),
    ) {
        let (_, mut rows) = play(&steps);
        let old = session().vector_clock();
        let mut random = Random(seed);
        random.shuffle(&mut rows);
        let snapshot = snapshot_of(&of(&rows[..=cut.index(rows.len())]));
        random.shuffle(&mut rows);
        let (mut whole, mut restored) = (of(&rows), SessionDocument::restored(&snapshot, rows.to_vec()).unwrap());
        prop_assert_eq!(state(&restored), state(&whole));
        prop_assert_eq!(accounts(&restored, &rows), accounts(&whole, &rows));
        prop_assert_eq!(restored.operation_count(), whole.operation_count());
        prop_assert!(whole.is_sound_save(&restored.save()));

        let mark = restored.mark();
        prop_assert_eq!(written_next(&mut restored, &old), written_next(&mut whole, &old));
        prop_assert_eq!(state(&restored), state(&whole));
        prop_assert!(restored.roll_back(&mark));
        prop_assert_eq!(state(&restored), state(&of(&rows)));

        let mut copied = SessionDocument::of_copy(&whole.copy()).unwrap();
        prop_assert_eq!(state(&copied), state(&whole));
        prop_assert_eq!(accounts(&copied, &rows), accounts(&whole, &rows));
        prop_assert_eq!(copied.held_since(), whole.held_since());
        prop_assert_eq!(written_next(&mut copied, &old), written_next(&mut whole, &old));
        prop_assert_eq!(state(&copied), state(&whole));

        // No damage panics.
        let copy = whole.copy();
        let mut bytes = copy.clone();
        let place = damaged.index(bytes.len());
        bytes[place] ^= 1 << (seed % 8);
        let _ = SessionDocument::of_copy(&bytes);
        prop_assert!(SessionDocument::of_copy(&copy[..place]).is_none());
        let mut bytes = snapshot;
        let place = damaged.index(bytes.len());
        bytes[place] ^= 1 << (seed % 8);
        let _ = SessionDocument::restored(&bytes, rows.to_vec());
        let _ = SessionDocument::restored(&bytes[..place], rows.to_vec());
    }
}

/// A session with a snapshot, and its rows.
fn with_snapshot() -> (Vec<u8>, Vec<RecordedChange>) {
    let mut session = session();
    let mut rows = vec![creation().recorded(user(0), NOW)];
    for device in ["phone", "tablet"] {
        let mut named = operation(set("/items/a/outcome", "pass", device));
        named.op_id = Some(format!("{device}-1"));
        let prepared = send(&mut session, vec![Entry::Operation(named)], None, user(1)).unwrap();
        rows.extend(support::rows(&prepared));
    }
    (snapshot_of(&session), rows)
}

#[test]
fn operations_that_were_applied_stay_known() {
    let (snapshot, rows) = with_snapshot();
    let session = SessionDocument::restored(&snapshot, rows.to_vec()).unwrap();
    assert!(session.knows_operation(user(1), "phone", "phone-1"));
    assert!(!session.knows_operation(user(1), "phone", "tablet-1"));
}

#[test]
fn a_snapshot_that_does_not_fit_the_record_gives_no_document() {
    let (snapshot, rows) = with_snapshot();
    assert!(SessionDocument::restored(&snapshot, rows[..2].to_vec()).is_none(), "a change is not on record");
    let changed = |change: &dyn Fn(&mut RecordedChange)| {
        let mut rows = rows.clone();
        change(&mut rows[1]);
        SessionDocument::restored(&snapshot, rows)
    };
    assert!(changed(&|_| ()).is_some());
    assert!(changed(&|row| *row.bytes.last_mut().unwrap() ^= 1).is_none(), "it is damaged");
    assert!(changed(&|row| row.bytes.clear()).is_none(), "it is empty");
}

#[test]
fn held_and_quarantined_changes_stay_what_they_are() {
    let (_, mut rows) = with_snapshot();
    let missing = rows.remove(1);
    let mut damaged = missing.clone();
    damaged.hash.0[0] ^= 1;
    rows.push(damaged);
    let before = of(&rows);
    assert_eq!((before.held().len(), before.quarantined().len()), (1, 1));
    let snapshot = snapshot_of(&before);
    assert_eq!(state(&SessionDocument::restored(&snapshot, rows.to_vec()).unwrap()), state(&before));
    rows.push(missing);
    let released = SessionDocument::restored(&snapshot, rows.to_vec()).unwrap();
    assert_eq!(state(&released), state(&of(&rows)));
    assert_eq!(released.held(), []);
}
