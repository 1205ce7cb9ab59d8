//! Resumable uploads of a length that is said later, and in parts that are uploaded side by side; what tus asks of every answer.

use serde_json::json;

use crate::support::{Answer, Client, Site, Stack, base64, new_key, sha256_hex};
use crate::uploads::{bytes, head, metadata, offset, open, open_with, send};

const UPLOADS: &str = "/v1/evidence/uploads";

/// Opens an upload with these headers.
fn open_as(client: &Client, headers: &[(&str, &str)]) -> Answer {
    let request = client.request("POST", UPLOADS).header("tus-resumable", "1.0.0");
    headers.iter().fold(request, |request, (name, value)| request.header(name, value)).send()
}

/// Sends a chunk and says with it how long the file is.
fn send_last(client: &Client, path: &str, offset: usize, chunk: &[u8], length: usize) -> Answer {
    let request = client.request("PATCH", path).header("tus-resumable", "1.0.0");
    let request =
        request.header("upload-offset", &offset.to_string()).header("upload-length", &length.to_string());
    request.body("application/offset+octet-stream", chunk).send()
}

fn open_deferred(site: &Site, file: &[u8]) -> String {
    let said = metadata(site, file, &[]);
    let opened =
        open_as(&site.admin, &[("upload-defer-length", "1"), ("upload-metadata", &said)]).expect(201);
    assert_eq!(opened["length"], json!(null));
    opened.header("location").to_owned()
}

/// Uploads a part of a file; gives its path.
fn part(site: &Site, bytes: &[u8]) -> String {
    let length = bytes.len().to_string();
    let opened =
        open_as(&site.admin, &[("upload-concat", "partial"), ("upload-length", &length)]).expect(201);
    let path = opened.header("location").to_owned();
    let sent = send(&site.admin, &path, 0, bytes).expect(204);
    assert_eq!((offset(&sent), sent.header("evidence-id")), (bytes.len(), ""));
    path
}

fn join(site: &Site, parts: &[&str], said: &str) -> Answer {
    let concat = format!("final;{}", parts.join(" "));
    open_as(&site.admin, &[("upload-concat", &concat), ("upload-metadata", said)])
}

#[test]
fn a_length_may_be_said_with_the_last_bytes_or_after_them() {
    let site = Site::new();
    for is_said_after in [false, true] {
        let file = bytes(9_000);
        let path = open_deferred(&site, &file);
        send(&site.admin, &path, 0, &file[..4_000]).expect(204);
        let shown = head(&site.admin, &path).expect(200);
        assert_eq!((shown.header("upload-defer-length"), shown.header("upload-length")), ("1", ""));
        let last = match is_said_after {
            false => send_last(&site.admin, &path, 4_000, &file[4_000..], 9_000).expect(204),
            true => {
                send(&site.admin, &path, 4_000, &file[4_000..]).expect(204);
                assert_eq!(head(&site.admin, &path).expect(200).header("evidence-id"), "");
                send_last(&site.admin, &path, 9_000, b"", 9_000).expect(204)
            }
        };
        let content = format!("/v1/evidence/{}/content", last.header("evidence-id"));
        assert_eq!(site.admin.get(&content).expect(200).body, file);
        assert_eq!(head(&site.admin, &path).expect(200).header("upload-length"), "9000");
    }
}

#[test]
fn a_length_that_is_said_stays_and_has_to_fit() {
    let site = Site::new();
    let file = bytes(100);
    let path = open_deferred(&site, &file);
    send(&site.admin, &path, 0, &file[..50]).expect(204);
    send_last(&site.admin, &path, 50, b"x", 49).invalid(&["Upload-Length"]);
    send_last(&site.admin, &path, 50, b"x", 104_857_601).problem(413, "FIRE-413");
    send_last(&site.admin, &path, 50, &file[50..60], 100).expect(204);
    send_last(&site.admin, &path, 60, b"x", 101).invalid(&["Upload-Length"]);
    send(&site.admin, &path, 60, &bytes(41)).problem(413, "FIRE-413");
    let last = send(&site.admin, &path, 60, &file[60..]).expect(204);
    assert!(!last.header("evidence-id").is_empty());
    let said = metadata(&site, &file, &[]);
    for lengths in
        [&[("upload-defer-length", "2")][..], &[("upload-defer-length", "1"), ("upload-length", "9")]]
    {
        let headers = [lengths, &[("upload-metadata", &said)]].concat();
        open_as(&site.admin, &headers).problem(400, "FIRE-400");
    }
}

#[test]
fn parts_that_were_uploaded_side_by_side_become_one_file() {
    let site = Site::new();
    let file = bytes(20_000);
    let (first, second) = (part(&site, &file[..12_000]), part(&site, &file[12_000..]));
    assert_eq!(head(&site.admin, &first).expect(200).header("upload-concat"), "partial");
    let said = metadata(&site, &file, &[("filename", "door.png")]);
    // Clients give the address as they know it.
    let whole = format!("{}{second}/", Stack::shared().base_url());
    let joined = join(&site, &[&first, &whole], &said).expect(201);
    let (path, id) = (joined.header("location").to_owned(), joined.header("evidence-id").to_owned());
    assert_eq!(site.admin.get(&format!("/v1/evidence/{id}/content")).expect(200).body, file);
    let shown = head(&site.admin, &path).expect(200);
    assert_eq!((offset(&shown), shown.header("upload-length")), (20_000, "20000"));
    assert_eq!((shown.header("upload-metadata"), shown.header("evidence-id")), (said.as_str(), id.as_str()));
    assert!(shown.header("upload-concat").starts_with("final;"));
    head(&site.admin, &first).expect(404);
    send(&site.admin, &path, 20_000, b"").problem(403, "FIRE-403");

    // The answer was lost.
    let again = join(&site, &[&first, &whole], &said).expect(201);
    assert_eq!((again.header("location"), again.header("evidence-id")), (path.as_str(), id.as_str()));
    assert_eq!(again.header("idempotent-replayed"), "true");
    join(&site, &[&first, &whole], &metadata(&site, &file, &[])).problem(409, "FIRE-409-EXISTS");
    let count = "select count(*) from evidence where organisation_id = $1";
    assert_eq!(Stack::shared().sql().count(count, &[&site.organisation.id]), 1);
    let parts = "select count(*) from evidence_upload_parts where organisation_id = $1";
    assert_eq!(Stack::shared().sql().count(parts, &[&site.organisation.id]), 0);
}

#[test]
fn only_whole_parts_of_ones_own_are_put_together() {
    let site = Site::new();
    let file = bytes(200);
    let whole = part(&site, &file[..100]);
    let said = metadata(&site, &file, &[]);
    let begun = open_as(&site.admin, &[("upload-concat", "partial"), ("upload-length", "100")]).expect(201);
    let other = part(&Site::new(), b"of somebody else");
    let alone = open(&site, &file);
    for wrong in [begun.header("location"), other.as_str(), alone.as_str()] {
        join(&site, &[&whole, wrong], &said).invalid(&["Upload-Concat"]);
    }
    for wrong in ["final;", "final;nowhere", "Partial", "final /v1/evidence/uploads/x"] {
        let answer = open_as(
            &site.admin,
            &[("upload-concat", wrong), ("upload-length", "1"), ("upload-metadata", &said)],
        );
        answer.invalid(&["Upload-Concat"]);
    }
    // The parts stay for another try where the whole is not what was said.
    let rest = part(&site, &bytes(100));
    join(&site, &[&whole, &rest], &said).problem(422, "FIRE-422-HASH-MISMATCH");
    join(&site, &[&whole, &rest], "").invalid(&["sha256_hash", "session_id", "evidence_type"]);
    assert_eq!(offset(&head(&site.admin, &whole).expect(200)), 100);
}

#[test]
fn a_method_may_be_said_in_a_header() {
    let site = Site::new();
    let file = bytes(100);
    let path = open(&site, &file);
    let as_post = |method: &str| {
        let request = site.admin.request("POST", &path).header("x-http-method-override", method);
        request.header("tus-resumable", "1.0.0").header("upload-offset", "0")
    };
    as_post("PATCH").body("application/offset+octet-stream", &file[..40]).send().expect(204);
    assert_eq!(offset(&as_post("HEAD").send().expect(200)), 40);
    as_post("PUT").send().problem(405, "FIRE-405");
    as_post("not a method").send().problem(405, "FIRE-405");
    as_post("DELETE").send().expect(204);
    head(&site.admin, &path).expect(404);
    // Elsewhere a method is what it is: nothing that looks at it before us is led astray.
    let elsewhere = site.admin.request("GET", "/v1/buildings").header("x-http-method-override", "POST");
    elsewhere.send().expect(200);
}

#[test]
fn every_answer_says_which_version_it_speaks() {
    let site = Site::new();
    let nowhere = format!("{UPLOADS}/{}", uuid::Uuid::now_v7());
    let anybody = Stack::shared().client();
    let answers = [
        open_with(&site.admin, 0, ""),
        head(&site.admin, &nowhere),
        anybody.request("POST", UPLOADS).send(),
        site.admin.request("PUT", UPLOADS).send(),
        open_with(&site.admin, 9, &metadata(&site, b"x", &[])),
    ];
    for answer in answers {
        assert_eq!(answer.header("tus-resumable"), "1.0.0", "{}: {}", answer.what, answer.status);
        assert_eq!(answer.header("tus-version"), "", "{}: {}", answer.what, answer.status);
    }
    let path = open(&site, &bytes(10));
    let old =
        |method: &str, path: &str| site.admin.request(method, path).header("tus-resumable", "0.2.2").send();
    for answer in [old("POST", UPLOADS), old("HEAD", &path), old("PATCH", &path), old("DELETE", &path)] {
        let answer = answer.expect(412);
        assert_eq!(answer.header("tus-version"), "1.0.0", "{}", answer.what);
    }
    assert_eq!(site.admin.get("/v1/buildings").header("tus-resumable"), "");
}

#[test]
fn whatever_a_client_says_of_its_file_is_kept_and_given_back() {
    let site = Site::new();
    let file = bytes(100);
    let said = format!(
        "{},name {},type,relativePath ,caption {}",
        metadata(&site, &file, &[("metadata", r#"{"caption": "stays", "device": "tablet"}"#)]),
        base64("  T\u{fc}r  1.png ".as_bytes()),
        base64(b"does not"),
    );
    let opened = open_with(&site.admin, 100, &said).expect(201);
    assert!(opened.header("upload-expires").ends_with(" GMT"));
    let path = opened.header("location").to_owned();
    assert_eq!(head(&site.admin, &path).expect(200).header("upload-metadata"), said);
    let last = send(&site.admin, &path, 0, &file).expect(204);
    let evidence = site.admin.get(&format!("/v1/evidence/{}", last.header("evidence-id"))).expect(200);
    let kept = json!({"name": "T\u{fc}r 1.png", "type": "", "relativePath": "", "caption": "stays", "device": "tablet"});
    assert_eq!(evidence["metadata"], kept);
    // What is a field of the form has its rules here too, and what is kept is text.
    let wrong = format!("{},item_id ,a ***,b {}", metadata(&site, &file, &[]), base64(b"a\0b"));
    open_with(&site.admin, 100, &wrong).invalid(&["item_id", "a", "b"]);
}

#[test]
fn a_key_makes_the_joining_of_parts_happen_once() {
    let site = Site::new();
    let file = bytes(100);
    let path = part(&site, &file);
    let (key, said) = (new_key(), metadata(&site, &file, &[("filename", &sha256_hex(&file))]));
    let join = || {
        let request = site.admin.request("POST", UPLOADS).key(&key).header("tus-resumable", "1.0.0");
        request.header("upload-concat", &format!("final;{path}")).header("upload-metadata", &said).send()
    };
    let first = join().expect(201);
    // Also when the upload itself is gone: a key lives longer.
    let gone = "update evidence_uploads set expires_at = now() where organisation_id = $1";
    Stack::shared().sql().rows(gone, &[&site.organisation.id]);
    let again = join().expect(201);
    assert_eq!((again.header("location"), &again.json), (first.header("location"), &first.json));
    assert_eq!(again.header("idempotent-replayed"), "true");
}
