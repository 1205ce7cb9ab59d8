//! JSON operations become Automerge changes at the point of history that their client had seen.

use automerge::{Automerge, Change, ReadDoc};
use firemode_domain::document::{
    Entry, ItemsRefusal, OperationId, Refusal, SERVER_DEVICE, SessionDocument, VectorClock,
};
use serde_json::{Value, json};

use crate::support::*;

#[test]
fn set_delete_and_append_shape_the_document() {
    let mut session = session();
    let phone = "phone";
    send(
        &mut session,
        vec![
            set("/items/a/outcome", "pass", phone),
            set("/items/a/measurements", json!({ "pressure_kilopascal": [700, 702.5], "ok": true }), phone),
            entry("append", "/items/a/photos", json!("first"), phone),
            entry("append", "/items/a/photos", json!({ "name": "second" }), phone),
            set("/items/a/photos/-", "third", phone),
            set("/items/a/photos/0", "1st", phone),
            set("/items/a/measurements/pressure_kilopascal/1", json!(null), phone),
            entry("delete", "/items/a/location", Value::Null, phone),
            set("/notes~1of~0day", "dry", phone),
        ],
        None,
        user(1),
    )
    .unwrap();
    let document = session.view().document;
    assert_eq!(
        document["items"]["a"],
        json!({
            "label": "Label of a",
            "outcome": "pass",
            "evidence": {},
            "measurements": { "pressure_kilopascal": [700, null], "ok": true },
            "photos": ["1st", { "name": "second" }, "third"],
        })
    );
    assert_eq!(document["notes/of~day"], "dry");
    assert_eq!(session.view().conflicts, vec![]);
    assert!(session.is_sound_save(&session.save()));
}

#[test]
fn elements_of_a_list_are_replaced_and_removed_by_index() {
    let mut session = session();
    for (kind, path, value) in [
        ("set", "/list", json!(["a", "b", "c"])),
        ("set", "/list/1", json!("B")),
        ("set", "/list/1", json!("BB")),
        ("delete", "/list/0", Value::Null),
        ("append", "/list", json!("d")),
        ("set", "/list/3", json!("e")),
    ] {
        send(&mut session, vec![entry(kind, path, value, "phone")], None, user(1)).unwrap();
    }
    assert_eq!(session.view().document["list"], json!(["BB", "c", "d", "e"]));
    for (kind, path) in [("set", "/list/5"), ("set", "/list/01"), ("set", "/list/x/y"), ("append", "/list/0")]
    {
        let refusal = prepare(&mut session, vec![entry(kind, path, json!(1), "phone")], None, user(1));
        assert_eq!(
            refusal.map_err(|refusal| refusal.field()),
            Err("changes[0].path".to_owned()),
            "{kind} {path}"
        );
    }
}

#[test]
fn an_operation_at_an_old_clock_is_concurrent_with_what_came_since() {
    let mut session = session();
    let old = session.vector_clock();
    send(&mut session, vec![set("/items/a/notes", "from the phone", "phone")], Some(&old), user(1)).unwrap();
    send(&mut session, vec![set("/items/a/notes", "from the tablet", "tablet")], Some(&old), user(2))
        .unwrap();

    let view = session.view();
    let values: Vec<_> = view.conflicts[0].values.iter().map(text_of).collect();
    assert_eq!(view.conflicts[0].path, "/items/a/notes");
    assert_eq!(values, ["from the tablet", "from the phone"]);

    let seen = session.vector_clock();
    send(&mut session, vec![set("/items/a/notes", "agreed", "phone")], Some(&seen), user(1)).unwrap();
    assert_eq!(session.view().conflicts, vec![]);
    assert_eq!(session.view().document["items"]["a"]["notes"], "agreed");
}

#[test]
fn a_device_has_always_seen_what_it_did_itself() {
    let mut session = session();
    let old = session.vector_clock();
    for notes in ["one", "two", "three"] {
        send(&mut session, vec![set("/items/a/notes", notes, "phone")], Some(&old), user(1)).unwrap();
    }
    assert_eq!(session.view().document["items"]["a"]["notes"], "three");
    assert_eq!(session.view().conflicts, vec![]);
}

#[test]
fn a_device_has_seen_what_it_did_through_another_instance() {
    let mut first = session();
    let old = first.vector_clock();
    let prepared =
        send(&mut first, vec![set("/items/a/notes", "one", "phone")], Some(&old), user(1)).unwrap();

    let mut second = session();
    record_all(&mut second, &prepared.changes, user(1));
    let mut writer = firemode_domain::document::WriterContext {
        user_id: user(1),
        new_actor: &mut |_| actor(200),
        may_go_on_with: &|_| false, // the record is not trusted
    };
    let entries = vec![set("/items/a/notes", "two", "phone")];
    let prepared = second.prepare(entries, Some(&old), &mut writer, &Default::default()).unwrap();
    second.adopt(&prepared, NOW);
    assert_eq!(prepared.changes[0].actor, actor(200));
    assert_eq!(second.view().document["items"]["a"]["notes"], "two");
    assert_eq!(second.view().conflicts, vec![]);
}

#[test]
fn devices_in_one_request_are_concurrent_at_an_old_clock_and_in_turn_at_the_present() {
    let entries =
        || vec![set("/items/a/outcome", "pass", "phone"), set("/items/a/outcome", "fail", "tablet")];
    let mut concurrent = session();
    let old = concurrent.vector_clock();
    send(&mut concurrent, entries(), Some(&old), user(1)).unwrap();
    assert_eq!(concurrent.view().conflicts.len(), 1);

    for seen in [None, Some(VectorClock::new())] {
        let mut in_turn = session();
        send(&mut in_turn, entries(), seen.as_ref(), user(1)).unwrap();
        assert_eq!(in_turn.view().conflicts, vec![]);
        assert_eq!(outcome(&in_turn, "a"), "fail");
    }
}

#[test]
fn a_confirmation_is_a_change_and_settles_a_conflict() {
    let mut session = session();
    let old = session.vector_clock();
    send(&mut session, vec![set("/items/a/outcome", "fail", "phone")], Some(&old), user(1)).unwrap();
    let confirmed =
        send(&mut session, vec![set("/items/a/outcome", "fail", "phone")], None, user(1)).unwrap();
    assert_eq!(confirmed.changes.len(), 1);

    send(&mut session, vec![set("/items/a/outcome", "pass", "tablet")], Some(&old), user(2)).unwrap();
    assert!(session.view().conflicts[0].needs_review);
    send(&mut session, vec![set("/items/a/outcome", "fail", "tablet")], None, user(2)).unwrap();
    assert_eq!(session.view().conflicts, vec![]);
    let automerge = Automerge::load(&session.save()).unwrap();
    let (_, items) = automerge.get(automerge::ROOT, "items").unwrap().unwrap();
    let (_, item) = automerge.get(items, "a").unwrap().unwrap();
    assert_eq!(automerge.get_all(item, "outcome").unwrap().len(), 1);
}

#[test]
fn operations_that_share_device_and_time_share_a_change() {
    let mut session = session();
    let entries = vec![
        set("/items/a/outcome", "pass", "phone"),
        set("/items/b/outcome", "pass", "phone"),
        set("/items/d", json!({}), "phone"),
        set("/items/d/outcome", "fail", "phone"),
    ];
    let prepared = send(&mut session, entries, None, user(1)).unwrap();
    assert_eq!((prepared.accepted, prepared.changes.len()), (4, 2));
    assert_eq!(prepared.touched, ["/items/a/outcome", "/items/b/outcome", "/items/d", "/items/d/outcome"]);
    assert_eq!(outcome(&session, "d"), "fail");
}

#[test]
fn the_actor_of_a_device_is_the_one_asked_for_and_its_changes_are_one_line() {
    let mut session = session();
    let old = session.vector_clock();
    for (round, field) in ["x", "y", "z"].into_iter().enumerate() {
        let entries = vec![set(&format!("/items/a/{field}"), 1, "phone")];
        let prepared = send(&mut session, entries, Some(&old), user(1)).unwrap();
        assert_eq!(prepared.changes[0].actor, device_actor("phone"));
        assert_eq!(prepared.changes[0].seq, round as u64 + 1);
    }
    let mut other_user = session;
    let refusal = prepare(&mut other_user, vec![set("/items/a/x", 1, "phone")], None, user(2));
    assert_eq!(refusal, Err(Refusal::UnusableDeviceActor { device: "phone".to_owned() }));
}

#[test]
fn a_counter_follows_what_was_seen_not_the_whole_document() {
    let mut session = session();
    let old = session.vector_clock();
    let first = send(&mut session, vec![set("/items/a/x", 1, "phone")], Some(&old), user(1)).unwrap();
    send(&mut session, vec![set("/items/a/x", 2, "phone")], None, user(1)).unwrap();
    let stale = send(&mut session, vec![set("/items/a/x", 3, "tablet")], Some(&old), user(2)).unwrap();
    assert_eq!(stale.changes[0].start_op, first.changes[0].start_op);
    assert_eq!(session.view().document["items"]["a"]["x"], 2, "the write that has seen more wins");
}

#[test]
fn an_operation_id_works_once_for_ever() {
    let with_id = |op_id: &str, value: &str| {
        let mut operation = operation(set("/items/a/notes", value, "phone"));
        operation.op_id = Some(op_id.to_owned());
        Entry::Operation(operation)
    };
    let mut session = session();
    let entries = vec![with_id("1", "one"), with_id("1", "again"), with_id("2", "two")];
    let prepared = send(&mut session, entries, None, user(1)).unwrap();
    let ids: Vec<_> = prepared.operation_ids.iter().map(|id| id.op_id.as_str()).collect();
    assert_eq!((prepared.accepted, prepared.duplicates, ids), (2, 1, vec!["1", "2"]));
    assert_eq!(prepared.operation_ids[0], OperationId { device: "phone".to_owned(), op_id: "1".to_owned() });

    // Another instance knows it from the stored changes alone.
    let mut rebuilt = crate::support::session();
    record_all(&mut rebuilt, &prepared.changes, user(1));
    assert!(rebuilt.knows_operation(user(1), "phone", "2"));
    assert!(!rebuilt.knows_operation(user(2), "phone", "2"));
    let again = prepare(&mut rebuilt, vec![with_id("2", "late")], None, user(1)).unwrap();
    assert_eq!((again.accepted, again.duplicates, again.changes.len()), (0, 1, 0));
}

#[test]
fn a_client_cannot_spend_the_operation_ids_of_a_device() {
    let mut session = session();
    let mut client = Client::of(&session, 50);
    let item = client.item("a");
    let options = automerge::transaction::CommitOptions::default().with_message("1");
    client
        .0
        .transact_with::<_, _, automerge::AutomergeError, _>(
            |_| options,
            |edit| automerge::transaction::Transactable::put(edit, &item, "x", 1),
        )
        .unwrap();
    let change = client.0.get_last_local_change().unwrap();
    send(&mut session, vec![bytes(&change)], None, user(1)).unwrap();
    assert!(!session.knows_operation(user(1), "phone", "1"));
}

#[test]
fn what_is_already_gone_needs_no_change() {
    let mut session = session();
    let entries = vec![entry("delete", "/items/a/nothing", Value::Null, "phone")];
    let prepared = send(&mut session, entries, None, user(1)).unwrap();
    assert_eq!((prepared.accepted, prepared.duplicates, prepared.changes.len()), (0, 1, 0));
}

#[test]
fn an_operation_may_build_on_a_change_of_its_request() {
    let mut session = session();
    let mut client = Client::of(&session, 50);
    let change = client.put("a", "notes", "from the client");
    let seen: VectorClock =
        serde_json::from_value(json!({ actor(50).to_hex_string(): 1, actor(1).to_hex_string(): 1 })).unwrap();
    let entries = vec![set("/items/a/notes", "after it", "phone"), bytes(&change)];
    let prepared = send(&mut session, entries, Some(&seen), user(1)).unwrap();
    assert_eq!(prepared.accepted, 2);
    assert_eq!(session.view().conflicts, vec![]);
    assert_eq!(session.view().document["items"]["a"]["notes"], "after it");
}

#[test]
fn items_are_added_by_the_server_and_not_twice() {
    let mut session = session();
    let mut item = seed("d");
    item.data = Some(json!({ "free": { "form": [1, 2] } }));
    let change = session.items_change(&actor(1), &[item], NOW).unwrap();
    assert_eq!((change.seq, change.device.as_deref()), (2, Some(SERVER_DEVICE)));
    record_all(&mut session, &[change], user(0));
    assert_eq!(session.view().document["items"]["d"]["data"], json!({ "free": { "form": [1, 2] } }));
    assert_eq!(
        session.items_change(&actor(2), &[seed("e"), seed("a")], NOW),
        Err(ItemsRefusal::Exists { index: 1, item_id: "a".to_owned() })
    );
    let twice = SessionDocument::creation_change(&actor(1), &[seed("x"), seed("x")], NOW);
    assert!(matches!(twice, Err(ItemsRefusal::Exists { index: 1, .. })));
}

#[test]
fn a_prepared_request_that_is_dropped_leaves_no_trace() {
    let mut session = session();
    let before = state(&session);
    prepare(&mut session, vec![set("/items/a/outcome", "pass", "phone")], None, user(1)).unwrap();
    assert_eq!(state(&session), before);
    let prepared = send(&mut session, vec![set("/items/a/outcome", "fail", "phone")], None, user(1)).unwrap();
    assert_eq!(prepared.changes[0].seq, 1);
}

#[test]
fn the_changes_are_automerge_changes_that_any_library_applies() {
    let mut session = session();
    let creation = Automerge::load(&session.save()).unwrap();
    let entries = vec![set("/items/a/measurements", json!({ "x": [1, [2], {}] }), "phone")];
    let prepared = send(&mut session, entries, None, user(1)).unwrap();
    let mut client = creation;
    client.apply_changes([Change::from_bytes(prepared.changes[0].bytes.clone()).unwrap()]).unwrap();
    let heads: Vec<_> = client.get_heads().iter().map(ToString::to_string).collect();
    assert_eq!(heads, session.heads());
}

#[test]
fn a_long_offline_day_of_one_device_arrives_in_one_request() {
    let mut session = session();
    let old = session.vector_clock();
    send(&mut session, vec![set("/items/a/notes", "meanwhile", "tablet")], None, user(2)).unwrap();
    let entries = |minute: usize| {
        let mut operation = operation(set(["/items/a/notes", "/items/b/notes"][minute % 2], minute, "phone"));
        operation.timestamp += time::Duration::minutes(minute as i64);
        Entry::Operation(operation)
    };
    let prepared = send(&mut session, (0..60).map(entries).collect(), Some(&old), user(1)).unwrap();
    assert_eq!((prepared.accepted, prepared.changes.len()), (60, 60));
    let view = session.view();
    assert_eq!(view.document["items"]["b"]["notes"], 59);
    assert_eq!(view.conflicts.len(), 1, "only the note that another device wrote meanwhile");
    assert_eq!(view.conflicts[0].values.len(), 2);
}
