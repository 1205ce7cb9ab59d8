//! What files are known as, what they are called, and parts of them.

use serde_json::json;

use crate::support::{Answer, Form, Site, base64, new_key, sha256_hex};
use crate::uploads::bytes;

/// The fields that every form of these tests has.
fn fields(site: &Site, file: &[u8]) -> [(&'static str, String); 3] {
    [
        ("session_id", site.session_id.clone()),
        ("evidence_type", "document".to_owned()),
        ("sha256_hash", sha256_hex(file)),
    ]
}

/// Sends a form that is written by hand: the head of the file's part is as it is given.
fn send(site: &Site, content_type: &str, boundary: &str, head: &[u8], file: &[u8]) -> Answer {
    let mut body = b"Preamble, which nobody reads.\r\n".to_vec();
    for (name, value) in fields(site, file) {
        let part = format!("--{boundary}\r\nContent-Disposition: form-data; name={name}\r\n\r\n{value}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    body.extend_from_slice(format!("--{boundary} \t\r\n").as_bytes());
    for part in [head, b"\r\n\r\n", file, format!("\r\n--{boundary}--\r\n").as_bytes()] {
        body.extend_from_slice(part);
    }
    site.admin.request("POST", "/v1/evidence").key(&new_key()).body(content_type, body).send()
}

fn disposition(site: &Site, uploaded: &Answer) -> String {
    let path = format!("/v1/evidence/{}/content", uploaded.text("/evidence_id"));
    site.admin.get(&path).expect(200).header("content-disposition").to_owned()
}

#[test]
fn types_follow_from_the_bytes_in_forms_json_and_uploads() {
    let site = Site::new();
    let heic = [&b"\0\0\0\x1cftypheis\0\0\0\0mif1heis"[..], &bytes(64)].concat();
    assert_eq!(
        Form::photo(&site.session_id, &heic).upload(&site.admin).expect(201)["content_type"],
        "image/heic"
    );
    let text = format!("Gauge of extinguisher 1: 320 kPa ({})", new_key());
    let body = json!({
        "content": base64(text.as_bytes()), "sha256_hash": sha256_hex(text.as_bytes()), "session_id": site.session_id,
        "evidence_type": "measurement", "metadata": {"filename": "readings.csv"},
    });
    let sent = site.admin.request("POST", "/v1/evidence").key(&new_key()).json(&body).send().expect(201);
    assert_eq!(sent["content_type"], "text/csv");
    assert_eq!(disposition(&site, &sent), "attachment; filename=\"readings.csv\"");
    let svg = format!("<svg xmlns='http://www.w3.org/2000/svg' id='{}' onload='alert(1)'/>", new_key());
    let sent = Form::photo(&site.session_id, svg.as_bytes()).upload(&site.admin).expect(201);
    assert_eq!(sent["content_type"], "application/octet-stream");
}

#[test]
fn forms_are_read_as_all_kinds_of_clients_write_them() {
    let site = Site::new();
    for (content_type, boundary, head, name) in [
        (
            "multipart/form-data; boundary=\"a boundary with blanks\"",
            "a boundary with blanks",
            &b"Content-Disposition: form-data; name=\"file\"; filename=\"T\xfcr 1.png\""[..],
            "T\u{fc}r 1.png",
        ),
        (
            "multipart/form-data; charset=utf-8; boundary=x",
            "x",
            b"Content-Length: 3\r\nContent-Disposition: form-data; name=file; filename=a.png",
            "a.png",
        ),
        (
            "Multipart/Form-Data;BOUNDARY=x",
            "x",
            b"content-disposition: form-data; filename=\"C:\\fakepath\\door.png\"; name=\"file\"\r\nContent-Length: 99999",
            "C:\\fakepath\\door.png",
        ),
    ] {
        let file = bytes(10_000);
        let sent = send(&site, content_type, boundary, head, &file).expect(201);
        let path = format!("/v1/evidence/{}", sent.text("/evidence_id"));
        assert_eq!(site.admin.get(&path).expect(200)["file_name"], name);
        assert_eq!(site.admin.get(&format!("{path}/content")).expect(200).body, file);
    }
    let hidden = "Content-Disposition: form-data; name=file; filename=\"a\u{200b}b.png\"".as_bytes();
    send(&site, "multipart/form-data; boundary=x", "x", hidden, &bytes(10)).invalid(&["filename"]);
    send(&site, "multipart/form-data", "x", b"", b"x").problem(400, "FIRE-400");
}

#[test]
fn a_file_is_given_back_under_its_name_with_an_extension() {
    let site = Site::new();
    let of = |name: &str| {
        let head = format!("Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"");
        disposition(
            &site,
            &send(&site, "multipart/form-data; boundary=x", "x", head.as_bytes(), &bytes(99)).expect(201),
        )
    };
    assert_eq!(of("door.png"), "attachment; filename=\"door.png\"");
    assert_eq!(of("C:\\photos\\door"), "attachment; filename=\"door.png\"");
    assert_eq!(of("../../etc/passwd"), "attachment; filename=\"passwd.png\"");
    assert_eq!(of("a\\\"b%41.png"), "attachment; filename=\"a_b_41.png\"; filename*=UTF-8''a%22b%2541.png");
    let unnamed = disposition(
        &site,
        &send(
            &site,
            "multipart/form-data; boundary=x",
            "x",
            b"Content-Disposition: form-data; name=\"file\"; filename=\"\"",
            &bytes(99),
        )
        .expect(201),
    );
    assert!(unnamed.ends_with(".png\""), "{unnamed}");
}

#[test]
fn a_range_is_given_only_of_the_bytes_that_the_client_has() {
    let site = Site::new();
    let file = bytes(100);
    let id = Form::photo(&site.session_id, &file).upload(&site.admin).expect(201).text("/evidence_id");
    let path = format!("/v1/evidence/{id}/content");
    let tag = site.admin.get(&path).expect(200).header("etag").to_owned();
    let ask = |if_range: &str| {
        site.admin.request("GET", &path).header("range", "bytes=10-19").header("if-range", if_range).send()
    };
    let part = ask(&tag).expect(206);
    assert_eq!((part.header("content-range"), &part.body[..]), ("bytes 10-19/100", &file[10..20]));
    for other in ["\"other\"", &format!("W/{tag}"), "Wed, 21 Oct 2026 07:28:00 GMT"] {
        assert_eq!(ask(other).expect(200).body, file, "{other}");
    }
    let outside = site.admin.request("GET", &path).header("range", "bytes=100-").send();
    assert_eq!(outside.problem(416, "FIRE-416").header("content-range"), "bytes */100");
}
