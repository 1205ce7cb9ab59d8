//! Values that another library may write and that JSON clients cannot be shown as they are.

use automerge::transaction::Transactable;
use automerge::{ObjType, ScalarValue};
use firemode_domain::document::{SessionDocument, StatedTime};
use serde_json::{Value, json};
use time::macros::datetime;

use crate::support::*;

fn with_outcome(
    write: impl FnOnce(
        &mut automerge::transaction::Transaction<'_>,
        &automerge::ObjId,
    ) -> Result<(), automerge::AutomergeError>,
) -> SessionDocument {
    let mut session = session();
    let mut client = Client::of(&session, 50);
    let item = client.item("a");
    let change = client.edit(|edit| write(edit, &item));
    send(&mut session, vec![bytes(&change)], None, user(1)).unwrap();
    session
}

#[test]
fn an_outcome_that_is_none_is_not_tested_and_counts_as_a_fault() {
    let sessions = [
        (with_outcome(|edit, item| edit.put(item, "outcome", "FAIL")), json!("FAIL")),
        (with_outcome(|edit, item| edit.put(item, "outcome", ())), Value::Null),
        (with_outcome(|edit, item| edit.put(item, "outcome", ScalarValue::counter(3))), json!(3)),
        (with_outcome(|edit, item| edit.put_object(item, "outcome", ObjType::List).map(|_| ())), json!([])),
        (
            with_outcome(|edit, item| {
                let text = edit.put_object(item, "outcome", ObjType::Text)?;
                edit.splice_text(&text, 0, 0, "failed")
            }),
            json!("failed"),
        ),
    ];
    for (mut session, raw) in sessions {
        let view = session.view();
        assert_eq!(view.document["items"]["a"]["outcome"], "not_tested", "{raw}");
        let [conflict] = &view.conflicts[..] else { panic!("{raw}: {:?}", view.conflicts) };
        assert_eq!(conflict.path, "/items/a/outcome");
        assert!(conflict.needs_review);
        assert_eq!(conflict.values[0].value, Some(raw.clone()));
        assert_eq!(session.conflicts_touching(&["/items/a/outcome".to_owned()]), view.conflicts);
        send(&mut session, vec![set("/items/a/outcome", "pass", "desk")], None, user(3)).unwrap();
        assert_eq!(session.view().conflicts, vec![]);
    }
}

#[test]
fn a_pass_in_a_text_is_a_pass() {
    let session = with_outcome(|edit, item| {
        let text = edit.put_object(item, "outcome", ObjType::Text)?;
        edit.splice_text(&text, 0, 0, "pass")
    });
    assert_eq!(session.view().conflicts, vec![]);
    assert_eq!(session.conflicts_touching(&["/items/a/outcome".to_owned()]), vec![]);
}

#[test]
fn an_item_that_is_no_object_is_shown_as_an_empty_one() {
    let mut session = session();
    let mut client = Client::of(&session, 50);
    let (_, items) = automerge::ReadDoc::get(&client.0, automerge::ROOT, "items").unwrap().unwrap();
    let change = client.edit(|edit| edit.put(&items, "a", "pass"));
    send(&mut session, vec![bytes(&change)], None, user(1)).unwrap();
    let view = session.view();
    assert_eq!(view.document["items"]["a"], json!({}));
    assert_eq!(view.conflicts[0].values[0].value, Some(json!("pass")));
}

#[test]
fn a_time_that_no_clock_should_say_is_not_shown() {
    for seconds in [-1, i64::MIN, i64::MAX, 253_402_300_800, -62_167_219_200] {
        assert_eq!(StatedTime::of_seconds(seconds), StatedTime { at: None, is_suspect: true }, "{seconds}");
    }
    let last = datetime!(9999-12-31 23:59:59 UTC);
    assert_eq!(StatedTime::of_seconds(last.unix_timestamp()).at, Some(last));
    assert_eq!(StatedTime::of_change(0), StatedTime { at: None, is_suspect: false });
}

#[test]
fn conflicts_with_such_a_time_can_be_read() {
    let mut session = session();
    let old = session.vector_clock();
    let mut stated = operation(set("/items/a/notes", "of old", "phone"));
    stated.timestamp = datetime!(-0001-01-01 0:00 UTC);
    let mut writer = firemode_domain::document::WriterContext {
        user_id: user(1),
        new_actor: &mut device_actor,
        may_go_on_with: &|_| true,
    };
    let entries = vec![firemode_domain::document::Entry::Operation(stated)];
    // As an earlier release has taken it.
    if let Ok(prepared) = session.prepare(entries, Some(&old), &mut writer, &Default::default()) {
        session.adopt(&prepared, NOW);
        send(&mut session, vec![set("/items/a/notes", "of now", "tablet")], Some(&old), user(2)).unwrap();
        let json = serde_json::to_value(session.view().conflicts).unwrap();
        let values = json[0]["values"].as_array().unwrap();
        let suspect = values.iter().find(|told| told["actor"] == "phone").unwrap();
        assert_eq!((&suspect["at"], &suspect["clock_suspect"]), (&Value::Null, &json!(true)));
    }
}
