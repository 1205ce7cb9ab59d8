//! `Idempotency-Key`.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::site::{new_building, operation};
use crate::support::{Answer, Client, Organisation, Site, Stack, eventually, new_key};

fn note(site: &Site, text: &str) -> Value {
    let path = format!("{}/remarks", site.items[0]);
    json!({"changes": [operation("tablet", "append", &path, json!(text))]})
}

fn send(client: &Client, site: &Site, key: &str, body: &Value) -> Answer {
    client.request("POST", &site.session("/results")).key(key).json(body).send()
}

#[test]
fn the_hot_path_needs_a_key() {
    let site = Site::new();
    let results = site.session("/results");
    site.admin.post(&results, &note(&site, "x")).problem(400, "FIRE-400");
    site.admin.request("POST", "/v1/evidence").json(&json!({})).send().problem(400, "FIRE-400");
    for bad in ["two words", &"x".repeat(256), "\"\"", "\u{fc}"] {
        send(&site.admin, &site, bad, &note(&site, "x")).problem(400, "FIRE-400");
    }
    assert_eq!(site.read()["status"], "pending", "nothing was stored");
}

#[test]
fn the_same_request_under_the_same_key_gives_the_first_answer_and_acts_once() {
    let site = Site::new();
    let (key, body) = (new_key(), note(&site, "once"));
    let first = send(&site.admin, &site, &key, &body).expect(200);
    assert_eq!(first.header("idempotent-replayed"), "");
    for key in [key.clone(), format!("\"{key}\"")] {
        let again = send(&site.admin, &site, &key, &body).expect(200);
        assert_eq!(again.header("idempotent-replayed"), "true");
        assert_eq!(again.body, first.body, "to the byte");
    }
    assert_eq!(site.item(&site.items[0])["remarks"], json!(["once"]));
    send(&site.admin, &site, &key, &note(&site, "other")).problem(422, "FIRE-422-IDEMPOTENCY");
    assert_eq!(site.item(&site.items[0])["remarks"], json!(["once"]));
}

#[test]
fn a_key_may_come_in_the_body() {
    let site = Site::new();
    let mut body = note(&site, "once");
    body["idempotency_key"] = new_key().into();
    let post = |body: &Value| site.admin.post(&site.session("/results"), body);
    post(&body).expect(200);
    assert_eq!(post(&body).expect(200).header("idempotent-replayed"), "true");
    send(&site.admin, &site, &new_key(), &body).problem(400, "FIRE-400");
    body["idempotency_key"] = "two words".into();
    post(&body).invalid(&["idempotency_key"]);
}

#[test]
fn a_key_is_good_for_its_user_and_its_path_alone() {
    let site = Site::new();
    let colleague = site.organisation.member(Stack::shared(), "technician").client;
    let (key, body) = (new_key(), note(&site, "each"));
    for client in [&site.admin, &colleague] {
        let answer = send(client, &site, &key, &body).expect(200);
        assert_eq!(answer.header("idempotent-replayed"), "");
    }
    let elsewhere = Site::of(site.organisation.clone());
    let answer = send(&site.admin, &elsewhere, &key, &note(&elsewhere, "each")).expect(200);
    assert_eq!(answer.header("idempotent-replayed"), "");
    assert_eq!(site.item(&site.items[0])["remarks"], json!(["each", "each"]));
}

#[test]
fn a_refused_request_leaves_its_key_free() {
    let site = Site::new();
    let key = new_key();
    send(&site.admin, &site, &key, &json!({"changes": [7]})).problem(422, "FIRE-422");
    let answer = send(&site.admin, &site, &key, &note(&site, "x")).expect(200);
    assert_eq!(answer.header("idempotent-replayed"), "");
}

#[test]
fn an_expired_key_may_be_used_again() {
    let site = Site::new();
    let key = new_key();
    send(&site.admin, &site, &key, &note(&site, "first")).expect(200);
    let sql = "update idempotency_keys set expires_at = now() where key = $1";
    Stack::shared().sql().rows(sql, &[&key]);
    let answer = send(&site.admin, &site, &key, &note(&site, "second")).expect(200);
    assert_eq!(answer.header("idempotent-replayed"), "");
    assert_eq!(site.item(&site.items[0])["remarks"], json!(["first", "second"]));
}

#[test]
fn every_other_post_honours_a_key() {
    let admin = Organisation::register(Stack::shared()).admin;
    let building = new_building(&admin);
    let asset = json!({"item_code": "EXT-PRESSURE", "section": 10, "label": "x", "location": "y"});
    let assets = format!("/v1/buildings/{building}/assets");
    let fault = json!({"item_code": "EXT-PRESSURE", "observed_condition": "pressure_low"});
    for (path, body) in [
        ("/v1/buildings", json!({"site_name": "A", "site_address": "B"})),
        (&assets, asset.clone()),
        (&assets, json!([asset, {}])),
        ("/v1/tests/sessions", json!({"building_id": building})),
        ("/v1/classify", fault.clone()),
        ("/v1/rules/classify_faults", json!([fault])),
    ] {
        let key = new_key();
        let post = |body: &Value| admin.request("POST", path).key(&key).json(body).send();
        let first = post(&body);
        assert!((200..300).contains(&first.status), "{path}: {}", first.json);
        let again = post(&body).expect(first.status);
        assert_eq!(again.json, first.json, "{path}");
        assert_eq!(again.header("idempotent-replayed"), "true", "{path}");
        let mut other = body.clone();
        match &mut other {
            Value::Array(rows) => rows.push(json!({})),
            other => other["metadata"] = json!({"other": true}),
        }
        if path == "/v1/buildings" {
            post(&other).problem(422, "FIRE-422-IDEMPOTENCY");
        }
    }
    let sessions = admin.get("/v1/tests/sessions").expect(200);
    assert_eq!(sessions.data().len(), 1);
    assert_eq!(admin.get(&assets).expect(200).data().len(), 2);
}

#[test]
fn of_many_requests_at_once_under_one_key_one_acts_and_the_others_wait_or_repeat() {
    let site = Site::new();
    let (key, body) = (new_key(), note(&site, "once"));
    let first = std::thread::scope(|scope| {
        let retry = || loop {
            let answer = send(&site.admin, &site, &key, &body);
            match answer.status {
                200 => return answer,
                409 => drop(answer.problem(409, "FIRE-409-IN-PROGRESS")),
                _ => drop(answer.problem(503, "FIRE-503")),
            }
        };
        let writers: Vec<_> = (0..8).map(|_| scope.spawn(retry)).collect();
        let answers: Vec<Answer> = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
        let fresh = answers.iter().filter(|answer| answer.header("idempotent-replayed").is_empty()).count();
        assert_eq!(fresh, 1);
        answers[0].clone()
    });
    assert_eq!(send(&site.admin, &site, &key, &body).expect(200).json, first.json);
    assert_eq!(site.item(&site.items[0])["remarks"], json!(["once"]));
}

#[test]
fn a_request_whose_key_another_instance_works_on_is_told_to_wait() {
    let stack = Stack::shared();
    let beside = stack.beside(&[]);
    let site = Site::new();
    let there = beside.client().with_token(site.admin.token());
    let (key, body) = (new_key(), note(&site, "once"));
    let blocker = stack.sql();
    blocker.rows("begin", &[]);
    blocker.rows("select 1 from test_sessions where id = $1::text::uuid for update", &[&site.session_id]);
    let blocker_pid: i32 = blocker.rows("select pg_backend_pid()", &[])[0].get(0);
    let watcher = stack.sql();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| send(&site.admin, &site, &key, &body));
        eventually("the first request waits for the session", || {
            let sql = "select count(*) from pg_stat_activity where $1 = any (pg_blocking_pids(pid))";
            (watcher.count(sql, &[&blocker_pid]) > 0).then_some(())
        });
        let second = send(&there, &site, &key, &body);
        blocker.rows("commit", &[]);
        first.join().unwrap().expect(200);
        second.problem(409, "FIRE-409-IN-PROGRESS");
    });
    assert_eq!(send(&there, &site, &key, &body).expect(200).header("idempotent-replayed"), "true");
}

#[test]
fn an_answer_that_is_there_is_given_also_while_another_instance_repeats_it() {
    let stack = Stack::shared();
    let site = Site::new();
    let (answered, open) = (new_key(), new_key());
    let first = send(&site.admin, &site, &answered, &note(&site, "once")).expect(200);
    // What an instance that works on either key would hold.
    let elsewhere = stack.sql();
    elsewhere.rows("begin", &[]);
    for key in [&answered, &open] {
        elsewhere.rows("select pg_advisory_xact_lock($1)", &[&lock_of(&site, key)]);
    }
    let again = send(&site.admin, &site, &answered, &note(&site, "once")).expect(200);
    assert_eq!((again.header("idempotent-replayed"), &again.json), ("true", &first.json));
    send(&site.admin, &site, &open, &note(&site, "twice")).problem(409, "FIRE-409-IN-PROGRESS");
    elsewhere.rows("commit", &[]);
    send(&site.admin, &site, &open, &note(&site, "twice")).expect(200);
}

/// The advisory lock of a key to the site's results: the first eight bytes of a hash over all that the key is bound to.
fn lock_of(site: &Site, key: &str) -> i64 {
    let mut hasher = Sha256::new();
    hasher.update(site.organisation.id.as_bytes());
    hasher.update(site.organisation.user_id.as_bytes());
    for part in ["POST", &site.session("/results"), key] {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let hash: [u8; 32] = hasher.finalize().into();
    i64::from_be_bytes(hash[..8].try_into().unwrap())
}
