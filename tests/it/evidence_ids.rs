//! Ids of evidence that devices made, brought again: by a form, as JSON, in pieces, to several appliances, at once.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::site::open_session;
use crate::support::{Answer, Client, Form, Site, Stack, base64, new_key, sha256_hex};
use crate::uploads::{bytes, metadata, open_with, send};

/// What differs from evidence that is stored: a field of its form, and another value.
fn others(site: &Site) -> [(&'static str, String); 4] {
    [
        ("session_id", open_session(&site.admin, &site.building_id)),
        ("item_id", site.items[1].clone()),
        ("evidence_type", "document".to_owned()),
        ("sha256_hash", String::new()),
    ]
}

/// Evidence of an item under an id.
fn form(site: &Site, id: &str, file: &[u8]) -> Form {
    let form = Form::photo(&site.session_id, file).text("evidence_id", id).text("item_id", &site.items[0]);
    form.text("metadata", r#"{"device": "tablet", "reading": 1.0, "kept": null}"#)
}

fn new_id() -> String {
    Uuid::new_v4().to_string()
}

/// A refusal that says what is there, and names the fields that differ.
fn tells_what_is_stored(answer: Answer, fields: &[&str], first: &Answer, site: &Site) {
    let answer = answer.problem(409, "FIRE-409-EXISTS");
    assert_eq!(answer.fields(), fields);
    let detail = answer.text("/detail");
    for stored in [first.text("/hash").as_str(), &site.session_id, &site.items[0], "photo", "200 bytes"] {
        assert!(detail.contains(stored), "{stored}: {detail}");
    }
}

fn rows(site: &Site, table: &str) -> i64 {
    let sql = format!("select count(*) from {table} where organisation_id = $1");
    Stack::shared().sql().count(&sql, &[&site.organisation.id])
}

#[test]
fn the_same_evidence_again_is_given_its_first_receipt() {
    let site = Site::new();
    let (file, id) = (bytes(200), new_id());
    let first = form(&site, &id, &file).upload(&site.admin).expect(201);
    let again = form(&site, &id, &file).upload(&site.admin).expect(200);
    assert_eq!(again.json, first.json, "under another key");
    let metadata = r#"{"device": "phone", "reading": 1, "more": true}"#;
    let again = form(&site, &id, &file).replace("metadata", metadata).upload(&site.admin).expect(200);
    assert_eq!(again["receipt"], first["receipt"]);
    assert_eq!(again["metadata_differs"], json!(["device", "kept", "more"]));
    let read = site.admin.get(&format!("/v1/evidence/{id}")).expect(200);
    assert_eq!(
        read["metadata"],
        json!({"device": "tablet", "reading": 1.0, "kept": null}),
        "the first stays"
    );
    site.set_status("cancelled").expect(200);
    let again = form(&site, &id, &file).upload(&site.admin).expect(200);
    assert_eq!(again.json, first.json, "it is stored, though its session has changed");
    assert_eq!((rows(&site, "evidence"), rows(&site, "evidence_leases")), (1, 0));
}

#[test]
fn an_id_stands_for_one_content_of_one_session_item_and_type() {
    let site = Site::new();
    let (file, id) = (bytes(200), new_id());
    let first = form(&site, &id, &file).upload(&site.admin).expect(201);
    for (field, value) in others(&site) {
        let other = if field == "sha256_hash" {
            form(&site, &id, &bytes(200))
        } else {
            form(&site, &id, &file).replace(field, &value)
        };
        tells_what_is_stored(other.upload(&site.admin), &[field], &first, &site);
    }
    let without = form(&site, &id, &file).without("item_id");
    tells_what_is_stored(without.upload(&site.admin), &["item_id"], &first, &site);
    assert_eq!(
        (rows(&site, "evidence"), rows(&site, "evidence_blobs"), rows(&site, "evidence_leases")),
        (1, 1, 0)
    );
    let stranger = Site::new();
    form(&stranger, &id, &bytes(200)).upload(&stranger.admin).expect(201);
    assert_eq!(site.admin.get(&format!("/v1/evidence/{id}/content")).expect(200).body, file);
}

#[test]
fn it_is_the_same_as_json_and_in_pieces() {
    let site = Site::new();
    let (file, id) = (bytes(200), new_id());
    let first = form(&site, &id, &file).upload(&site.admin).expect(201);

    let as_json = |file: &[u8], item: &str| {
        let body = json!({
            "content": base64(file), "sha256_hash": sha256_hex(file), "session_id": site.session_id, "item_id": item,
            "evidence_id": id, "evidence_type": "photo", "metadata": {"device": "phone", "reading": 1, "kept": null},
        });
        site.admin.request("POST", "/v1/evidence").key(&new_key()).json(&body).send()
    };
    let again = as_json(&file, &site.items[0]).expect(200);
    assert_eq!((&again["receipt"], &again["metadata_differs"]), (&first["receipt"], &json!(["device"])));
    tells_what_is_stored(as_json(&bytes(200), &site.items[0]), &["sha256_hash"], &first, &site);
    tells_what_is_stored(as_json(&file, &site.items[1]), &["item_id"], &first, &site);

    let open = |file: &[u8], id: &str, item: &str| {
        let more = [
            ("evidence_id", id),
            ("item_id", item),
            ("metadata", r#"{"device": "phone", "reading": 1, "kept": null}"#),
        ];
        let fields = metadata(&site, file, &more).replace(&base64(b"video"), &base64(b"photo"));
        open_with(&site.admin, file.len(), &fields)
    };
    let path = open(&file, &id, &site.items[0]).expect(201).header("location").to_owned();
    let done = send(&site.admin, &path, 0, &file).expect(204);
    assert_eq!(done.header("evidence-receipt"), first.text("/receipt"));
    let upload = site.admin.get(&path).expect(200);
    assert_eq!(upload["evidence"]["metadata_differs"], json!(["device"]));
    tells_what_is_stored(open(&bytes(200), &id, &site.items[0]), &["sha256_hash"], &first, &site);
    tells_what_is_stored(open(&file, &id, &site.items[1]), &["item_id"], &first, &site);

    // Taken while the upload was on its way.
    let (other, id) = (bytes(300), new_id());
    let path = open(&other, &id, &site.items[0]).expect(201).header("location").to_owned();
    let first = form(&site, &id, &file).upload(&site.admin).expect(201);
    tells_what_is_stored(send(&site.admin, &path, 0, &other), &["sha256_hash"], &first, &site);
    site.admin.get(&path).problem(404, "FIRE-404");
    assert_eq!((rows(&site, "evidence"), rows(&site, "evidence_leases")), (2, 0));
}

#[test]
fn of_several_that_come_at_once_one_is_stored_and_the_others_are_told() {
    const ROUNDS: usize = 6;
    let stack = Stack::shared();
    let store = format!("file://{}", stack.folder().path().join("evidence").display());
    let beside = stack.beside(&[("FIREMODE__EVIDENCE__URL", &store)]);
    let site = Site::new();
    let there = beside.client().with_token(site.admin.token());
    for _ in 0..ROUNDS {
        let (id, files) = (new_id(), [bytes(200), bytes(200)]);
        let answers: Vec<Answer> = std::thread::scope(|scope| {
            let upload = |n: usize| {
                let client: &Client = if n.is_multiple_of(2) { &site.admin } else { &there };
                let form = form(&site, &id, &files[n / 2 % 2]);
                scope.spawn(move || form.upload(client))
            };
            let uploads: Vec<_> = (0..8).map(upload).collect();
            uploads.into_iter().map(|upload| upload.join().unwrap()).collect()
        });
        let count = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!((count(201), count(200), count(409)), (1, 3, 4), "{statuses:?}");
        let first = answers.iter().find(|answer| answer.status == 201).unwrap().json.clone();
        let hash = first["hash"].as_str().unwrap();
        for answer in answers {
            match answer.status {
                409 => assert!(answer.problem(409, "FIRE-409-EXISTS").text("/detail").contains(hash)),
                _ => assert_eq!(answer.json, first, "all have the first receipt"),
            }
        }
    }
    assert_eq!(rows(&site, "evidence"), ROUNDS as i64);
    assert_eq!(rows(&site, "evidence_blobs"), ROUNDS as i64);
}

#[test]
fn evidence_from_before_receipts_were_kept_is_given_one_that_verifies() {
    let site = Site::new();
    let (file, id) = (bytes(200), new_id());
    let first = form(&site, &id, &file).upload(&site.admin).expect(201);
    let forget = "update evidence set receipt = null where organisation_id = $1";
    Stack::shared().sql().rows(forget, &[&site.organisation.id]);
    let again = form(&site, &id, &file).upload(&site.admin).expect(200);
    assert_eq!(again["receipt"], first["receipt"], "signing is deterministic");
    let differs: &Value = &again["metadata_differs"];
    assert!(differs.is_null(), "{differs}");
}

#[test]
fn an_item_is_one_however_its_id_is_spelled() {
    let site = Site::new();
    let (file, id, item) = (bytes(200), new_id(), site.items[0].clone());
    let spellings =
        [item.to_uppercase(), item.replace('-', ""), format!("{{{item}}}"), format!("urn:uuid:{item}")];
    let first = form(&site, &id, &file).replace("item_id", &spellings[0]).upload(&site.admin).expect(201);
    let item_of = |id: &str| site.admin.get(&format!("/v1/evidence/{id}")).expect(200).text("/item_id");
    assert_eq!(item_of(&id), item);
    for spelling in &spellings {
        let again = form(&site, &id, &file).replace("item_id", spelling).upload(&site.admin).expect(200);
        assert_eq!(again["receipt"], first["receipt"], "{spelling}");
        let list = format!("{}?item_id={spelling}", site.session("/evidence"));
        let found = site.admin.get(&list.replace('{', "%7B").replace('}', "%7D")).expect(200);
        assert_eq!(found["data"][0]["item_id"], item, "{spelling}");
    }
    let other = bytes(201);
    let path = open_with(&site.admin, other.len(), &metadata(&site, &other, &[("item_id", &spellings[1])]));
    let path = path.expect(201).header("location").to_owned();
    let done = send(&site.admin, &path, 0, &other).expect(204);
    assert_eq!(item_of(done.header("evidence-id")), item);
    let new = new_id();
    let added = site.admin.post(&site.session("/items"), &json!({"id": new.to_uppercase()})).expect(201);
    assert_eq!(added["items"][0]["id"], new);
    site.admin.post(&site.session("/items"), &json!({ "id": new })).problem(409, "FIRE-409-EXISTS");
}
