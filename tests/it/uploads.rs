//! Resumable uploads: the protocol by hand, and the official client through kills.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::processes::{child_named, kill_hard};
use crate::support::stack::repository_file;
use crate::support::{Answer, Client, Folder, Form, Site, Stack, base64, eventually, new_key, sha256_hex};

const UPLOADS: &str = "/v1/evidence/uploads";

/// `Upload-Metadata` of a file.
pub(crate) fn metadata(site: &Site, bytes: &[u8], more: &[(&str, &str)]) -> String {
    let hash = sha256_hex(bytes);
    let required =
        [("sha256_hash", hash.as_str()), ("session_id", &site.session_id), ("evidence_type", "video")];
    let pair = |(name, value): &(&str, &str)| format!("{name} {}", base64(value.as_bytes()));
    required.iter().chain(more).map(pair).collect::<Vec<_>>().join(",")
}

pub(crate) fn open_with(client: &Client, length: usize, metadata: &str) -> Answer {
    let request = client.request("POST", UPLOADS).header("tus-resumable", "1.0.0");
    request.header("upload-length", &length.to_string()).header("upload-metadata", metadata).send()
}

/// Opens an upload of these bytes; gives its path.
pub(crate) fn open(site: &Site, bytes: &[u8]) -> String {
    let answer = open_with(&site.admin, bytes.len(), &metadata(site, bytes, &[])).expect(201);
    answer.header("location").to_owned()
}

/// An upload of which a part is there.
pub(crate) fn leave_half_done(site: &Site) {
    let file = bytes(100);
    send(&site.admin, &open(site, &file), 0, &file[..50]).expect(204);
}

pub(crate) fn send(client: &Client, path: &str, offset: usize, bytes: &[u8]) -> Answer {
    send_with(client, path, offset, bytes, &[])
}

fn send_with(client: &Client, path: &str, offset: usize, bytes: &[u8], headers: &[(&str, &str)]) -> Answer {
    let request = client.request("PATCH", path).header("tus-resumable", "1.0.0");
    let request = request.header("upload-offset", &offset.to_string());
    let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    request.body("application/offset+octet-stream", bytes).send()
}

pub(crate) fn head(client: &Client, path: &str) -> Answer {
    client.request("HEAD", path).header("tus-resumable", "1.0.0").send()
}

pub(crate) fn offset(answer: &Answer) -> usize {
    answer.header("upload-offset").parse().unwrap()
}

/// Bytes that no other test has.
pub(crate) fn bytes(count: usize) -> Vec<u8> {
    let seed = new_key();
    let noise = seed.bytes().cycle().zip(0_u32..).map(|(byte, at)| byte ^ at.to_le_bytes()[1]);
    b"\x89PNG\r\n\x1a\n".iter().copied().chain(noise).take(count).collect()
}

/// Objects that the database knows of an organisation, used or not, beside leases.
fn known(site: &Site, table: &str) -> i64 {
    let sql = format!("select count(*) from {table} where organisation_id = $1");
    Stack::shared().sql().count(&sql, &[&site.organisation.id])
}

#[test]
fn what_uploads_can_do_is_told_to_anybody() {
    let answer = Stack::shared().client().request("OPTIONS", UPLOADS).send().expect(204);
    for (name, value) in [
        ("tus-resumable", "1.0.0"),
        ("tus-version", "1.0.0"),
        ("tus-extension", "creation,creation-defer-length,expiration,checksum,termination,concatenation"),
        ("tus-max-size", "104857600"),
        ("tus-checksum-algorithm", "sha1,sha256"),
    ] {
        assert_eq!(answer.header(name), value, "{name}");
    }
}

#[test]
fn a_file_comes_in_chunks_and_becomes_evidence_with_the_last() {
    let site = Site::new();
    let file = bytes(20_000);
    let id = uuid::Uuid::new_v4().to_string();
    let more = [
        ("evidence_id", id.as_str()),
        ("item_id", &site.items[0]),
        ("filename", "door.png"),
        ("filetype", "x"),
    ];
    let opened = open_with(&site.admin, file.len(), &metadata(&site, &file, &more)).expect(201);
    let path = opened.header("location").to_owned();
    assert_eq!(path, format!("{UPLOADS}/{}", opened.id()));
    let first = send(&site.admin, &path, 0, &file[..7_000]).expect(204);
    assert_eq!((offset(&first), first.header("evidence-id")), (7_000, ""));
    assert!(first.header("upload-expires").ends_with(" GMT"));
    let status = head(&site.admin, &path).expect(200);
    assert_eq!((offset(&status), status.header("upload-length")), (7_000, "20000"));
    assert_eq!(status.header("cache-control"), "no-store");
    site.admin.get(&format!("/v1/evidence/{id}")).problem(404, "FIRE-404");

    // Any instance goes on with it: nothing of it is in memory.
    let store = format!("file://{}", Stack::shared().folder().path().join("evidence").display());
    let beside = Stack::shared().beside(&[
        ("FIREMODE__EVIDENCE__URL", &store),
        ("JWT_SECRET_KEY", &Stack::shared().folder().secret("jwt_secret_key")),
        ("RECEIPT_SIGNING_KEY", &Stack::shared().folder().secret("receipt_signing_key")),
    ]);
    let there = beside.client().with_token(site.admin.token());
    send(&there, &path, 7_000, &file[7_000..15_000]).expect(204);
    let last = send(&site.admin, &path, 15_000, &file[15_000..]).expect(204);
    assert_eq!((last.header("evidence-id"), offset(&last)), (id.as_str(), file.len()));
    let shown = site.admin.get(&path).expect(200);
    assert_eq!(shown["evidence"]["receipt"], last.header("evidence-receipt"));
    assert_eq!(head(&site.admin, &path).expect(200).header("evidence-id"), id, "for an answer that was lost");

    let evidence = site.admin.get(&format!("/v1/evidence/{id}")).expect(200);
    assert_eq!(evidence["content_type"], "image/png");
    assert_eq!(evidence["item_id"], site.items[0]);
    assert_eq!(evidence["metadata"], json!({"filename": "door.png", "filetype": "x"}));
    assert_eq!(site.admin.get(&format!("/v1/evidence/{id}/content")).expect(200).body, file);
    assert_eq!((known(&site, "evidence_upload_parts"), known(&site, "evidence_leases")), (0, 0));
    // It is one of the tenant's contents like any other.
    Form::photo(&site.session_id, &file).upload(&site.admin).expect(201);
    assert_eq!(known(&site, "evidence_blobs"), 1);
}

#[test]
fn a_chunk_in_the_wrong_place_or_with_another_checksum_is_refused() {
    let site = Site::new();
    let file = b"0123hello";
    let path = open(&site, file);
    send(&site.admin, &path, 3, &file[3..]).problem(409, "FIRE-409-OFFSET");
    let with = |offset: usize, part: &[u8], checksum: &str| {
        send_with(&site.admin, &path, offset, part, &[("upload-checksum", checksum)])
    };
    let (first, rest) = file.split_at(4);
    with(0, first, &format!("sha1 {}", base64(&[0; 20]))).problem(460, "FIRE-460");
    with(0, first, "crc32 AAAA").problem(400, "FIRE-400");
    with(0, first, "sha256 ***").problem(400, "FIRE-400");
    assert_eq!(offset(&head(&site.admin, &path).expect(200)), 0);
    let sha256 = base64(&<sha2::Sha256 as sha2::Digest>::digest(first));
    with(0, first, &format!("sha256 {sha256}")).expect(204);
    send(&site.admin, &path, 0, first).problem(409, "FIRE-409-OFFSET");
    // printf hello | openssl sha1 -binary | base64
    let last = with(4, rest, "sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00=").expect(204);
    let id = last.header("evidence-id");
    assert_eq!(send(&site.admin, &path, 9, b"").expect(204).header("evidence-id"), id, "sent again");
    assert_eq!((known(&site, "evidence"), known(&site, "evidence_leases")), (1, 0));
}

#[test]
fn every_fault_of_a_request_is_named() {
    let site = Site::new();
    let file = bytes(100);
    let good = metadata(&site, &file, &[]);
    let at = |headers: &[(&str, &str)]| {
        let request = site.admin.request("POST", UPLOADS);
        headers.iter().fold(request, |request, (name, value)| request.header(name, value)).send()
    };
    let tus = ("tus-resumable", "1.0.0");
    at(&[("upload-length", "1"), ("upload-metadata", &good)]).problem(412, "FIRE-412");
    at(&[("tus-resumable", "0.2.2"), ("upload-length", "1")]).problem(412, "FIRE-412");
    at(&[tus, ("upload-metadata", &good)]).problem(400, "FIRE-400");
    at(&[tus, ("upload-length", "-1"), ("upload-metadata", &good)]).problem(400, "FIRE-400");
    at(&[tus, ("upload-length", "0"), ("upload-metadata", &good)]).invalid(&["Upload-Length"]);
    at(&[tus, ("upload-length", "104857601"), ("upload-metadata", &good)]).problem(413, "FIRE-413");
    at(&[tus, ("upload-length", "1")]).invalid(&["sha256_hash", "session_id", "evidence_type"]);
    let both = format!("{good},item_id ***,colour red");
    at(&[tus, ("upload-length", "1"), ("upload-metadata", &both)]).invalid(&["item_id", "colour"]);
    let nowhere = Site { session_id: uuid::Uuid::now_v7().to_string(), ..site.clone() };
    open_with(&site.admin, 1, &metadata(&nowhere, &file, &[])).problem(404, "FIRE-404");

    let path = open(&site, &file);
    let patch = |headers: &[(&str, &str)], content_type: &str| {
        let request = site.admin.request("PATCH", &path);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        request.body(content_type, "x").send()
    };
    let octets = "application/offset+octet-stream";
    patch(&[("upload-offset", "0")], octets).problem(412, "FIRE-412");
    patch(&[tus], octets).problem(400, "FIRE-400");
    patch(&[tus, ("upload-offset", "0")], "text/plain").problem(415, "FIRE-415");
    send(&site.admin, &path, 0, &bytes(101)).problem(413, "FIRE-413");
    send(&site.admin, &format!("{UPLOADS}/{}", uuid::Uuid::now_v7()), 0, b"x").problem(404, "FIRE-404");
    assert_eq!(offset(&head(&site.admin, &path).expect(200)), 0);
}

#[test]
fn a_file_with_another_hash_is_refused_and_nothing_is_kept() {
    let site = Site::new();
    let (file, other) = (bytes(1_000), bytes(1_000));
    let path = open(&site, &file);
    send(&site.admin, &path, 0, &other[..500]).expect(204);
    send(&site.admin, &path, 500, &other[500..]).problem(422, "FIRE-422-HASH-MISMATCH");
    head(&site.admin, &path).expect(404);
    for table in
        ["evidence", "evidence_blobs", "evidence_uploads", "evidence_upload_parts", "evidence_leases"]
    {
        assert_eq!(known(&site, table), 0, "{table}");
    }
}

#[test]
fn an_upload_belongs_to_who_began_it_and_ends_when_wanted() {
    let (stack, site) = (Stack::shared(), Site::new());
    let colleague = site.organisation.member(stack, "technician").client;
    let file = bytes(100);
    let path = open(&site, &file);
    send(&site.admin, &path, 0, &file[..50]).expect(204);
    for stranger in [&colleague, &Site::new().admin] {
        head(stranger, &path).expect(404);
        send(stranger, &path, 50, &file[50..]).problem(404, "FIRE-404");
        stranger.request("DELETE", &path).header("tus-resumable", "1.0.0").send().problem(404, "FIRE-404");
    }
    site.admin.request("DELETE", &path).header("tus-resumable", "1.0.0").send().expect(204);
    head(&site.admin, &path).expect(404);
    assert_eq!((known(&site, "evidence_upload_parts"), known(&site, "evidence_leases")), (0, 0));
}

#[test]
fn a_retry_opens_one_upload_and_open_ones_are_bounded() {
    let low = Stack::shared().beside(&[("FIREMODE__EVIDENCE__UPLOADS_OPEN_MAX", "1")]);
    let site = Site::on(&low);
    let file = bytes(10);
    let key = new_key();
    let begin = || {
        let request = site.admin.request("POST", UPLOADS).key(&key).header("tus-resumable", "1.0.0");
        request.header("upload-length", "10").header("upload-metadata", &metadata(&site, &file, &[])).send()
    };
    let first = begin().expect(201);
    let again = begin().expect(201);
    assert_eq!((again.header("location"), &again.json), (first.header("location"), &first.json));
    open_with(&site.admin, 10, &metadata(&site, &file, &[])).problem(409, "FIRE-409-UPLOADS-OPEN");
    let stopped = "update evidence_uploads set expires_at = now() where organisation_id = $1";
    low_sql(stopped, &site);
    head(&site.admin, first.header("location")).expect(404);
    open_with(&site.admin, 10, &metadata(&site, &file, &[])).expect(201);
}

fn low_sql(sql: &str, site: &Site) {
    Stack::shared().sql().rows(sql, &[&site.organisation.id]);
}

#[test]
fn what_arrived_of_a_chunk_that_broke_off_counts() {
    use std::io::Write as _;
    let site = Site::new();
    let file = bytes(100_000);
    let path = open(&site, &file);
    let address = Stack::shared().base_url().replace("http://", "");
    let mut connection = std::net::TcpStream::connect(address).unwrap();
    let head_of = format!(
        "PATCH {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n\
         Content-Type: application/offset+octet-stream\r\nContent-Length: {}\r\n\r\n",
        site.admin.token(),
        file.len()
    );
    connection.write_all(head_of.as_bytes()).unwrap();
    connection.write_all(&file[..60_000]).unwrap();
    drop(connection);
    let arrived = eventually("what arrived is kept", || {
        let now = offset(&head(&site.admin, &path).expect(200));
        (now > 0).then_some(now)
    });
    assert_eq!(arrived, 60_000);
    let last = send(&site.admin, &path, arrived, &file[arrived..]).expect(204);
    let content = format!("/v1/evidence/{}/content", last.header("evidence-id"));
    assert_eq!(site.admin.get(&content).expect(200).body, file);
}

#[test]
fn the_official_client_gets_through_kills_of_ingest() {
    let modules = repository_file("tests/walkthrough/node_modules/tus-js-client");
    assert!(
        modules.is_dir(),
        "this test needs Node 20 or later, and `npm ci` in tests/walkthrough; ./run.sh test does both"
    );
    let stack = Stack::start(&[("FIREMODE__SUPERVISOR__BACKOFF_SECONDS_MAX", "1")]);
    let site = Site::on(&stack);
    let folder = Folder::new();
    let file = bytes(3 << 20);
    let path = folder.path().join("video.png");
    std::fs::write(&path, &file).unwrap();
    let mut client = Command::new("node")
        .arg(repository_file("tests/walkthrough/upload.mjs"))
        .arg(&path)
        .args([&site.session_id, "262144"])
        .env("FIREMODE_BASE_URL", stack.base_url())
        .env("ACCESS_TOKEN", site.admin.token())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node can be started");
    let mut chunks = 0;
    let mut told = Value::Null;
    for line in BufReader::new(client.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if line.starts_with("chunk ") {
            chunks += 1;
            if chunks % 4 == 0 {
                kill_hard(eventually("ingest runs", || child_named(stack.pid(), "ingest")));
            }
        } else {
            told = serde_json::from_str(&line).unwrap();
        }
    }
    assert!(client.wait().unwrap().success());
    assert!(chunks >= 12, "{chunks}");
    let id = told["evidence_id"].as_str().expect("the answer names the evidence");
    assert!(told["receipt"].is_string());
    stack.wait_until_ready();
    assert_eq!(site.admin.get(&format!("/v1/evidence/{id}/content")).expect(200).body, file);
    assert_eq!(site.admin.get(&format!("/v1/evidence/{id}")).expect(200)["hash"], sha256_hex(&file));
}
