//! What one device does inside of something that another, not having seen it, replaces or deletes.

use automerge::transaction::{Transactable, Transaction};
use automerge::{Change, ObjId, ObjType, ROOT, ReadDoc, ScalarValue};
use firemode_domain::document::{Conflict, SessionDocument};
use serde_json::{Value, json};

use crate::support::*;

type Result = std::result::Result<(), automerge::AutomergeError>;

/// Brings a change that an earlier release has taken.
fn bring_stored(session: &mut SessionDocument, change: &Change, by: u128) {
    let provenance =
        firemode_domain::document::Provenance { user_id: user(by), device: None, received_at: NOW };
    let (hash, bytes) = (change.hash(), change.raw_bytes().to_vec());
    session.integrate([firemode_domain::document::RecordedChange { hash, bytes, provenance }]);
}

/// What a technician's phone does.
const EDITS: [fn(&mut SessionDocument); 5] = [
    |session| {
        let old = creation_clock();
        send(session, vec![set("/items/a/outcome", "fail", "phone")], Some(&old), user(1)).unwrap();
    },
    |session| bring_stored(session, &phone().put("a", "outcome", "fail"), 1),
    |session| {
        let mut phone = phone();
        let item = phone.item("a");
        let change = phone.edit(|edit| {
            let text = edit.put_object(&item, "outcome", ObjType::Text)?;
            edit.splice_text(&text, 0, 0, "fail")
        });
        bring_stored(session, &change, 1);
    },
    |session| {
        let old = creation_clock();
        let entries = vec![
            set("/items/a/outcome", "fail", "phone"),
            set("/items/a/measurements/pressure", 12, "phone"),
            set("/items/a/evidence/e1", true, "phone"),
        ];
        send(session, entries, Some(&old), user(1)).unwrap();
    },
    |session| {
        let mut phone = phone();
        let item = phone.item("a");
        let change = phone.edit(|edit| {
            edit.put(&item, "outcome", "fail")?;
            let list = edit.put_object(&item, "photos", ObjType::List)?;
            edit.insert(&list, 0, "one")
        });
        bring_stored(session, &change, 1);
    },
];

/// What a tablet does that has seen nothing of it.
const HARMS: [fn(&mut SessionDocument); 9] = [
    |session| by_operation(session, set("/items/a", json!({ "outcome": "pass" }), "tablet")),
    |session| by_operation(session, set("/items/a", json!({ "notes": "new" }), "tablet")),
    |session| by_operation(session, entry("delete", "/items/a", Value::Null, "tablet")),
    |session| by_change(session, |edit, items| edit.put_object(items, "a", ObjType::Map).map(|_| ())),
    |session| by_change(session, |edit, items| edit.put(items, "a", "pass")),
    |session| by_change(session, |edit, items| edit.delete(items, "a")),
    |session| by_change(session, |edit, _| edit.put_object(ROOT, "items", ObjType::Map).map(|_| ())),
    |session| by_change(session, |edit, _| edit.delete(ROOT, "items")),
    |session| by_change(session, |edit, _| edit.put(ROOT, "items", 1)),
];

fn phone() -> Client {
    Client::of(&session(), 50)
}

fn creation_clock() -> firemode_domain::document::VectorClock {
    session().vector_clock()
}

fn by_operation(session: &mut SessionDocument, entry: firemode_domain::document::Entry) {
    send(session, vec![entry], Some(&creation_clock()), user(2)).unwrap();
}

fn by_change(session: &mut SessionDocument, harm: fn(&mut Transaction<'_>, &ObjId) -> Result) {
    let mut tablet = Client::of(&self::session(), 60);
    let (_, items) = tablet.0.get(ROOT, "items").unwrap().unwrap();
    let change = tablet.edit(|edit| harm(edit, &items));
    bring_stored(session, &change, 2);
}

fn conflict_at<'c>(conflicts: &'c [Conflict], path: &str) -> &'c Conflict {
    conflicts.iter().find(|conflict| conflict.path == path).unwrap_or_else(|| panic!("{path}: {conflicts:?}"))
}

#[test]
fn a_fail_is_shown_whatever_happens_to_what_holds_it() {
    for (edit, harm) in (0..EDITS.len()).flat_map(|edit| (0..HARMS.len()).map(move |harm| (edit, harm))) {
        let mut sessions = [session(), session()];
        EDITS[edit](&mut sessions[0]);
        HARMS[harm](&mut sessions[0]);
        HARMS[harm](&mut sessions[1]);
        EDITS[edit](&mut sessions[1]);
        for session in &sessions {
            let view = session.view();
            assert_eq!(view.document["items"]["a"]["outcome"], "fail", "edit {edit}, harm {harm}");
            assert_eq!(view.document["items"]["b"]["label"], "Label of b", "edit {edit}, harm {harm}");
            if harm < 6 {
                let conflict = conflict_at(&view.conflicts, "/items/a");
                assert!(conflict.needs_review, "edit {edit}, harm {harm}");
                assert!(conflict.values.iter().any(|value| {
                    value
                        .value
                        .as_ref()
                        .is_some_and(|value| value["outcome"] == "fail" && value["label"] == "Label of a")
                }));
            }
            let touching = session.conflicts_touching(&["/items/a/outcome".to_owned()]);
            assert_eq!(touching, view.conflicts, "edit {edit}, harm {harm}");
        }
        assert_eq!(state(&sessions[0]), state(&sessions[1]), "edit {edit}, harm {harm}");
    }
}

#[test]
fn outcomes_that_differ_inside_an_item_in_dispute_are_all_reported() {
    for (number, harm) in HARMS[..6].iter().enumerate() {
        let mut session = session();
        bring_stored(&mut session, &phone().put("a", "outcome", "not_applicable"), 1);
        EDITS[0](&mut session);
        harm(&mut session);
        let view = session.view();
        assert_eq!(outcome(&session, "a"), "fail", "harm {number}");
        let values = &conflict_at(&view.conflicts, "/items/a/outcome").values;
        let outcomes: Vec<_> = values.iter().filter_map(|value| value.value.clone()).collect();
        assert!(outcomes.contains(&json!("not_applicable")), "harm {number}: {outcomes:?}");
        assert!(outcomes.contains(&json!("fail")), "harm {number}: {outcomes:?}");
        let touching = session.conflicts_touching(&["/items/a/outcome".to_owned()]);
        assert_eq!(touching, view.conflicts, "harm {number}");
    }
}

#[test]
fn a_deletion_is_one_of_the_values() {
    let mut session = session();
    EDITS[0](&mut session);
    HARMS[2](&mut session);
    let json = serde_json::to_value(conflict_at(&session.view().conflicts, "/items/a")).unwrap();
    let deletion = json!({ "deleted": true, "actor": "tablet", "at": "2026-11-20T10:00:00Z" });
    assert_eq!(json["values"][0], deletion);
    assert_eq!(json["values"][1]["value"]["outcome"], "fail");
    assert_eq!(json["winner"], json["values"][1]["value"]);
}

#[test]
fn a_deletion_that_had_seen_everything_is_one() {
    let mut session = session();
    EDITS[0](&mut session);
    send(&mut session, vec![entry("delete", "/items/a", Value::Null, "tablet")], None, user(2)).unwrap();
    assert_eq!(session.view().conflicts, vec![]);
    assert_eq!(session.view().document["items"].get("a"), None);
    assert_eq!(session.item_count(), 2);
}

#[test]
fn whoever_has_seen_all_sides_settles_it() {
    let settle: [(&str, &str, Value); 3] = [
        ("set", "/items/a/outcome", json!("pass")),
        ("set", "/items/a", json!({ "outcome": "pass" })),
        ("delete", "/items/a", Value::Null),
    ];
    for (kind, path, value) in settle {
        for harm in &HARMS[..6] {
            let mut session = session();
            EDITS[3](&mut session);
            harm(&mut session);
            send(&mut session, vec![entry(kind, path, value.clone(), "desk")], None, user(3)).unwrap();
            let view = session.view();
            assert_eq!(
                view.conflicts.iter().filter(|conflict| conflict.needs_review).count(),
                0,
                "{kind} {path}"
            );
            let item = view.document["items"].get("a");
            assert_eq!(item.map(|item| &item["outcome"]), (kind == "set").then_some(&json!("pass")));
            assert!(path != "/items/a" || item.is_none_or(|item| item["label"] == "Label of a"), "{item:?}");
        }
    }
}

#[test]
fn an_operation_below_what_only_readers_see_makes_it_again_with_all_that_it_held() {
    let mut session = session();
    EDITS[3](&mut session);
    HARMS[2](&mut session);
    let entries = vec![set("/items/a/notes", "seen again", "desk"), set("/items/a/inspector", "ada", "desk")];
    send(&mut session, entries, None, user(3)).unwrap();
    let view = session.view();
    assert_eq!(
        view.document["items"]["a"],
        json!({
            "label": "Label of a", "location": "Level 1", "outcome": "fail", "notes": "seen again", "inspector": "ada",
            "measurements": { "pressure": 12 }, "evidence": { "e1": true },
        })
    );
    assert_eq!(view.conflicts, vec![]);
    let library = automerge::Automerge::load(&session.save()).unwrap();
    let (_, items) = library.get(ROOT, "items").unwrap().unwrap();
    assert!(library.get(&items, "a").unwrap().is_some(), "the library sees it too");
}

#[test]
fn what_holds_measurements_may_be_replaced_beside_one() {
    for harm in [
        set("/items/a/measurements", json!({ "flow": 3 }), "tablet"),
        entry("delete", "/items/a/measurements", Value::Null, "tablet"),
        set("/items/a/measurements", "none", "tablet"),
    ] {
        let mut session = session();
        by_operation(&mut session, harm);
        EDITS[3](&mut session);
        let view = session.view();
        assert_eq!(view.document["items"]["a"]["measurements"]["pressure"], 12);
        let conflict = conflict_at(&view.conflicts, "/items/a/measurements");
        assert!(conflict.needs_review);
        assert!(conflict.values.iter().any(|told| told.value == Some(json!({ "pressure": 12 }))));
        assert_eq!(conflict.values.len(), 2);
        let touched = ["/items/a/measurements/pressure".to_owned()];
        assert_eq!(session.conflicts_touching(&touched), view.conflicts);
        let winner = view.document["items"]["a"]["measurements"].clone();
        send(&mut session, vec![set("/items/a/measurements", winner.clone(), "desk")], None, user(3))
            .unwrap();
        assert_eq!(session.view().conflicts, vec![]);
        assert_eq!(session.view().document["items"]["a"]["measurements"], winner);
    }
}

#[test]
fn texts_and_counters_count_as_a_whole() {
    let mut session = session();
    let mut phone = Client::of(&session, 50);
    let item = phone.item("a");
    let made = phone.edit(|edit| {
        let text = edit.put_object(&item, "notes", ObjType::Text)?;
        edit.splice_text(&text, 0, 0, "dry")?;
        edit.put(&item, "count", ScalarValue::counter(5))
    });
    bring_stored(&mut session, &made, 1);
    let old = session.vector_clock();
    let mut tablet = Client::of(&session, 60);
    let edited = phone.edit(|edit| {
        let (_, text) = edit.get(&item, "notes")?.unwrap();
        edit.splice_text(&text, 3, 0, ", but for the pit")?;
        edit.increment(&item, "count", 2)
    });
    let replaced = tablet.edit(|edit| {
        edit.delete(&item, "notes")?;
        edit.put(&item, "count", 1)
    });
    bring_stored(&mut session, &edited, 1);
    bring_stored(&mut session, &replaced, 2);
    let view = session.view();
    assert_eq!(view.document["items"]["a"]["notes"], "dry, but for the pit");
    assert_eq!(view.document["items"]["a"]["count"], 1);
    let values = |path: &str| -> Vec<_> {
        conflict_at(&view.conflicts, path).values.iter().map(|value| value.value.clone()).collect()
    };
    assert_eq!(values("/items/a/count"), [Some(json!(1)), Some(json!(7))]);
    assert_eq!(values("/items/a/notes"), [None, Some(json!("dry, but for the pit"))]);
    assert_eq!(session.conflicts_touching(&["/items/a".to_owned()]), view.conflicts);
    let past = vec![set("/items/a/count", 9, "desk"), set("/items/a/notes", "wet", "desk")];
    send(&mut session, past, Some(&old), user(3)).unwrap();
    assert_eq!(session.view().conflicts.len(), 2, "it had seen neither side");
}

#[test]
fn an_element_of_a_list_may_be_removed_beside_an_edit() {
    let mut session = session();
    send(&mut session, vec![set("/items/a/photos", json!([{ "n": 1 }, { "n": 2 }]), "desk")], None, user(3))
        .unwrap();
    let old = session.vector_clock();
    send(&mut session, vec![set("/items/a/photos/0/caption", "cracked", "phone")], Some(&old), user(1))
        .unwrap();
    send(
        &mut session,
        vec![entry("delete", "/items/a/photos/0", Value::Null, "tablet")],
        Some(&old),
        user(2),
    )
    .unwrap();
    let view = session.view();
    assert_eq!(view.document["items"]["a"]["photos"], json!([{ "n": 1, "caption": "cracked" }, { "n": 2 }]));
    assert!(conflict_at(&view.conflicts, "/items/a/photos/0").needs_review);
    send(&mut session, vec![set("/items/a/photos/0/caption", "whole", "desk")], None, user(3)).unwrap();
    let view = session.view();
    assert_eq!(view.document["items"]["a"]["photos"], json!([{ "n": 1, "caption": "whole" }, { "n": 2 }]));
    assert_eq!(view.conflicts, vec![]);
}

#[test]
fn a_session_that_an_earlier_release_let_be_emptied_is_whole_again() {
    for harm in &HARMS[6..] {
        let mut session = session();
        harm(&mut session);
        let outcome = set("/items/a/outcome", "fail", "phone");
        let prepared = send(&mut session, vec![outcome], None, user(1)).unwrap();
        assert_eq!(prepared.accepted, 1);
        assert_eq!(session.item_count(), 3);
        let view = session.view();
        assert_eq!(view.document["items"]["a"]["outcome"], "fail");
        assert_eq!(view.document["items"]["a"]["label"], "Label of a");
        assert_eq!(view.document["items"]["c"]["label"], "Label of c", "{:?}", view.document);
        let added = session.items_change(&actor(9), &[seed("d")], NOW).unwrap();
        session.integrate([added.recorded(user(0), NOW)]);
        assert_eq!(session.view().document["items"]["d"]["label"], "Label of d");
        assert!(session.is_sound_save(&session.save()));
    }
}
