//! JSON operations that are refused, and what the refusal names.

use firemode_domain::document::{Entry, Refusal, SERVER_DEVICE, VectorClock};
use firemode_domain::input::{At, Faults, Input as _};
use serde_json::{Value, json};

use crate::support::*;

/// The entry of a request, or the one field that is wrong with it.
fn read(json: Value) -> Result<Entry, String> {
    let mut faults = Faults::default();
    let entry = Entry::read(json, &At::Entry(&At::named("changes"), 0), &mut faults);
    faults.into_result(entry).map_err(|errors| {
        assert_eq!(errors.len(), 1, "{errors:?}");
        errors[0].field.clone()
    })
}

#[test]
fn a_refused_operation_names_its_field() {
    let cases = [
        (json!({ "op": "set", "path": "/items/x/outcome", "value": "pass" }), "changes[0].path"),
        (json!({ "op": "set", "path": "/items/a/label/0", "value": 1 }), "changes[0].path"),
        (json!({ "op": "append", "path": "/items/a/label", "value": 1 }), "changes[0].path"),
        (json!({ "op": "set", "path": "items", "value": 1 }), "changes[0].path"),
        (json!({ "op": "set", "path": "/a//b", "value": 1 }), "changes[0].path"),
        (json!({ "op": "set", "path": "/a~2", "value": 1 }), "changes[0].path"),
        (json!({ "op": "set", "path": "/items", "value": {} }), "changes[0].path"),
        (json!({ "op": "set", "path": "/items/a/outcome", "value": "passed" }), "changes[0].value"),
        (json!({ "op": "set", "path": "/items/a/outcome", "value": null }), "changes[0].value"),
        (json!({ "op": "set", "path": "/items/d", "value": { "outcome": 1 } }), "changes[0].value"),
        (json!({ "op": "set", "path": "/items/d", "value": "text" }), "changes[0].value"),
        (json!({ "op": "set", "path": "/items/a/x" }), "changes[0].value"),
        (json!({ "op": "delete", "path": "/items/a/x", "value": 1 }), "changes[0].value"),
        (json!({ "op": "set", "path": "/x", "value": 1, "actor_id": "" }), "changes[0].actor_id"),
        (json!({ "op": "set", "path": "/x", "value": 1, "actor_id": "a b" }), "changes[0].actor_id"),
        (json!({ "op": "set", "path": "/x", "value": 1, "actor_id": SERVER_DEVICE }), "changes[0].actor_id"),
        (json!({ "op": "set", "path": "/x", "value": 1, "op_id": "" }), "changes[0].op_id"),
        (json!({ "op": "set", "path": "/x", "value": 1, "extra": 1 }), "changes[0].extra"),
        (json!({ "op": "move", "path": "/x", "value": 1 }), "changes[0].op"),
        (json!("not base64!"), "changes[0]"),
        (json!(7), "changes[0]"),
    ];
    for (mut json, field) in cases {
        if let Some(fields) = json.as_object_mut() {
            fields.entry("actor_id").or_insert(json!("phone"));
            fields.entry("timestamp").or_insert(json!("2026-11-20T10:00:00Z"));
        }
        let found = match read(json.clone()) {
            Err(field) => field,
            Ok(entry) => prepare(&mut session(), vec![entry], None, user(1)).unwrap_err().field(),
        };
        assert_eq!(found, field, "{json}");
    }
}

#[test]
fn a_value_that_nests_too_deeply_is_refused() {
    let nested = |depth| (0..depth).fold(json!(1), |value, _| json!([value]));
    assert!(matches!(set("/x", nested(32), "phone"), Entry::Operation(_)));
    let json = json!({ "op": "set", "path": "/x", "value": nested(33), "actor_id": "p", "timestamp": "2026-11-20T10:00:00Z" });
    assert_eq!(read(json).unwrap_err(), "changes[0].value");

    // Step by step, objects may nest as deep as the document allows, and no deeper.
    let mut session = session();
    let mut path = String::new();
    for _ in 0..4 {
        path.push_str("/x");
        let entries = vec![set(&path, nested(16), "phone"), set(&path, json!({}), "phone")];
        send(&mut session, entries, None, user(1)).unwrap();
    }
    assert!(session.is_sound_save(&session.save()));
}

#[test]
fn an_unknown_or_held_clock_is_refused() {
    let mut session = session();
    let seen: VectorClock = serde_json::from_value(json!({ "abcd": 1 })).unwrap();
    let refusal = prepare(&mut session, vec![set("/x", 1, "phone")], Some(&seen), user(1)).unwrap_err();
    assert_eq!(refusal, Refusal::UnknownClock { actor: "abcd".to_owned(), seq: 1 });
    assert_eq!(refusal.field(), "vector_clock");

    let mut client = Client::of(&session, 50);
    client.put("a", "x", "1");
    let second = client.put("a", "x", "2");
    send(&mut session, vec![bytes(&second)], None, user(1)).unwrap();
    let hex = actor(50).to_hex_string();
    let seen: VectorClock = serde_json::from_value(json!({ hex.clone(): 2 })).unwrap();
    let refusal = prepare(&mut session, vec![set("/x", 1, "phone")], Some(&seen), user(1)).unwrap_err();
    assert_eq!(refusal, Refusal::HeldClock { actor: hex, seq: 2 });
}

#[test]
fn a_vector_clock_is_checked_when_it_is_read() {
    for (json, message) in [
        (json!({ "ABCD": 1 }), "lower-case hex"),
        (json!({ "abc": 1 }), "lower-case hex"),
        (json!({ "": 1 }), "lower-case hex"),
        (json!({ "ab": 0 }), "must be 1 or more"),
    ] {
        let error = serde_json::from_value::<VectorClock>(json).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    let mut one: VectorClock = serde_json::from_value(json!({ "aa": 1, "bb": 5 })).unwrap();
    let two: VectorClock = serde_json::from_value(json!({ "aa": 2 })).unwrap();
    assert!(!one.dominates(&two));
    one.merge(&two);
    assert!(one.dominates(&two));
    assert_eq!(serde_json::to_value(&one).unwrap(), json!({ "aa": 2, "bb": 5 }));
}
