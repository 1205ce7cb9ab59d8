//! What is refused, held or quarantined, and that nothing of it touches the document.

use automerge::transaction::{Transactable, Transaction};
use automerge::{AutomergeError, Change, ExpandedChange, ROOT, ReadDoc};
use firemode_domain::document::{
    ChangeFault, Entry, Limits, Provenance, RecordedChange, Refusal, SessionDocument, WriterContext,
    split_changes,
};
use serde_json::json;

use crate::support::*;

fn fault_of(refusal: Refusal) -> (usize, ChangeFault) {
    match refusal {
        Refusal::Change { index, fault } => (index, fault),
        other => panic!("another refusal is expected: {other}"),
    }
}

#[test]
fn a_change_is_held_until_its_dependency_arrives_and_then_merges() {
    let mut session = session();
    let mut client = Client::of(&session, 50);
    let changes =
        [client.put("a", "notes", "1"), client.put("a", "notes", "2"), client.put("a", "notes", "3")];

    let held = send(&mut session, vec![bytes(&changes[2])], None, user(1)).unwrap();
    assert_eq!((held.accepted, held.held.len()), (0, 1));
    assert_eq!(held.held[0].waits_for, [changes[1].hash().to_string()]);
    assert_eq!(session.held(), held.held);
    assert_eq!(session.view().document["items"]["a"].get("notes"), None);

    let again = send(&mut session, vec![bytes(&changes[2])], None, user(1)).unwrap();
    assert_eq!((again.duplicates, again.held.len(), again.changes.len()), (1, 0, 0));

    send(&mut session, vec![bytes(&changes[1])], None, user(1)).unwrap();
    assert_eq!(session.held().len(), 2);
    send(&mut session, vec![bytes(&changes[0])], None, user(1)).unwrap();
    assert_eq!(session.held(), vec![]);
    assert_eq!(session.view().document["items"]["a"]["notes"], "3");
}

#[test]
fn changes_of_one_request_may_come_in_any_order() {
    let mut session = session();
    let mut client = Client::of(&session, 50);
    let changes =
        [client.put("a", "notes", "1"), client.put("a", "notes", "2"), client.put("a", "notes", "3")];
    let entries = changes.iter().rev().chain(&changes[..1]).map(bytes).collect();
    let prepared = send(&mut session, entries, None, user(1)).unwrap();
    assert_eq!((prepared.accepted, prepared.duplicates, prepared.held.len()), (3, 1, 0));
    assert_eq!(prepared.touched, ["/items/a/notes"]);
}

#[test]
fn two_changes_of_one_actor_with_one_sequence_number_are_equivocation() {
    let mut session = session();
    let mut one = Client::of(&session, 50);
    let mut other = Client::of(&session, 50);
    let (first, second) = (one.put("a", "notes", "one"), other.put("a", "notes", "other"));
    let both = prepare(&mut session, vec![bytes(&first), bytes(&second)], None, user(1)).unwrap_err();
    assert_eq!(both, Refusal::Equivocation { index: 1, actor: actor(50), seq: 1 });
    send(&mut session, vec![bytes(&first)], None, user(1)).unwrap();
    let later = prepare(&mut session, vec![bytes(&second)], None, user(1)).unwrap_err();
    assert_eq!(later, Refusal::Equivocation { index: 0, actor: actor(50), seq: 1 });
}

#[test]
fn stored_equivocation_is_resolved_in_the_same_way_in_any_order() {
    let base = session();
    let (mut one, mut other) = (Client::of(&base, 50), Client::of(&base, 50));
    let (first, second) = (one.put("a", "notes", "one"), other.put("a", "notes", "other"));
    let follows = [one.put("b", "notes", "after one"), other.put("b", "notes", "after other")];
    let record = |change: &Change| {
        let provenance =
            firemode_domain::document::Provenance { user_id: user(1), device: None, received_at: NOW };
        firemode_domain::document::RecordedChange {
            hash: change.hash(),
            bytes: change.raw_bytes().to_vec(),
            provenance,
        }
    };
    let all = [&first, &second, &follows[0], &follows[1]];
    let mut states = Vec::new();
    for order in [[0, 1, 2, 3], [1, 0, 3, 2], [2, 3, 0, 1], [0, 2, 3, 1], [1, 3, 2, 0]] {
        let mut session = crate::support::session();
        for position in order {
            session.integrate([record(all[position])]);
        }
        assert_eq!(session.quarantined().len(), 2, "one of each pair is set aside");
        states.push(state(&session));
    }
    assert!(states.windows(2).all(|pair| pair[0] == pair[1]), "{states:#?}");
}

#[test]
fn an_actor_belongs_to_the_user_who_brought_it() {
    let mut session = session();
    let mut client = Client::of(&session, 50);
    let (first, second, third) =
        (client.put("a", "x", "1"), client.put("a", "x", "2"), client.put("a", "x", "3"));
    send(&mut session, vec![bytes(&first)], None, user(1)).unwrap();
    let fault = fault_of(prepare(&mut session, vec![bytes(&second)], None, user(2)).unwrap_err());
    assert_eq!(fault, (0, ChangeFault::ForeignActor { actor: actor(50) }));

    // A held change binds its actor too.
    let mut other = crate::support::session();
    send(&mut other, vec![bytes(&third)], None, user(1)).unwrap();
    let fault = fault_of(prepare(&mut other, vec![bytes(&first)], None, user(2)).unwrap_err());
    assert_eq!(fault, (0, ChangeFault::ForeignActor { actor: actor(50) }));
}

#[test]
fn nobody_writes_as_the_server() {
    let mut session = session();
    send(&mut session, vec![set("/items/a/x", 1, "phone")], None, user(1)).unwrap();
    for number in [1, b'p'] {
        let change = Client::of(&session, number).put("a", "x", "2");
        let fault = fault_of(prepare(&mut session, vec![bytes(&change)], None, user(1)).unwrap_err());
        assert_eq!(fault, (0, ChangeFault::ServerActor { actor: actor(number) }));
    }
}

#[test]
fn one_bad_change_refuses_the_whole_request_and_names_its_index() {
    let mut session = session();
    let before = state(&session);
    let mut client = Client::of(&session, 50);
    let good = client.put("a", "x", "1");
    let entries = vec![bytes(&good), set("/items/a/y", 1, "phone"), Entry::Change(b"nonsense".to_vec())];
    let (index, fault) = fault_of(prepare(&mut session, entries, None, user(1)).unwrap_err());
    assert_eq!(index, 2);
    assert!(matches!(fault, ChangeFault::Corrupt(_)));
    assert_eq!(state(&session), before);
}

#[test]
fn bytes_are_refused_with_the_reason_that_fits() {
    let session = session();
    let good = Client::of(&session, 50).put("a", "x", "1").raw_bytes().to_vec();
    let saved = session.save();
    let fault = |bytes: &[u8]| {
        let entries = vec![Entry::Change(bytes.to_vec())];
        fault_of(prepare(&mut crate::support::session(), entries, None, user(1)).unwrap_err()).1
    };
    for length in 0..good.len() {
        assert_eq!(fault(&good[..length]), ChangeFault::Truncated, "{length} bytes");
    }
    assert_eq!(fault(&[good.as_slice(), &[0]].concat()), ChangeFault::TrailingBytes);
    assert!(matches!(fault(&saved), ChangeFault::Corrupt(reason) if reason.contains("saved document")));
    let mut flipped = good.clone();
    flipped[20] ^= 1;
    assert!(matches!(fault(&flipped), ChangeFault::Corrupt(reason) if reason.contains("checksum")));
    assert!(fault(&vec![0x85; 2 << 20]) == ChangeFault::Oversized { what: "the bytes", max: 1 << 20 });
}

#[test]
fn the_binary_form_is_cut_into_changes() {
    let mut session = session();
    let mut client = Client::of(&session, 50);
    let mut changes = [client.put("a", "notes", &"long ".repeat(100)), client.put("b", "notes", "2")];
    let body: Vec<u8> = changes.iter_mut().flat_map(|change| change.bytes().to_vec()).collect();
    let cut = split_changes(&body, &Limits::default()).unwrap();
    assert!(cut[0].len() < changes[0].raw_bytes().len(), "the first is compressed");
    let entries = cut.into_iter().map(Entry::Change).collect();
    let prepared = send(&mut session, entries, None, user(1)).unwrap();
    assert_eq!(prepared.changes[0].bytes, changes[0].raw_bytes(), "stored as it hashes, not compressed");

    let (index, fault) = fault_of(split_changes(&body[..body.len() - 1], &Limits::default()).unwrap_err());
    assert_eq!((index, fault), (1, ChangeFault::Truncated));
    let few = Limits { request_entries_max: 1, ..Limits::default() };
    assert_eq!(split_changes(&body, &few), Err(Refusal::TooManyEntries { found: 2, max: 1 }));
}

/// A change of a fresh actor on top of the session, with one field of it altered.
fn altered(session: &SessionDocument, alter: impl FnOnce(&mut ExpandedChange)) -> Change {
    let mut client = Client::of(session, 60);
    let change = client.edit(|edit| {
        edit.put(ROOT, "x", 1)?;
        edit.put(ROOT, "x", 2)
    });
    let mut expanded = change.decode();
    alter(&mut expanded);
    expanded.hash = None;
    Change::from(expanded)
}

#[test]
fn counters_and_sequence_numbers_must_follow_from_the_dependencies() {
    let mut session = session();
    let gap = altered(&session, |change| change.seq = 2);
    let low = altered(&session, |change| change.start_op = 1.try_into().unwrap());
    let high = altered(&session, |change| change.start_op = 2_000_000_000.try_into().unwrap());
    let twice = altered(&session, |change| change.deps.push(change.deps[0]));
    for (change, expected) in
        [(gap, "sequence number"), (low, "counter"), (high, "counter"), (twice, "named twice")]
    {
        let (_, fault) = fault_of(prepare(&mut session, vec![bytes(&change)], None, user(1)).unwrap_err());
        assert!(fault.to_string().contains(expected), "{fault}");
    }
}

#[test]
fn an_invalid_change_is_quarantined_when_its_dependency_comes_and_the_dependency_is_not_refused() {
    let mut session = session();
    let mut client = Client::of(&session, 50);
    let dependency = client.put("a", "notes", "1");
    let mut later = client.put("a", "notes", "2").decode();
    later.start_op = 1.try_into().unwrap();
    let later = Change::from(later);
    assert_eq!(send(&mut session, vec![bytes(&later)], None, user(1)).unwrap().held.len(), 1);

    let prepared = send(&mut session, vec![bytes(&dependency)], None, user(1)).unwrap();
    assert_eq!(prepared.accepted, 1);
    assert_eq!(session.held(), vec![]);
    assert_eq!(session.view().document["items"]["a"]["notes"], "1");
    let quarantined = session.quarantined();
    assert_eq!(quarantined[0].hash, later.hash());
    assert!(matches!(quarantined[0].fault, ChangeFault::StartOp { .. }));
    assert!(session.is_sound_save(&session.save()));
}

#[test]
fn a_damaged_row_is_quarantined() {
    let mut session = session();
    let mut client = Client::of(&session, 50);
    let change = client.put("a", "notes", "1");
    let prepared = prepare(&mut session, vec![bytes(&change)], None, user(1)).unwrap();
    let mut damaged = prepared.changes[0].recorded(user(1), NOW);
    damaged.bytes[30] ^= 1;
    session.integrate([damaged]);
    assert!(matches!(session.quarantined()[0].fault, ChangeFault::Corrupt(_)));
    let mut other = prepared.changes[0].recorded(user(1), NOW);
    other.hash = session.quarantined()[0].hash;
    other.hash.0[0] ^= 1;
    session.integrate([other]);
    assert!(session.quarantined().iter().any(|kept| matches!(kept.fault, ChangeFault::HashMismatch { .. })));
    assert_eq!(session.change_count(), 1);
}

#[test]
fn limits_hold() {
    let mut session = session();
    let mut client = Client::of(&session, 50);
    let item = client.item("a");
    let change =
        client.edit(|edit| (0..50).try_for_each(|number| edit.put(&item, format!("f{number}"), number)));
    client.put("a", "x", "1");
    let missing = client.0.get_heads()[0].to_string();
    let held = client.put("a", "x", "2");
    let operations = |count: usize| (0..count).map(|_| set("/items/a/x", "12345678", "phone")).collect();
    let defaults = Limits::default;
    let cases: [(Vec<Entry>, Limits, &str); 8] = [
        (vec![bytes(&change)], Limits { change_operations_max: 49, ..defaults() }, "operations"),
        (vec![bytes(&change)], Limits { change_expanded_bytes_max: 99, ..defaults() }, "keys and values"),
        (vec![bytes(&change)], Limits { document_bytes_max: 300, ..defaults() }, "300 bytes"),
        (vec![bytes(&change)], Limits { document_operations_max: 40, ..defaults() }, "40 operations"),
        (vec![bytes(&change)], Limits { document_actors_max: 1, ..defaults() }, "1 actors"),
        (vec![bytes(&held)], Limits { held_changes_max: 0, ..defaults() }, missing.as_str()),
        (operations(3), Limits { request_entries_max: 2, ..defaults() }, "at most 2 changes"),
        (operations(3), Limits { request_bytes_max: 50, ..defaults() }, "at most 50 bytes"),
    ];
    for (entries, limits, expected) in cases {
        let mut writer =
            WriterContext { user_id: user(1), new_actor: &mut device_actor, may_go_on_with: &|_| true };
        let refusal = session.prepare(entries, None, &mut writer, &limits).unwrap_err();
        assert!(refusal.to_string().contains(expected), "{refusal}");
    }
}

#[test]
fn large_honest_changes_of_a_library_are_accepted() {
    let mut session = session();
    let mut client = Client::of(&session, 50);
    let item = client.item("a");
    let change = client.edit(|edit| {
        let text = edit.put_object(&item, "notes", automerge::ObjType::Text)?;
        edit.splice_text(&text, 0, 0, &"some words, ".repeat(1_000))?;
        edit.splice_text(&text, 3, 5, "")?;
        let list = edit.put_object(&item, "readings", automerge::ObjType::List)?;
        for number in 0..500 {
            edit.insert(&list, number / 2, number as i64)?;
        }
        edit.delete(&list, 7)?;
        edit.put(&list, 8, "replaced")?;
        let map = edit.insert_object(&list, 2, automerge::ObjType::Map)?;
        edit.put(&map, "", "an empty key")
    });
    assert!(change.len() > 10_000);
    send(&mut session, vec![bytes(&change)], None, user(1)).unwrap();
    let more = client.edit(|edit| {
        let text = edit.get(&item, "notes")?.unwrap().1;
        edit.splice_text(&text, 100, 50, "other words")?;
        let list = edit.get(&item, "readings")?.unwrap().1;
        edit.delete(&list, 0)?;
        edit.put(&list, 1, true)
    });
    send(&mut session, vec![bytes(&more)], None, user(1)).unwrap();
    let item = &session.view().document["items"]["a"];
    assert_eq!(item["readings"].as_array().map(Vec::len), Some(499));
    assert_eq!(item["readings"][1], json!(true));
    let heads: Vec<_> = client.0.get_heads().iter().map(ToString::to_string).collect();
    assert_eq!(session.heads(), heads);
}

type Harm = fn(&mut Transaction<'_>) -> Result<(), AutomergeError>;

#[test]
fn nobody_acts_on_the_items_as_a_whole() {
    let mut session = session();
    let mut client = Client::of(&session, 50);
    let harms: [Harm; 3] = [
        |edit| edit.put_object(automerge::ROOT, "items", automerge::ObjType::Map).map(|_| ()),
        |edit| edit.delete(automerge::ROOT, "items"),
        |edit| edit.put(automerge::ROOT, "items", 1),
    ];
    let honest = client.put("a", "outcome", "fail");
    for harm in harms {
        let mut careless = Client(client.0.fork().with_actor(actor(51)));
        let change = careless.edit(harm);
        for entries in [vec![bytes(&honest), bytes(&change)], vec![bytes(&change)]] {
            let index = entries.len() - 1;
            // Alone it would be held: the change it depends on is not there.
            let refusal = prepare(&mut session, entries, None, user(1)).unwrap_err();
            assert_eq!(refusal, Refusal::Structure { index, field: None });
            assert_eq!(refusal.field(), format!("changes[{index}]"));
        }
        let mut stored = self::session();
        stored.integrate([RecordedChange {
            hash: change.hash(),
            bytes: change.raw_bytes().to_vec(),
            provenance: Provenance { user_id: user(1), device: None, received_at: NOW },
        }]);
        let again = prepare(&mut stored, vec![bytes(&change)], None, user(1)).unwrap();
        assert_eq!((again.accepted, again.duplicates), (0, 1), "what is stored stays a duplicate");
    }
    for entry in [set("/items", json!({}), "phone"), entry("delete", "/items", json!(null), "phone")] {
        let refusal = prepare(&mut session, vec![entry], None, user(1)).unwrap_err();
        assert_eq!(refusal, Refusal::Structure { index: 0, field: Some("path") });
        assert_eq!(refusal.field(), "changes[0].path");
    }
}

#[test]
fn what_does_no_harm_is_taken() {
    let mut session = session();
    let mut client = Client::of(&session, 50);
    let item = client.item("a");
    let change = client.edit(|edit| {
        edit.put_object(&item, "table", automerge::ObjType::Table)?;
        edit.put(&item, "clicks", automerge::ScalarValue::counter(1 << 53))?;
        edit.increment(&item, "clicks", 1 << 41)?;
        edit.put(&item, "later", automerge::ScalarValue::Unknown { type_code: 12, bytes: vec![1, 2] })
    });
    for limits in [Limits::default(), in_miniature()] {
        prepare_within(&mut session, vec![bytes(&change)], None, user(1), &limits).unwrap();
    }
    send(&mut session, vec![bytes(&change)], None, user(1)).unwrap();
    let item = &session.view().document["items"]["a"];
    assert_eq!(item["table"], json!({}));
    assert_eq!(item["clicks"], (1_i64 << 53) + (1 << 41));
    assert_eq!(item["later"], "AQI=");
    assert!(session.is_sound_save(&session.save()));
}
