//! A session that takes more memory than there is for one is refused by itself, and harms nobody.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::site::{open_session, operation};
use crate::support::{Answer, Site, Stack, eventually, new_key};

/// Of the API process, which takes more without optimisation. About 180 MiB of it are for documents.
const CEILING: usize = 320 << 20;

/// A text of a device, well below what a change may have.
const TEXT_BYTES: usize = 700_000;

/// Sets notes of this size, as many as it takes to have so many bytes.
fn fill(site: &Site, bytes: usize) {
    for _ in 0..bytes / TEXT_BYTES {
        try_fill(site, &new_key()).expect(200);
    }
}

/// Sets a note of this size under this name.
fn try_fill(site: &Site, name: &str) -> Answer {
    let seed = name.bytes().fold(0, |seed: usize, byte| seed * 31 % 65_521 + usize::from(byte));
    let path = format!("{}/{name}", site.items[0]);
    let text: String = (0..TEXT_BYTES / 8).map(|word| format!("{:08x}", word * 40_503 + seed)).collect();
    site.send(&json!({"changes": [operation("tablet", "set", &path, json!(text))]}))
}

#[test]
fn a_session_that_does_not_fit_is_refused_with_what_can_be_had_instead() {
    // It was written where there was more memory.
    let before = Stack::start(&[]);
    let stack = before.beside(&[("FIREMODE__SUPERVISOR__API_MEMORY_BYTES_MAX", &CEILING.to_string())]);
    let written = Site::on(&before);
    let clock = URL_SAFE_NO_PAD.encode(written.read()["vector_clock"].to_string());
    fill(&written, 56 << 20);
    let site = Site { admin: stack.client().with_token(written.admin.token()), ..written };
    let small = Site { session_id: open_session(&site.admin, &site.building_id), ..site.clone() };
    for path in [site.session(""), site.session("/offline_bundle"), site.session("/history")] {
        let refused = site.admin.get(&path).problem(413, "FIRE-413-DOCUMENT");
        assert!(refused.text("/detail").contains("sync"), "{}", refused.json);
    }
    small.read();
    let list = site.admin.get("/v1/tests/sessions").expect(200);
    let row = list.data().iter().find(|row| row["id"] == site.session_id.as_str()).unwrap();
    assert_eq!(row["vector_clock"].as_object().unwrap().len(), 2);
    assert_eq!(site.admin.get(&site.session("/sync")).expect(200)["held_total"], 0);
    let earlier = site.admin.get(&site.session(&format!("?at={clock}"))).expect(200);
    assert_eq!(earlier["item_count"], 3);
    let path = format!("{}/notes", site.items[0]);
    let more = site.send(&json!({"changes": [operation("tablet", "set", &path, json!("more"))]}));
    assert!(more.problem(422, "FIRE-422").text("/detail").contains("full"));
    site.set_status("completed").expect(200);
}

#[test]
fn a_session_is_full_once_it_takes_what_there_is_for_one() {
    let stack = Stack::start(&[("FIREMODE__SUPERVISOR__API_MEMORY_BYTES_MAX", &CEILING.to_string())]);
    let site = Site::on(&stack);
    let mut near = Value::Null;
    let full = (0..100).find_map(|_| {
        let answer = try_fill(&site, &new_key());
        if answer.status == 200 {
            near = answer["near_limits"].clone();
        }
        (answer.status != 200).then_some(answer)
    });
    let refused = full.expect("it is full at some time");
    assert!(refused.problem(422, "FIRE-422").text("/detail").contains("another one"));
    assert!(near.as_array().unwrap().iter().any(|near| near["what"] == "bytes"), "{near}");
    // What could be written can be read, and taken along.
    for path in [site.session("/offline_bundle"), site.session(""), site.session("/offline_bundle")] {
        site.admin.get(&path).expect(200);
    }
}

#[test]
fn many_large_sessions_at_once_are_answered_or_asked_to_come_again() {
    const SESSIONS: usize = 8;
    let ceiling = CEILING.to_string();
    let stack = Stack::start(&[("FIREMODE__SUPERVISOR__API_MEMORY_BYTES_MAX", &ceiling)]);
    let site = Site::on(&stack);
    let sites: Vec<Site> = (0..SESSIONS)
        .map(|_| Site { session_id: open_session(&site.admin, &site.building_id), ..site.clone() })
        .collect();
    sites.iter().for_each(|site| fill(site, 12 << 20));
    let answers: Vec<(u16, Value)> = std::thread::scope(|scope| {
        let asked: Vec<_> = sites
            .iter()
            .map(|large| {
                scope.spawn(|| {
                    let answer = large.admin.get(&large.session(""));
                    let told = json!([!answer.header("retry-after").is_empty(), answer["error_code"]]);
                    (answer.status, told)
                })
            })
            .collect();
        (0..20).for_each(|_| drop(site.read()));
        asked.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(answers.iter().any(|(status, _)| *status == 200));
    assert!(
        answers
            .iter()
            .all(|(status, told)| *status == 200 || (*status == 503 && *told == json!([true, "FIRE-503"]))),
        "{answers:?}"
    );
    for large in &sites {
        eventually("it can be read by itself", || {
            (large.admin.get(&large.session("")).status == 200).then_some(())
        });
    }
}
