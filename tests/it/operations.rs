//! Results as JSON operations.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::site::operation;
use crate::support::{Site, Stack, base64, new_key};

fn set(device: &str, path: &str, value: Value) -> Value {
    operation(device, "set", path, value)
}

fn at_present(operations: &[Value]) -> Value {
    json!({"changes": operations})
}

/// What an answer or a session says of the conflict at a path: winner, values in the order of the alphabet, review.
fn conflict(answer: &Value, path: &str) -> Option<(Value, Vec<String>, bool)> {
    let conflicts = answer["conflicts"].as_array().unwrap();
    let found = conflicts.iter().find(|conflict| conflict["path"] == format!("/items/{path}"))?;
    let values = found["values"].as_array().unwrap();
    let mut values: Vec<String> =
        values.iter().map(|value| value["value"].as_str().unwrap().to_owned()).collect();
    values.sort_unstable();
    Some((found["winner"].clone(), values, found["needs_review"].as_bool().unwrap()))
}

#[test]
fn operations_change_the_document() {
    let site = Site::new();
    let item = &site.items[0];
    let path = |field: &str| format!("{item}/{field}");
    let before = site.read();
    let answer = site
        .send(&at_present(&[
            set("tablet", &path("outcome"), json!("fail")),
            set("tablet", &path("measurements"), json!({"kPa": 1250.5, "list": [1, true, null]})),
            operation("tablet", "append", &path("remarks"), json!("hinge bent")),
            operation("tablet", "append", &path("remarks"), json!("told the caretaker")),
            set("tablet", &path("remarks/0"), json!("hinge bent badly")),
            set("tablet", &path("temporary"), json!(1)),
            json!({"op": "delete", "path": format!("/items/{item}/temporary"), "actor_id": "tablet",
                   "timestamp": "2026-02-13T01:02:03Z"}),
            set("tablet", &path("a~1b~0c"), json!("escaped")),
            set("tablet", "made-by-the-client", json!({"label": "Found on site", "outcome": "pass"})),
        ]))
        .expect(200);
    assert_eq!(answer["status"], "processed");
    assert_eq!(answer["session_id"], site.session_id);
    assert_eq!(answer["accepted"], 9);
    for count in ["duplicates", "late"] {
        assert_eq!(answer[count], 0, "{count}");
    }
    assert_eq!(answer["held"], json!([]));
    assert_eq!(answer["conflicts"], json!([]));
    assert_ne!(answer["heads"], before["heads"]);

    let read = site.read();
    assert_eq!(read["vector_clock"], answer["vector_clock"]);
    assert_eq!(read["heads"], answer["heads"]);
    assert_eq!(read["item_count"], 4);
    let found = &read["document"]["items"][item];
    assert_eq!(found["outcome"], "fail");
    assert_eq!(found["measurements"], json!({"kPa": 1250.5, "list": [1, true, null]}));
    assert_eq!(found["remarks"], json!(["hinge bent badly", "told the caretaker"]));
    assert_eq!(found["a/b~c"], "escaped");
    assert!(found.get("temporary").is_none());
    assert_eq!(found["label"], "Extinguisher 4", "what nobody touched stays");
    assert_eq!(read["document"]["items"]["made-by-the-client"]["outcome"], "pass");
}

#[test]
fn edits_made_against_the_same_state_conflict_and_the_safe_side_counts() {
    let site = Site::new();
    let path = format!("{}/outcome", site.items[0]);
    let seen = site.read()["vector_clock"].clone();
    let send = |device: &str, value: &str, seen: &Value| {
        let body = json!({"changes": [set(device, &path, json!(value))], "vector_clock": seen});
        site.send(&body).expect(200)
    };
    assert_eq!(conflict(&send("tablet", "fail", &seen).json, &path), None);
    let second = send("phone", "pass", &seen);
    let both = Some((json!("fail"), vec!["fail".to_owned(), "pass".to_owned()], true));
    assert_eq!(conflict(&second.json, &path), both);
    let read = site.read();
    assert_eq!(conflict(&read.json, &path), both);
    assert_eq!(read["document"]["items"][&site.items[0]]["outcome"], "fail");
    let values = read["conflicts"][0]["values"].as_array().unwrap();
    let mut actors: Vec<&str> = values.iter().map(|value| value["actor"].as_str().unwrap()).collect();
    actors.sort_unstable();
    assert_eq!(actors, ["phone", "tablet"]);
    assert!(values.iter().all(|value| value["at"] == "2026-02-13T01:02:03Z"), "{values:?}");

    // One that has seen neither adds a third side; one that has seen all of them settles it.
    let third = send("watch", "not_tested", &seen);
    assert_eq!(conflict(&third.json, &path).unwrap().1, ["fail", "not_tested", "pass"]);
    let settled = send("phone", "pass", &third["vector_clock"]);
    assert_eq!(conflict(&settled.json, &path), None);
    assert_eq!(site.item(&site.items[0])["outcome"], "pass");
}

#[test]
fn without_a_clock_an_edit_is_made_at_the_present_state() {
    let site = Site::new();
    let path = format!("{}/outcome", site.items[0]);
    for (device, value, clock) in [("tablet", "fail", json!({})), ("phone", "pass", Value::Null)] {
        let body = json!({"changes": [set(device, &path, json!(value))], "vector_clock": clock});
        let answer = site.send(&body).expect(200);
        assert_eq!(answer["conflicts"], json!([]));
    }
    assert_eq!(site.item(&site.items[0])["outcome"], "pass");
}

#[test]
fn a_device_has_always_seen_its_own_earlier_operations() {
    let site = Site::new();
    let path = format!("{}/outcome", site.items[0]);
    let seen = site.read()["vector_clock"].clone();
    for value in ["fail", "pass"] {
        let body = json!({"changes": [set("tablet", &path, json!(value))], "vector_clock": seen});
        assert_eq!(site.send(&body).expect(200)["conflicts"], json!([]));
    }
    assert_eq!(site.item(&site.items[0])["outcome"], "pass");
    // The same name on another user's device is another device.
    let colleague = site.organisation.member(Stack::shared(), "technician").client;
    let body = json!({"changes": [set("tablet", &path, json!("fail"))], "vector_clock": seen});
    assert!(conflict(&site.send_as(&colleague, &body).expect(200).json, &path).is_some());
}

#[test]
fn edits_of_other_fields_merge() {
    let site = Site::new();
    let seen = site.read()["vector_clock"].clone();
    for (device, field) in [("tablet", "notes"), ("phone", "observed_condition")] {
        let path = format!("{}/{field}", site.items[0]);
        let body = json!({"changes": [set(device, &path, json!(device))], "vector_clock": seen});
        assert_eq!(site.send(&body).expect(200)["conflicts"], json!([]));
    }
    let item = site.item(&site.items[0]);
    assert_eq!((&item["notes"], &item["observed_condition"]), (&json!("tablet"), &json!("phone")));
}

#[test]
fn an_operation_with_an_id_applies_once_for_ever() {
    let site = Site::new();
    let mut append = operation("tablet", "append", &format!("{}/remarks", site.items[0]), json!("once"));
    append["op_id"] = "op-1".into();
    assert_eq!(site.send(&at_present(&[append.clone()])).expect(200)["accepted"], 1);
    let again = site.send(&at_present(&[append.clone()])).expect(200);
    assert_eq!((&again["accepted"], &again["duplicates"]), (&json!(0), &json!(1)));
    let twice = site.send(&at_present(&[append.clone(), append.clone()])).expect(200);
    assert_eq!(twice["duplicates"], 2);
    let mut of_another_device = append.clone();
    of_another_device["actor_id"] = "phone".into();
    assert_eq!(site.send(&at_present(&[of_another_device])).expect(200)["accepted"], 1);
    assert_eq!(site.item(&site.items[0])["remarks"], json!(["once", "once"]));
}

#[test]
fn the_same_operation_from_many_connections_at_once_applies_once() {
    let site = Site::new();
    let mut append = operation("tablet", "append", &format!("{}/remarks", site.items[0]), json!("once"));
    append["op_id"] = "op-1".into();
    let body = at_present(&[append]);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let answer = site.send(&body);
                    if answer.status == 200 {
                        return;
                    }
                    answer.problem(503, "FIRE-503");
                }
            });
        }
    });
    assert_eq!(site.item(&site.items[0])["remarks"], json!(["once"]));
}

#[test]
fn what_is_not_an_operation_is_named_and_nothing_of_the_request_is_stored() {
    let site = Site::new();
    let stored = site.stored_changes(Stack::shared());
    let good = set("tablet", &format!("{}/notes", site.items[0]), json!("good"));
    let with = |member: &str, value: Value| {
        let mut bad = good.clone();
        bad[member] = value;
        bad
    };
    let without = |member: &str| {
        let mut bad = good.clone();
        bad.as_object_mut().unwrap().remove(member);
        bad
    };
    let outcome = format!("/items/{}/outcome", site.items[0]);
    let mut no_outcome = with("path", outcome.into());
    no_outcome["value"] = "passed".into();
    for (bad, field) in [
        (with("op", json!("replace")), "changes[1].op"),
        (without("value"), "changes[1].value"),
        (without("actor_id"), "changes[1].actor_id"),
        (with("actor_id", json!("")), "changes[1].actor_id"),
        (with("actor_id", json!("x".repeat(65))), "changes[1].actor_id"),
        (with("actor_id", json!("two words")), "changes[1].actor_id"),
        (with("timestamp", json!("yesterday")), "changes[1].timestamp"),
        (with("op_id", json!("")), "changes[1].op_id"),
        (with("path", json!("items/x/notes")), "changes[1].path"),
        (with("path", json!("/items/nobody/notes")), "changes[1].path"),
        (no_outcome, "changes[1].value"),
        (with("note", json!("x")), "changes[1].note"),
        (json!(7), "changes[1]"),
        (json!("not base64!"), "changes[1]"),
    ] {
        let answer = site.send(&at_present(&[good.clone(), bad.clone()])).problem(422, "FIRE-422");
        assert_eq!(answer.fields(), [field], "{bad}: {}", answer.json);
    }
    let all_items = with("path", json!("/items"));
    let answer = site.send(&at_present(&[good.clone(), all_items])).problem(422, "FIRE-422-STRUCTURE");
    assert_eq!(answer.fields(), ["changes[1].path"]);
    site.send(&json!({"changes": [], "vector_cloc": {}})).invalid(&["vector_cloc"]);
    site.send(&json!({"vector_clock": {}})).invalid(&["changes"]);
    let many = vec![good; 1_001];
    site.send(&at_present(&many)).invalid(&["changes"]);
    assert_eq!(site.stored_changes(Stack::shared()), stored);
    assert_eq!(site.read()["status"], "pending");
}

#[test]
fn a_clock_that_the_server_does_not_know_is_refused() {
    let site = Site::new();
    let operation = set("tablet", &format!("{}/notes", site.items[0]), json!("x"));
    let known = site.read()["vector_clock"].clone();
    let actor = known.as_object().unwrap().keys().next().unwrap().clone();
    for clock in [
        json!({Uuid::new_v4().simple().to_string(): 1}),
        json!({actor.clone(): 2}),
        json!({actor: 0}),
        json!({"not hex": 1}),
        json!([]),
    ] {
        let body = json!({"changes": [operation], "vector_clock": clock});
        let answer = site.send(&body).problem(422, "FIRE-422");
        assert!(answer.fields()[0].starts_with("vector_clock"), "{}", answer.json);
    }
}

#[test]
fn a_session_that_is_not_there_or_takes_nothing_more_says_so() {
    let site = Site::new();
    let path = format!("{}/notes", site.items[0]);
    let body = at_present(&[set("tablet", &path, json!("x"))]);
    let nowhere = format!("/v1/tests/sessions/{}/results", Uuid::now_v7());
    let send = |path: &str| site.admin.request("POST", path).key(&new_key()).json(&body).send();
    send(&nowhere).problem(404, "FIRE-404");
    site.set_status("cancelled").expect(200);
    send(&site.session("/results")).problem(409, "FIRE-409-CANCELLED");
    let text = site.admin.request("POST", &site.session("/results")).key(&new_key());
    text.body("text/plain", base64(b"x")).send().problem(415, "FIRE-415");
}

#[test]
fn concurrent_writers_lose_nothing() {
    const WRITERS: usize = 8;
    const ROUNDS: usize = 5;
    let site = Site::new();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let site = &site;
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let path = format!("{}/w{writer}r{round}", site.items[writer % 3]);
                    let device = format!("device-{writer}");
                    site.send(&at_present(&[set(&device, &path, json!(round))])).expect(200);
                }
            });
        }
    });
    let items = &site.read()["document"]["items"];
    for (writer, round) in (0..WRITERS).flat_map(|writer| (0..ROUNDS).map(move |round| (writer, round))) {
        assert_eq!(items[&site.items[writer % 3]][format!("w{writer}r{round}")], round, "{items}");
    }
}
