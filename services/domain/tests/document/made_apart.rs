//! Collections that two devices make apart are one to a reader.

use automerge::transaction::Transactable;
use automerge::{ObjType, ROOT, ReadDoc};
use firemode_domain::document::SessionDocument;
use serde_json::{Value, json};

use crate::support::*;

/// An item without collections, as clients make them.
fn bare_item() -> SessionDocument {
    let mut session = session();
    send(&mut session, vec![set("/items/new", json!({ "label": "Found" }), "desk")], None, user(3)).unwrap();
    session
}

#[test]
fn items_that_the_server_makes_have_their_collections() {
    let document = session().view().document;
    assert_eq!(document["items"]["a"]["evidence"], json!({}));
    assert_eq!(document["items"]["a"]["measurements"], json!({}));
}

#[test]
fn maps_and_lists_of_an_item_are_united() {
    let mut session = bare_item();
    let old = session.vector_clock();
    for (device, key, by) in [("phone", "p", 1), ("tablet", "t", 2)] {
        let entries = vec![
            set("/items/new/evidence", json!({ key: true }), device),
            set("/items/new/measurements", json!({ key: 1, "both": device }), device),
            entry("append", "/items/new/photos", json!(device), device),
        ];
        send(&mut session, entries, Some(&old), user(by)).unwrap();
    }
    let item = session.view().document["items"]["new"].clone();
    assert_eq!(item["evidence"], json!({ "p": true, "t": true }));
    assert_eq!(item["measurements"], json!({ "p": 1, "t": 1, "both": "tablet" }));
    assert_eq!(item["photos"], json!(["phone", "tablet"]));
    let conflicts = session.view().conflicts;
    let paths: Vec<_> = conflicts.iter().map(|conflict| conflict.path.as_str()).collect();
    assert_eq!(paths, ["/items/new/measurements/both"], "the rest is no conflict");
    assert_eq!(session.conflicts_touching(&["/items/new".to_owned()]), conflicts);

    let more = vec![
        set("/items/new/measurements/p", 2, "desk"),
        set("/items/new/measurements/both", "agreed", "desk"),
        entry("append", "/items/new/photos", json!("desk"), "desk"),
        set("/items/new/photos/0", "phone, again", "desk"),
        entry("delete", "/items/new/evidence/p", Value::Null, "desk"),
    ];
    send(&mut session, more, None, user(3)).unwrap();
    let view = session.view();
    let item = &view.document["items"]["new"];
    assert_eq!(item["measurements"], json!({ "p": 2, "t": 1, "both": "agreed" }));
    assert_eq!(item["photos"], json!(["phone, again", "tablet", "desk"]));
    assert_eq!(item["evidence"], json!({ "t": true }));
    assert_eq!(view.conflicts, vec![]);
}

#[test]
fn an_outcome_settles_an_item_that_was_made_apart() {
    let mut session = session();
    let old = session.vector_clock();
    for (device, outcome, by) in [("phone", "fail", 1), ("tablet", "pass", 2)] {
        let item = json!({ "label": device, "outcome": outcome });
        send(&mut session, vec![set("/items/new", item, device)], Some(&old), user(by)).unwrap();
    }
    assert_eq!(outcome(&session, "new"), "fail");
    send(&mut session, vec![set("/items/new/outcome", "pass", "desk")], None, user(3)).unwrap();
    assert_eq!(outcome(&session, "new"), "pass");
    let conflicts = session.view().conflicts;
    assert_eq!(conflicts.len(), 1, "both whole values can still be read");
    assert!(!conflicts[0].needs_review);
}

#[test]
fn keys_that_spell_one_id_are_one_item() {
    let id = "0195f0aa-0000-7000-8000-00000000000a";
    let mut session = SessionDocument::empty();
    let creation = SessionDocument::creation_change(&actor(1), &[seed(id)], NOW).unwrap();
    session.integrate([creation.recorded(user(0), NOW)]);
    let spellings = [id.to_uppercase(), id.replace('-', ""), format!("{{{id}}}"), format!("urn:uuid:{id}")];
    for (spelling, device) in spellings.iter().zip(["anvil", "brush", "chair", "drill"]) {
        let path = format!("/items/{spelling}/notes");
        send(&mut session, vec![set(&path, device, device)], None, user(1)).unwrap();
        assert_eq!(session.view().document["items"][id]["notes"], device);
    }
    assert_eq!(session.item_count(), 1);

    let mut client = Client::of(&session, 50);
    let (_, items) = client.0.get(ROOT, "items").unwrap().unwrap();
    let change = client.edit(|edit| {
        let item = edit.put_object(&items, id.to_uppercase(), ObjType::Map)?;
        edit.put(&item, "outcome", "fail")
    });
    send(&mut session, vec![bytes(&change)], None, user(1)).unwrap();
    let view = session.view();
    assert_eq!(view.document["items"].as_object().unwrap().len(), 1);
    assert_eq!(view.document["items"][id]["outcome"], "fail");
    let whole: Vec<_> =
        view.conflicts.iter().filter(|conflict| conflict.path == format!("/items/{id}")).collect();
    assert_eq!(whole.len(), 1, "{:?}", view.conflicts);
    assert_eq!(whole[0].values.len(), 2);
    assert_eq!(session.item_count(), 1);
    let exists = session.items_change(&actor(9), &[seed(&id.to_uppercase())], NOW);
    assert!(exists.is_err(), "it is there already, in another spelling");
}

#[test]
fn a_change_under_two_spellings_hides_nothing_of_itself() {
    let mut session = session();
    let id = "0193c0de-0000-7000-8000-00000000abcd";
    let path = format!("/items/{id}");
    send(&mut session, vec![set(&path, json!({ "extra": {} }), "desk")], None, user(1)).unwrap();
    let mut client = Client::of(&session, 50);
    let old = session.vector_clock();
    send(&mut session, vec![entry("delete", &path, Value::Null, "desk")], Some(&old), user(1)).unwrap();

    let item = client.item(id);
    let (_, items) = client.0.get(ROOT, "items").unwrap().unwrap();
    let change = client.edit(|edit| {
        let other = edit.put_object(&items, id.to_uppercase(), ObjType::Map)?;
        edit.put(&other, "notes", "in capitals")?;
        edit.put(&item, "notes", "as usual")
    });
    send(&mut session, vec![bytes(&change)], None, user(2)).unwrap();
    let view = session.view();
    let shown = serde_json::to_string(&(&view.document, &view.conflicts)).unwrap();
    assert!(shown.contains("in capitals") && shown.contains("as usual"), "{shown}");
}
