//! Evidence.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Form, Organisation, Site, Stack, base64, new_key, sha256_hex};

/// A photograph that no other test has.
fn photo() -> Vec<u8> {
    [b"\xff\xd8\xff\xe0".as_slice(), Uuid::new_v4().as_bytes()].concat()
}

/// Files that the store has of an organisation; parts of broken uploads count too.
fn stored_files(stack: &Stack, organisation: &Organisation) -> usize {
    let folder = stack.folder().path().join("evidence").join(organisation.id.to_string());
    fs::read_dir(folder).map_or(0, |entries| entries.count())
}

#[test]
fn a_photograph_is_kept_and_comes_back_as_it_was() {
    let site = Site::new();
    let bytes = photo();
    let evidence_id = Uuid::new_v4();
    let form = Form::photo(&site.session_id, &bytes)
        .text("item_id", &site.items[0])
        .text("evidence_id", &evidence_id.to_string())
        .text("metadata", r#"{"device": "tablet", "location": [1.5, 2]}"#);
    let answer = form.upload(&site.admin).expect(201);
    let hash = sha256_hex(&bytes);
    let wanted = json!({
        "evidence_id": evidence_id, "hash": hash, "size": bytes.len(), "content_type": "image/jpeg",
        "status": "verified", "receipt": answer["receipt"],
    });
    assert_eq!(answer.json, wanted);

    let path = format!("/v1/evidence/{evidence_id}");
    let read = site.admin.get(&path).expect(200);
    assert_eq!(read["metadata"], json!({"device": "tablet", "location": [1.5, 2]}));
    assert_eq!(read["session_id"], site.session_id);
    assert_eq!(read["item_id"], site.items[0]);
    assert_eq!(read["evidence_type"], "photo");
    assert_eq!(read["uploaded_by"], site.organisation.user_id.to_string());
    let content = site.admin.get(&format!("{path}/content")).expect(200);
    assert_eq!(content.body, bytes);
    assert_eq!(content.header("content-type"), "image/jpeg");
    assert_eq!(content.header("etag"), format!("\"{hash}\""));
    assert!(content.header("content-disposition").starts_with("attachment"));
    assert_eq!(content.header("x-content-type-options"), "nosniff");
    assert!(content.header("content-security-policy").starts_with("sandbox"));
    let verification = site.admin.get(&format!("{path}/verify")).expect(200);
    assert_eq!(verification["verified"], true);
    assert_eq!(verification["actual_hash"], hash);
}

#[test]
fn parts_of_the_content_can_be_asked_for() {
    let site = Site::new();
    let bytes = photo();
    let id = Form::photo(&site.session_id, &bytes).upload(&site.admin).expect(201).text("/evidence_id");
    let path = format!("/v1/evidence/{id}/content");
    let get = |name: &str, value: &str| site.admin.request("GET", &path).header(name, value).send();
    let size = bytes.len();
    for (range, part) in [("bytes=0-3", 0..4), ("bytes=4-", 4..size), ("bytes=-2", size - 2..size)] {
        let answer = get("range", range).expect(206);
        assert_eq!(answer.body, bytes[part.clone()], "{range}");
        let span = format!("bytes {}-{}/{size}", part.start, part.end - 1);
        assert_eq!(answer.header("content-range"), span);
    }
    get("range", &format!("bytes={size}-")).problem(416, "FIRE-416");
    assert_eq!(get("range", "lines=1-2").expect(200).body, bytes);
    let tag = format!("\"{}\"", sha256_hex(&bytes));
    assert!(get("if-none-match", &tag).expect(304).body.is_empty());
    let head = site.admin.request("HEAD", &path).send().expect(200);
    assert_eq!((head.header("content-length"), head.body.len()), (size.to_string().as_str(), 0));
}

#[test]
fn the_same_bytes_are_stored_once_for_a_tenant() {
    let stack = Stack::shared();
    let site = Site::new();
    let bytes = photo();
    let form = Form::photo(&site.session_id, &bytes);
    let first = form.upload(&site.admin).expect(201).text("/evidence_id");
    let second = form.upload(&site.admin).expect(201).text("/evidence_id");
    assert_ne!(first, second, "two pieces of evidence with one content");
    assert_eq!(stored_files(stack, &site.organisation), 1);
    let other = Site::new();
    Form::photo(&other.session_id, &bytes).upload(&other.admin).expect(201);
    assert_eq!(stored_files(stack, &other.organisation), 1, "tenants share nothing");
    for id in [first, second] {
        assert_eq!(site.admin.get(&format!("/v1/evidence/{id}/content")).expect(200).body, bytes);
    }
}

#[test]
fn the_same_bytes_at_once_are_stored_once() {
    let stack = Stack::shared();
    let site = Site::new();
    let form = Form::photo(&site.session_id, &photo());
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| form.upload(&site.admin).expect(201));
        }
    });
    assert_eq!(stored_files(stack, &site.organisation), 1);
    let sql = "select count(*) from evidence_blobs where organisation_id = $1";
    assert_eq!(stack.sql().count(sql, &[&site.organisation.id]), 1);
}

#[test]
fn a_retry_gives_the_first_answer_though_the_boundary_is_new() {
    let site = Site::new();
    let form = Form::photo(&site.session_id, &photo());
    let key = new_key();
    let first = form.upload_under(&site.admin, &key).expect(201);
    let again = form.upload_under(&site.admin, &key).expect(201);
    assert_eq!(again.json, first.json);
    assert_eq!(again.header("idempotent-replayed"), "true");
    let other = Form::photo(&site.session_id, &photo()).upload_under(&site.admin, &key);
    other.problem(422, "FIRE-422-IDEMPOTENCY");
    let other = form.replace("evidence_type", "document").upload_under(&site.admin, &key);
    other.problem(422, "FIRE-422-IDEMPOTENCY");
    assert_eq!(stored_files(Stack::shared(), &site.organisation), 1);
}

#[test]
fn bytes_with_another_hash_are_refused_and_not_kept() {
    let stack = Stack::shared();
    let site = Site::new();
    let form = Form::photo(&site.session_id, &photo()).replace("sha256_hash", &"0".repeat(64));
    form.upload(&site.admin).problem(422, "FIRE-422-HASH-MISMATCH");
    // More than the store takes at once, so that a part of it was written already.
    let large = vec![7; 3 << 20];
    let form = Form::photo(&site.session_id, &large).replace("sha256_hash", &"0".repeat(64));
    form.upload(&site.admin).problem(422, "FIRE-422-HASH-MISMATCH");
    assert_eq!(stored_files(stack, &site.organisation), 0);
    let sql = "select count(*) from evidence where organisation_id = $1";
    assert_eq!(stack.sql().count(sql, &[&site.organisation.id]), 0);
    let upper = sha256_hex(&large).to_uppercase();
    Form::photo(&site.session_id, &large).replace("sha256_hash", &upper).upload(&site.admin).expect(201);
}

#[test]
fn every_fault_of_a_form_is_named() {
    let site = Site::new();
    let form = Form::photo(&site.session_id, &photo());
    Form::default().text("item_id", "x").upload(&site.admin).invalid(&[
        "file",
        "sha256_hash",
        "session_id",
        "evidence_type",
    ]);
    for (name, value) in [
        ("sha256_hash", "beef"),
        ("session_id", "7"),
        ("evidence_type", "sculpture"),
        ("evidence_id", "mine"),
        ("item_id", ""),
        ("item_id", "a\nb"),
        ("metadata", "[1]"),
        ("metadata", "{"),
        ("evidence_typ", "photo"),
    ] {
        form.clone().replace(name, value).upload(&site.admin).invalid(&[name]);
    }
    form.clone().file(&photo()).upload(&site.admin).invalid(&["file"]);
    form.clone().text("evidence_type", "photo").upload(&site.admin).invalid(&["evidence_type"]);
    form.clone()
        .without("file")
        .file(b"")
        .replace("sha256_hash", &sha256_hex(b""))
        .upload(&site.admin)
        .invalid(&["file"]);
    let broken = site.admin.request("POST", "/v1/evidence").key(&new_key());
    broken
        .body("multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-d")
        .send()
        .problem(400, "FIRE-400");
    let text = site.admin.request("POST", "/v1/evidence").key(&new_key()).body("text/plain", "x");
    text.send().problem(415, "FIRE-415");
    assert_eq!(stored_files(Stack::shared(), &site.organisation), 0);
}

#[test]
fn small_evidence_may_come_as_json() {
    let site = Site::new();
    let bytes = photo();
    let body = json!({
        "content": base64(&bytes), "sha256_hash": sha256_hex(&bytes), "session_id": site.session_id,
        "evidence_type": "signature", "metadata": {"signed_by": "caretaker"},
    });
    let send = |body: &Value| site.admin.request("POST", "/v1/evidence").key(&new_key()).json(body).send();
    let id = send(&body).expect(201).text("/evidence_id");
    assert_eq!(site.admin.get(&format!("/v1/evidence/{id}/content")).expect(200).body, bytes);
    let with = |name: &str, value: Value| {
        let mut body = body.clone();
        body[name] = value;
        send(&body)
    };
    with("content", json!("***")).invalid(&["content"]);
    with("content", json!(base64(&vec![0; (1 << 20) + 1]))).problem(413, "FIRE-413");
    with("sha256_hash", json!("0".repeat(64))).problem(422, "FIRE-422-HASH-MISMATCH");
    with("contents", json!("x")).invalid(&["contents"]);
    assert_eq!(stored_files(Stack::shared(), &site.organisation), 1);
}

#[test]
fn evidence_belongs_to_a_session_that_takes_it() {
    let site = Site::new();
    let stack = Stack::shared();
    let nowhere = Form::photo(&Uuid::now_v7().to_string(), &photo());
    nowhere.upload(&site.admin).problem(404, "FIRE-404");
    // The file before the session: only at its end is it known where it belongs.
    let bytes = photo();
    let file_first = Form::default()
        .file(&bytes)
        .text("sha256_hash", &sha256_hex(&bytes))
        .text("evidence_type", "photo")
        .text("session_id", &Uuid::now_v7().to_string());
    file_first.upload(&site.admin).problem(404, "FIRE-404");
    file_first.replace("session_id", &site.session_id).upload(&site.admin).expect(201);
    site.complete();
    Form::photo(&site.session_id, &bytes).upload(&site.admin).expect(201);
    site.set_status("cancelled").expect(200);
    Form::photo(&site.session_id, &photo()).upload(&site.admin).problem(409, "FIRE-409-CANCELLED");
    assert_eq!(stored_files(stack, &site.organisation), 1);
}

#[test]
fn a_file_over_the_limit_is_refused_and_not_kept() {
    let low = Stack::shared().beside(&[("FIREMODE__INGEST__EVIDENCE_BYTES_MAX", "2048")]);
    let site = Site::on(&low);
    Form::photo(&site.session_id, &vec![1; 2048]).upload(&site.admin).expect(201);
    Form::photo(&site.session_id, &vec![1; 2049]).upload(&site.admin).problem(413, "FIRE-413");
    assert_eq!(stored_files(&low, &site.organisation), 1);
}

#[test]
fn bytes_that_changed_in_the_store_are_found_out() {
    let stack = Stack::shared();
    let site = Site::new();
    let id = Form::photo(&site.session_id, &photo()).upload(&site.admin).expect(201).text("/evidence_id");
    let sql = "select storage_key from evidence_blobs where organisation_id = $1";
    let key: String = stack.sql().rows(sql, &[&site.organisation.id])[0].get(0);
    let file = stack.folder().path().join("evidence").join(key);
    let verify = || {
        let answer = site.admin.get(&format!("/v1/evidence/{id}/verify")).expect(200);
        (answer["verified"].as_bool(), answer["actual_hash"].is_string())
    };
    assert_eq!(verify(), (Some(true), true));
    change(&file);
    assert_eq!(verify(), (Some(false), true));
    fs::remove_file(&file).unwrap();
    assert_eq!(verify(), (Some(false), false));
    site.admin.get(&format!("/v1/evidence/{id}/content")).problem(500, "FIRE-500");
}

fn change(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    bytes[5] ^= 1;
    fs::write(file, bytes).unwrap();
}

#[test]
fn evidence_is_listed_for_the_organisation_by_building_session_and_flag() {
    let site = Site::new();
    let upload = |session_id: &str| {
        Form::photo(session_id, &photo()).upload(&site.admin).expect(201).text("/evidence_id")
    };
    let first = upload(&site.session_id);
    let second = upload(&site.session_id);
    let building_id = crate::support::site::new_building(&site.admin);
    let elsewhere = upload(&crate::support::site::open_session(&site.admin, &building_id));
    let reason = json!({"reason": "Another door."});
    site.admin.post(&format!("/v1/evidence/{second}/flag"), &reason).expect(200);
    let ids = |filter: &str| -> Vec<String> {
        let page = site.admin.get(&format!("/v1/evidence{filter}")).expect(200);
        page.data().iter().map(|evidence| evidence["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(""), [&*elsewhere, &*second, &*first]);
    assert_eq!(ids("?flagged=true"), [&*second]);
    assert_eq!(ids("?flagged=false"), [&*elsewhere, &*first]);
    assert_eq!(ids(&format!("?building_id={building_id}")), [&*elsewhere]);
    assert_eq!(ids(&format!("?building_id={}&flagged=true", site.building_id)), [&*second]);
    assert_eq!(ids(&format!("?session_id={}", site.session_id)), [&*second, &*first]);
    assert_eq!(
        ids(&format!("?session_id={}&building_id={building_id}", site.session_id)),
        Vec::<String>::new()
    );
    site.admin.post(&format!("/v1/evidence/{second}/unflag"), &reason).expect(200);
    assert_eq!(ids("?flagged=true"), Vec::<String>::new());
    let page = site.admin.get("/v1/evidence?limit=2").expect(200);
    let rest =
        site.admin.get(&format!("/v1/evidence?limit=2&cursor={}", page.text("/next_cursor"))).expect(200);
    assert_eq!((rest.data()[0]["id"].as_str(), &rest["next_cursor"]), (Some(&*first), &Value::Null));
    let stranger = Organisation::register(Stack::shared()).admin;
    for filter in [
        "",
        "?flagged=true",
        &format!("?building_id={building_id}"),
        &format!("?session_id={}", site.session_id),
    ] {
        assert_eq!(stranger.get(&format!("/v1/evidence{filter}")).expect(200).data().len(), 0, "{filter}");
    }
    site.admin.get("/v1/evidence?flagged=1").invalid(&["flagged"]);
}
