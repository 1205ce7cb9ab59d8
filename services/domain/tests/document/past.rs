//! What changes did, and the document as it was.

use automerge::transaction::Transactable;
use automerge::{Change, ObjType, ReadDoc};
use firemode_domain::document::{
    Limits, NewChange, PlaceInHistory, Provenance, RecordedChange, SessionDocument, Standing, Touch,
    TouchAction, VectorClock, covered_by,
};
use serde_json::{Value, json};

use crate::support::{Client, NOW, actor, seed, session, user};

/// Stores a client's change in the session, and gives what its summary shows.
fn touched_by(session: &mut SessionDocument, change: &Change) -> Vec<Touch> {
    let provenance = Provenance { user_id: user(1), device: None, received_at: NOW };
    let (hash, bytes) = (change.hash(), change.raw_bytes().to_vec());
    session.integrate([RecordedChange { hash, bytes, provenance }]);
    let account = session.summary_of(&hash, change.raw_bytes());
    assert_eq!(account.standing, Standing::Merged);
    account.touched
}

fn touch(path: &str, action: TouchAction, value: Option<Value>) -> Touch {
    Touch { path: Some(path.to_owned()), action, value }
}

#[test]
fn an_account_names_places_and_small_values() {
    let mut session = session();
    let mut client = Client::of(&session, 7);
    let item = client.item("a");
    let change = client.edit(|edit| {
        edit.put(&item, "outcome", "pass")?;
        let notes = edit.put_object(&item, "notes", ObjType::Text)?;
        edit.splice_text(&notes, 0, 0, "pin")?;
        edit.splice_text(&notes, 0, 0, "the ")?;
        let tags = edit.put_object(&item, "a/b~c", ObjType::List)?;
        edit.insert(&tags, 0, 2)?;
        edit.insert(&tags, 0, 1)
    });
    let made = touched_by(&mut session, &change);
    assert_eq!(
        made,
        [
            touch("/items/a/outcome", TouchAction::Set, Some(json!("pass"))),
            touch("/items/a/notes", TouchAction::Set, Some(json!("the pin"))),
            touch("/items/a/a~1b~0c", TouchAction::Set, Some(json!([1, 2]))),
        ]
    );
    let (_, notes) = client.0.get(&item, "notes").unwrap().unwrap();
    let (_, tags) = client.0.get(&item, "a/b~c").unwrap().unwrap();
    let change = client.edit(|edit| {
        edit.splice_text(&notes, 0, 4, "a new ")?;
        edit.insert(&tags, 2, "x")?;
        edit.delete(&tags, 0)?;
        edit.delete(&item, "outcome")?;
        edit.put(&item, "notes of another visit", "y".repeat(600))
    });
    let edited = touched_by(&mut session, &change);
    assert_eq!(
        edited,
        [
            touch("/items/a/notes", TouchAction::Edit, None),
            touch("/items/a/a~1b~0c", TouchAction::Insert, Some(json!("x"))),
            touch("/items/a/a~1b~0c", TouchAction::Delete, None),
            touch("/items/a/outcome", TouchAction::Delete, None),
            touch("/items/a/notes of another visit", TouchAction::Set, None),
        ]
    );
}

#[test]
fn a_large_change_is_told_in_parts_up_to_a_bound() {
    let seeds: Vec<_> = (0..150).map(|index| seed(&format!("item-{index:03}"))).collect();
    let creation = SessionDocument::creation_change(&actor(1), &seeds, NOW).unwrap();
    let mut session = SessionDocument::empty();
    session.integrate([creation.recorded(user(0), NOW)]);
    let account = session.summary_of(&creation.hash, &creation.bytes);
    assert!(account.is_cut);
    assert_eq!(account.touched.len(), 100);
    let item = json!({
        "label": "Label of item-000", "location": "Level 1", "evidence": {}, "measurements": {},
    });
    assert_eq!(account.touched[0], touch("/items/item-000", TouchAction::Set, Some(item)));
    assert_eq!(account.stated_at.at, Some(NOW));
}

#[test]
fn an_account_of_what_is_not_merged_says_so() {
    let session = session();
    let mut elsewhere = self::session();
    let apart = elsewhere.items_change(&actor(9), &[seed("d")], NOW).unwrap();
    elsewhere.integrate([apart.recorded(user(0), NOW)]);
    let waiting = elsewhere.items_change(&actor(9), &[seed("e")], NOW).unwrap();
    assert_eq!(session.summary_of(&apart.hash, &apart.bytes).standing, Standing::Apart);
    let mut session = session;
    session.integrate([waiting.recorded(user(0), NOW)]);
    assert_eq!(session.summary_of(&waiting.hash, &waiting.bytes).standing, Standing::Held);
    let (held, provenance) = session.held_since().remove(0);
    assert_eq!((held.waits_for, provenance.received_at), (vec![apart.hash.to_string()], NOW));
    let garbage = RecordedChange { bytes: b"not a change".to_vec(), ..apart.recorded(user(0), NOW) };
    session.integrate([garbage.clone()]);
    let account = session.summary_of(&garbage.hash, &garbage.bytes);
    assert_eq!((account.standing, account.touched), (Standing::Quarantined, Vec::new()));
}

fn place(change: &NewChange) -> PlaceInHistory {
    PlaceInHistory {
        hash: change.hash,
        actor: change.actor.clone(),
        seq: change.seq,
        deps: change.deps.clone(),
    }
}

#[test]
fn a_clock_covers_what_it_names_and_what_that_builds_on() {
    let mut session = SessionDocument::empty();
    let mut changes = Vec::new();
    let mut clocks = Vec::new();
    for (index, by) in [1, 2, 1, 3, 2].into_iter().enumerate() {
        let change = session.items_change(&actor(by), &[seed(&index.to_string())], NOW).unwrap();
        session.integrate([change.recorded(user(0), NOW)]);
        clocks.push(session.vector_clock());
        changes.push(change);
    }
    let places: Vec<PlaceInHistory> = changes.iter().rev().map(place).collect();
    for (index, clock) in clocks.iter().enumerate() {
        let covered = covered_by(clock, &places).unwrap();
        let expected: Vec<bool> = (0..5).rev().map(|change| change <= index).collect();
        assert_eq!(covered, expected, "{index}");
    }
    // The last change of the second actor builds on all others, so it alone names the whole history.
    let alone: VectorClock = serde_json::from_value(json!({actor(2).to_hex_string(): 2})).unwrap();
    assert_eq!(covered_by(&alone, &places).unwrap(), [true; 5]);
    assert_eq!(covered_by(&VectorClock::new(), &places).unwrap(), [false; 5]);
    let unknown: VectorClock = serde_json::from_value(json!({actor(2).to_hex_string(): 3})).unwrap();
    assert_eq!(covered_by(&unknown, &places).unwrap_err().seq, 3);
}

#[test]
fn what_the_server_writes_keeps_the_documents_bounds() {
    let session = session();
    let change = session.items_change(&actor(9), &[seed("d")], NOW).unwrap();
    let bounded = |limits: Limits| session.check_room_for(&change, &limits);
    bounded(Limits::default()).unwrap();
    for limits in [
        Limits { document_bytes_max: change.bytes.len(), ..Limits::default() },
        Limits { document_actors_max: 1, ..Limits::default() },
        Limits { document_operations_max: session.operation_count() + 2, ..Limits::default() },
        Limits { document_memory_max: session.size().index_bytes, ..Limits::default() },
    ] {
        assert!(bounded(limits).unwrap_err().to_string().contains("full"), "the document is full");
    }
}
