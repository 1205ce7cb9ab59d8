//! The document as JSON: safe side, conflicts, and values of other libraries.

use automerge::transaction::Transactable;
use automerge::{ObjType, ROOT, ScalarValue};
use firemode_domain::document::{DocumentView, SessionDocument};
use serde_json::{Value, json};
use time::macros::datetime;

use crate::support::*;

/// Sets an item's outcomes at the same point of history, each from another device.
fn with_outcomes(outcomes: &[&str]) -> SessionDocument {
    let mut session = session();
    let old = session.vector_clock();
    for (outcome, device) in outcomes.iter().zip(["phone", "tablet", "watch", "laptop"]) {
        send(&mut session, vec![set("/items/a/outcome", *outcome, device)], Some(&old), user(1)).unwrap();
    }
    session
}

#[test]
fn of_concurrent_outcomes_the_safe_side_counts_and_asks_for_review() {
    let order = ["pass", "not_applicable", "not_tested", "fail"];
    for (low, lower) in order.iter().enumerate() {
        for higher in &order[low + 1..] {
            for outcomes in [[*lower, *higher], [*higher, *lower]] {
                let session = with_outcomes(&outcomes);
                let view = session.view();
                assert_eq!(view.document["items"]["a"]["outcome"], *higher, "{outcomes:?}");
                assert_eq!(view.conflicts.len(), 1);
                assert_eq!(view.conflicts[0].winner, *higher);
                assert!(view.conflicts[0].needs_review);
            }
        }
    }
    assert_eq!(outcome(&with_outcomes(&["pass", "fail", "not_tested", "pass"]), "a"), "fail");
}

#[test]
fn equal_outcomes_are_no_conflict() {
    let session = with_outcomes(&["pass", "pass"]);
    assert_eq!(session.view().conflicts, vec![]);
    assert_eq!(outcome(&session, "a"), "pass");
}

#[test]
fn a_change_that_has_seen_both_settles_the_review() {
    let mut session = with_outcomes(&["pass", "fail"]);
    send(&mut session, vec![set("/items/a/outcome", "pass", "phone")], None, user(1)).unwrap();
    assert_eq!(session.view().conflicts, vec![]);
    assert_eq!(outcome(&session, "a"), "pass");
}

#[test]
fn a_conflict_says_who_and_when() {
    let mut session = session();
    let old = session.vector_clock();
    let mut client = Client::of(&session, 50);
    let change = client.put("a", "outcome", "pass");
    send(&mut session, vec![bytes(&change)], None, user(1)).unwrap();
    send(&mut session, vec![set("/items/a/outcome", "fail", "phone")], Some(&old), user(2)).unwrap();
    let conflict = session.view().conflicts.remove(0);
    let mut said: Vec<_> = conflict.values.iter().map(|value| (value.actor.clone(), value.at)).collect();
    said.sort();
    let stated = datetime!(2026-11-20 10:00 UTC);
    assert_eq!(said, [(actor(50).to_hex_string(), Some(NOW)), ("phone".to_owned(), Some(stated))]);
    let json = serde_json::to_value(&conflict).unwrap();
    assert_eq!(json["values"][0]["at"].as_str().map(|at| at.len()), Some("2026-11-20T10:00:00Z".len()));
}

#[test]
fn text_objects_and_strings_with_equal_characters_are_the_same() {
    let mut session = session();
    let old = session.vector_clock();
    let mut client = Client::of(&session, 50);
    let item = client.item("a");
    let change = client.edit(|edit| {
        let text = edit.put_object(&item, "outcome", ObjType::Text)?;
        edit.splice_text(&text, 0, 0, "pass")?;
        let text = edit.put_object(&item, "notes", ObjType::Text)?;
        edit.splice_text(&text, 0, 0, "naïve 🔥")
    });
    send(&mut session, vec![bytes(&change)], None, user(1)).unwrap();
    let entries = vec![set("/items/a/outcome", "pass", "phone"), set("/items/a/notes", "naïve 🔥", "phone")];
    send(&mut session, entries, Some(&old), user(1)).unwrap();
    assert_eq!(session.view().conflicts, vec![]);
    assert_eq!(session.view().document["items"]["a"]["notes"], "naïve 🔥");

    send(&mut session, vec![set("/items/a/outcome", "fail", "tablet")], Some(&old), user(1)).unwrap();
    assert_eq!(outcome(&session, "a"), "fail");
    send(&mut session, vec![set("/items/a/notes", "short", "phone")], None, user(1)).unwrap();
    assert_eq!(session.view().document["items"]["a"]["notes"], "short");
}

#[test]
fn the_same_new_item_made_apart_is_one_conflict_with_both_whole_values() {
    let mut session = session();
    let old = session.vector_clock();
    let made = |outcome: &str, by: &str| json!({ "label": by, "outcome": outcome });
    send(&mut session, vec![set("/items/new", made("fail", "phone"), "phone")], Some(&old), user(1)).unwrap();
    send(&mut session, vec![set("/items/new", made("pass", "tablet"), "tablet")], Some(&old), user(2))
        .unwrap();
    let view = session.view();
    assert_eq!(view.conflicts.len(), 1);
    assert_eq!(view.conflicts[0].path, "/items/new");
    assert!(view.conflicts[0].needs_review);
    let values: Vec<_> = view.conflicts[0].values.iter().filter_map(|value| value.value.clone()).collect();
    assert_eq!(values, [made("pass", "tablet"), made("fail", "phone")]);
    assert_eq!(view.document["items"]["new"], made("fail", "tablet"), "the safe side, in Automerge's object");
}

#[test]
fn conflicts_touching_a_path_are_those_at_above_and_below_it() {
    let mut session = session();
    let old = session.vector_clock();
    let touched = |device: &str| {
        vec![
            set("/items/a/outcome", if device == "phone" { "pass" } else { "fail" }, device),
            set("/items/b/notes", device, device),
            set("/items/new", json!({ "by": device }), device),
            set("/list", json!([device]), device),
        ]
    };
    let prepared = send(&mut session, touched("phone"), Some(&old), user(1)).unwrap();
    send(&mut session, touched("tablet"), Some(&old), user(1)).unwrap();
    let paths = |at: &[&str]| -> Vec<String> {
        let at: Vec<String> = at.iter().map(|path| (*path).to_owned()).collect();
        session.conflicts_touching(&at).into_iter().map(|conflict| conflict.path).collect()
    };
    assert_eq!(paths(&["/items/a/outcome"]), ["/items/a/outcome"]);
    assert_eq!(paths(&["/items/a", "/items/b/notes"]), ["/items/a/outcome", "/items/b/notes"]);
    assert_eq!(paths(&["/items/new/by", "/list/0"]), ["/items/new", "/list"]);
    assert_eq!(paths(&["/items/c", "/nothing/there", "not a pointer"]), Vec::<String>::new());
    assert_eq!(session.conflicts_touching(&prepared.touched), session.view().conflicts);
}

#[test]
fn values_that_json_does_not_have_get_a_sensible_form() {
    let mut session = session();
    let mut client = Client::of(&session, 50);
    let change = client.edit(|edit| {
        edit.put(ROOT, "counter", ScalarValue::counter(5))?;
        edit.increment(ROOT, "counter", 2)?;
        edit.put(ROOT, "timestamp", ScalarValue::Timestamp(1_763_000_000_000))?;
        edit.put(ROOT, "bytes", vec![1_u8, 2, 3])?;
        edit.put(ROOT, "large", u64::MAX)?;
        edit.put(ROOT, "infinite", f64::INFINITY)?;
        edit.put(ROOT, "fraction", 1.5)
    });
    send(&mut session, vec![bytes(&change)], None, user(1)).unwrap();
    let DocumentView { document, conflicts } = session.view();
    assert_eq!(document["counter"], 7);
    assert_eq!(document["timestamp"], "2025-11-13T02:13:20Z");
    assert_eq!(document["bytes"], "AQID");
    assert_eq!(document["large"], u64::MAX);
    assert_eq!(document["fraction"], 1.5);

    // JSON has no such number: it is shown as null, and what was sent is listed.
    assert_eq!(document["infinite"], Value::Null);
    let [conflict] = &conflicts[..] else { panic!("one is listed: {conflicts:?}") };
    assert_eq!((conflict.path.as_str(), conflict.needs_review), ("/infinite", true));
    assert_eq!(conflict.values[0].value, Some(json!("inf")));
    assert_eq!(session.conflicts_touching(&["/infinite".to_owned()]), conflicts);
}

#[test]
fn numbers_of_equal_amount_are_the_same() {
    let mut session = session();
    let old = session.vector_clock();
    send(&mut session, vec![set("/x", json!(1), "phone")], Some(&old), user(1)).unwrap();
    send(&mut session, vec![set("/x", json!(1.0), "tablet")], Some(&old), user(1)).unwrap();
    assert_eq!(session.view().conflicts, vec![]);
    send(&mut session, vec![set("/x", Value::Null, "watch")], Some(&old), user(1)).unwrap();
    assert_eq!(session.view().conflicts.len(), 1);
}
