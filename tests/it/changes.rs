//! Results as Automerge changes.

use serde_json::{Value, json};

use crate::support::{Device, Site, Stack, base64, new_key, sha256_hex};

fn outcomes(answer: &Value, item: &str) -> Vec<String> {
    let path = format!("/items/{item}/outcome");
    let conflicts = answer["conflicts"].as_array().unwrap().iter();
    let values = conflicts.filter(|conflict| conflict["path"] == path).flat_map(|conflict| {
        assert_eq!((&conflict["winner"], &conflict["needs_review"]), (&json!("fail"), &json!(true)));
        conflict["values"].as_array().unwrap()
    });
    let mut found: Vec<String> = values.map(|value| value["value"].as_str().unwrap().to_owned()).collect();
    found.sort_unstable();
    found
}

#[test]
fn a_change_is_merged_and_the_heads_are_those_of_the_device() {
    let site = Site::new();
    let mut device = Device::of(&site);
    let change = device.set(&site.items[0], "outcome", "pass");
    let answer = site.send(&device.body(&[&change])).expect(200);
    assert_eq!(answer["accepted"], 1);
    assert_eq!(answer["heads"], json!(device.heads()));
    assert_eq!(answer["vector_clock"][device.actor()], 1);
    assert_eq!(site.item(&site.items[0])["outcome"], "pass");
}

#[test]
fn two_devices_that_disagree_give_a_fail_that_a_later_change_settles() {
    let site = Site::new();
    let item = &site.items[0];
    let (mut first, mut second) = (Device::of(&site), Device::of(&site));
    let (pass, fail) = (first.set(item, "outcome", "pass"), second.set(item, "outcome", "fail"));
    assert_eq!(site.send(&first.body(&[&pass])).expect(200)["conflicts"], json!([]));
    let answer = site.send(&second.body(&[&fail])).expect(200);
    assert_eq!(outcomes(&answer.json, item), ["fail", "pass"]);
    let read = site.read();
    assert_eq!(outcomes(&read.json, item), ["fail", "pass"]);
    assert_eq!(read["document"]["items"][item]["outcome"], "fail");
    assert_eq!(read["heads"].as_array().unwrap().len(), 2, "the server adds no merge of its own");

    first.catch_up(&site);
    let settled = first.set(item, "outcome", "pass");
    assert_eq!(site.send(&first.body(&[&settled])).expect(200)["conflicts"], json!([]));
    let read = site.read();
    assert_eq!(read["conflicts"], json!([]));
    assert_eq!(read["document"]["items"][item]["outcome"], "pass");
}

#[test]
fn the_same_set_in_any_order_with_repetitions_gives_the_same_document() {
    let site = Site::new();
    let (mut first, mut second) = (Device::of(&site), Device::of(&site));
    let mut changes = Vec::new();
    for (round, item) in site.items.iter().enumerate() {
        changes.push(first.set(item, "outcome", "pass"));
        changes.push(second.set(item, "outcome", "fail"));
        changes.push(second.set(item, "notes", format!("round {round}")));
    }
    for change in changes.iter().rev().chain(&changes) {
        site.send(&first.body(&[change])).expect(200);
    }
    let read = site.read();
    assert_eq!(read["held"], json!([]));
    let mut expected: Vec<String> = [first.heads(), second.heads()].concat();
    expected.sort();
    let mut heads: Vec<&str> =
        read["heads"].as_array().unwrap().iter().map(|head| head.as_str().unwrap()).collect();
    heads.sort_unstable();
    assert_eq!(heads, expected);
    assert_eq!(site.stored_changes(Stack::shared()), 1 + 9);
    for (round, item) in site.items.iter().enumerate() {
        assert_eq!(outcomes(&read.json, item), ["fail", "pass"]);
        assert_eq!(read["document"]["items"][item]["notes"], format!("round {round}"));
    }
}

#[test]
fn a_change_whose_dependency_is_missing_is_held_and_merged_when_that_arrives() {
    let site = Site::new();
    let mut device = Device::of(&site);
    let first = device.set(&site.items[0], "outcome", "pass");
    let waits_for = device.heads();
    let second = device.set(&site.items[0], "notes", "nozzle replaced");
    let answer = site.send(&device.body(&[&second])).expect(200);
    assert_eq!(answer["accepted"], 0);
    let held = answer["held"].as_array().unwrap();
    assert_eq!(held.len(), 1);
    assert_eq!(held[0]["hash"], device.heads()[0]);
    assert_eq!(held[0]["actor"], device.actor());
    assert_eq!(held[0]["seq"], 2);
    assert_eq!(held[0]["waits_for"], json!(waits_for));
    let read = site.read();
    assert_eq!(read["held"], answer["held"]);
    assert!(read["document"]["items"][&site.items[0]].get("notes").is_none());

    let answer = site.send(&device.body(&[&first])).expect(200);
    assert_eq!(answer["held"], json!([]));
    let read = site.read();
    assert_eq!(read["held"], json!([]));
    assert_eq!(read["heads"], json!(device.heads()));
    assert_eq!(read["document"]["items"][&site.items[0]]["notes"], "nozzle replaced");
}

#[test]
fn a_change_that_comes_again_is_a_duplicate() {
    let site = Site::new();
    let mut device = Device::of(&site);
    let change = device.set(&site.items[0], "outcome", "pass");
    let body = device.body(&[&change]);
    assert_eq!(site.send(&body).expect(200)["duplicates"], 0);
    let again = site.send(&body).expect(200);
    assert_eq!((&again["accepted"], &again["duplicates"]), (&json!(0), &json!(1)));
    let colleague = site.organisation.member(Stack::shared(), "technician").client;
    assert_eq!(site.send_as(&colleague, &body).expect(200)["duplicates"], 1, "from any user");
    assert_eq!(site.stored_changes(Stack::shared()), 2);
}

#[test]
fn a_second_change_under_one_actor_and_number_is_equivocation() {
    let site = Site::new();
    let mut device = Device::of(&site);
    let mut twin = device.clone();
    let one = device.set(&site.items[0], "outcome", "pass");
    let other = twin.set(&site.items[0], "outcome", "fail");
    site.send(&device.body(&[&one])).expect(200);
    site.send(&device.body(&[&other])).problem(409, "FIRE-409-EQUIVOCATION");
    assert_eq!(site.item(&site.items[0])["outcome"], "pass");
    let mut fresh = Device::of(&site);
    let mut twin = fresh.clone();
    let (one, other) =
        (fresh.set(&site.items[1], "outcome", "pass"), twin.set(&site.items[1], "outcome", "fail"));
    site.send(&fresh.body(&[&one, &other])).problem(409, "FIRE-409-EQUIVOCATION");
    assert_eq!(site.stored_changes(Stack::shared()), 2, "nothing of the request is stored");
}

#[test]
fn an_actor_belongs_to_the_user_who_brought_it() {
    let site = Site::new();
    let mut device = Device::of(&site);
    let first = device.set(&site.items[0], "outcome", "pass");
    site.send(&device.body(&[&first])).expect(200);
    let second = device.set(&site.items[0], "notes", "mine");
    let colleague = site.organisation.member(Stack::shared(), "technician").client;
    site.send_as(&colleague, &device.body(&[&second])).invalid(&["changes[0]"]);
    site.send(&device.body(&[&second])).expect(200);

    let clock = site.read()["vector_clock"].clone();
    let server = clock.as_object().unwrap().keys().find(|actor| **actor != device.actor()).unwrap().clone();
    let mut forged = Device::of(&site).with_actor(&server);
    let change = forged.set(&site.items[1], "outcome", "pass");
    site.send(&forged.body(&[&change])).invalid(&["changes[0]"]);
}

#[test]
fn a_change_that_cannot_be_read_is_named_and_nothing_of_its_request_is_stored() {
    let site = Site::new();
    let stored = site.stored_changes(Stack::shared());
    let mut device = Device::of(&site);
    let good = device.set(&site.items[0], "outcome", "pass");
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let trailing = [good.as_slice(), b"x"].concat();
    let document = Device::of(&site).set(&site.items[0], "notes", "x")[..12].to_vec();
    for bad in [&good[..good.len() - 1], &good[..20], &flipped, &trailing, &document, b"", b"not a change"] {
        let answer = site.send(&device.body(&[&good, bad])).problem(422, "FIRE-422");
        assert_eq!(answer.fields(), ["changes[1]"], "{bad:?}");
    }
    let large = device.set(&site.items[0], "notes", "x".repeat(1 << 20));
    site.send(&device.body(&[&good, &large])).invalid(&["changes[1]"]);
    assert_eq!(site.stored_changes(Stack::shared()), stored);
}

#[test]
fn two_devices_that_make_the_same_item_lose_neither() {
    let site = Site::new();
    let (mut first, mut second) = (Device::of(&site), Device::of(&site));
    let (one, other) = (first.add_item("found", "pass"), second.add_item("found", "fail"));
    site.send(&first.body(&[&one])).expect(200);
    let answer = site.send(&second.body(&[&other])).expect(200);
    let conflict = &answer["conflicts"][0];
    assert_eq!(conflict["path"], "/items/found");
    assert_eq!(conflict["winner"]["outcome"], "fail");
    assert_eq!(conflict["needs_review"], true);
    let values = conflict["values"].as_array().unwrap();
    let mut found: Vec<&str> =
        values.iter().map(|value| value["value"]["outcome"].as_str().unwrap()).collect();
    found.sort_unstable();
    assert_eq!(found, ["fail", "pass"]);
    assert_eq!(site.item("found")["outcome"], "fail");
}

#[test]
fn a_plain_string_and_a_text_object_are_the_same_value() {
    let site = Site::new();
    let item = &site.items[0];
    let (mut first, mut second) = (Device::of(&site), Device::of(&site));
    let changes = [
        first.set(item, "outcome", "pass"),
        first.set(item, "notes", "same"),
        second.set_text(item, "outcome", "pass"),
        second.set_text(item, "notes", "other"),
    ];
    let changes: Vec<&[u8]> = changes.iter().map(Vec::as_slice).collect();
    let answer = site.send(&first.body(&changes)).expect(200);
    let paths: Vec<&Value> =
        answer["conflicts"].as_array().unwrap().iter().map(|found| &found["path"]).collect();
    assert_eq!(paths, [&json!(format!("/items/{item}/notes"))], "both outcomes say the same");
    assert_eq!(site.item(item)["outcome"], "pass");
    assert!(["same", "other"].contains(&site.item(item)["notes"].as_str().unwrap()));
}

#[test]
fn raw_bytes_of_several_changes_are_taken() {
    let site = Site::new();
    let mut device = Device::of(&site);
    let first = device.set(&site.items[0], "outcome", "pass");
    let second = device.set(&site.items[1], "outcome", "fail");
    let send = |key: &str, bytes: Vec<u8>| {
        let request = site.admin.request("POST", &site.session("/results")).key(key);
        request.body("application/vnd.automerge", bytes).send()
    };
    let both = [first, second].concat();
    let key = new_key();
    assert_eq!(send(&key, both.clone()).expect(200)["accepted"], 2);
    assert_eq!(send(&key, both.clone()).expect(200).header("idempotent-replayed"), "true");
    assert_eq!(send(&new_key(), both.clone()).expect(200)["duplicates"], 2);
    send(&new_key(), both[..both.len() - 3].to_vec()).invalid(&["changes[1]"]);
    send(&new_key(), b"nonsense".to_vec()).invalid(&["changes[0]"]);
    assert_eq!(site.read()["heads"], json!(device.heads()));
}

#[test]
fn changes_and_operations_come_in_one_request() {
    let site = Site::new();
    let mut device = Device::of(&site);
    let change = device.set(&site.items[0], "outcome", "pass");
    let path = format!("{}/notes", site.items[0]);
    let operation = crate::support::site::operation("tablet", "set", &path, json!("both"));
    let body = json!({"changes": [base64(&change), operation], "_sync_meta": {"attempt": 2}});
    assert_eq!(site.send(&body).expect(200)["accepted"], 2);
    let item = site.item(&site.items[0]);
    assert_eq!((&item["outcome"], &item["notes"]), (&json!("pass"), &json!("both")));
}

#[test]
fn stored_rows_say_who_brought_what() {
    let stack = Stack::shared();
    let site = Site::new();
    let mut device = Device::of(&site);
    let change = device.set(&site.items[0], "outcome", "pass");
    site.send(&device.body(&[&change])).expect(200);
    let sql = "select hash, bytes, seq, encode(actor, 'hex'), user_id, device from session_changes
               where session_id = $1::text::uuid and seq = 1 and encode(actor, 'hex') = $2";
    let row = &stack.sql().rows(sql, &[&site.session_id, &device.actor()])[0];
    let (hash, bytes): (Vec<u8>, Vec<u8>) = (row.get(0), row.get(1));
    assert_eq!(bytes, change, "the bytes of a change are kept as they came");
    assert_eq!(data_encoding::HEXLOWER.encode(&hash), device.heads()[0]);
    assert_eq!(sha256_hex(&bytes[8..]), device.heads()[0], "a change is named by the hash of its content");
    assert_eq!(row.get::<_, uuid::Uuid>(4), site.organisation.user_id);
    assert_eq!(row.get::<_, Option<String>>(5), None);
}
