//! Idempotency keys of uploads, which outlast a transaction; and uploads into a store that takes nothing.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::support::processes::{child_named, kill_hard};
use crate::support::{Form, Site, Stack, eventually, new_key};
use crate::uploads::{bytes, head, offset, open, send};

const EVIDENCE: &str = "/v1/evidence";

/// A form of which a part has been sent.
struct HalfSent {
    connection: TcpStream,
    rest: Vec<u8>,
}

impl HalfSent {
    fn begin(stack: &Stack, site: &Site, form: &Form, key: &str) -> Self {
        let boundary = new_key();
        let body = form.encode(&boundary);
        let (first, rest) = body.split_at(body.len() / 2);
        let mut connection = TcpStream::connect(stack.base_url().replace("http://", "")).unwrap();
        let head = format!(
            "POST {EVIDENCE} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
             Idempotency-Key: {key}\r\nContent-Type: multipart/form-data; boundary={boundary}\r\nContent-Length: {}\r\n\r\n",
            site.admin.token(),
            body.len()
        );
        connection.write_all(head.as_bytes()).unwrap();
        connection.write_all(first).unwrap();
        Self { connection, rest: rest.to_vec() }
    }

    /// Sends the rest; gives the first line of the answer.
    fn finish(mut self) -> String {
        self.connection.write_all(&self.rest).unwrap();
        let mut answer = String::new();
        self.connection.read_to_string(&mut answer).unwrap();
        answer.lines().next().unwrap_or_default().to_owned()
    }
}

fn rows(stack: &Stack, site: &Site, table: &str) -> i64 {
    let sql = format!("select count(*) from {table} where organisation_id = $1");
    stack.sql().count(&sql, &[&site.organisation.id])
}

fn wait_for_leases(stack: &Stack, site: &Site, count: i64) {
    eventually("the leases of keys are as many", || {
        (rows(stack, site, "idempotency_leases") == count).then_some(())
    });
}

#[test]
fn the_key_of_an_upload_on_its_way_is_taken_on_every_instance() {
    let (stack, site) = (Stack::shared(), Site::new());
    let store = format!("file://{}", stack.folder().path().join("evidence").display());
    let beside = stack.beside(&[("FIREMODE__EVIDENCE__URL", &store)]);
    let there = beside.client().with_token(site.admin.token());
    let (key, form) = (new_key(), Form::photo(&site.session_id, &bytes(300_000)));
    let first = HalfSent::begin(stack, &site, &form, &key);
    wait_for_leases(stack, &site, 1);
    for client in [&site.admin, &there] {
        let answer = form.upload_under(client, &key).problem(409, "FIRE-409-IN-PROGRESS");
        assert_eq!((answer.header("retry-after"), &answer["retryable"]), ("1", &true.into()));
    }
    form.upload(&there).expect(201);
    assert_eq!(first.finish(), "HTTP/1.1 201 Created");
    assert_eq!(rows(stack, &site, "idempotency_leases"), 0, "let go before the answer");
    assert_eq!(form.upload_under(&there, &key).expect(201).header("idempotent-replayed"), "true");
    let other = Form::photo(&site.session_id, b"another file");
    other.upload_under(&there, &key).problem(422, "FIRE-422-IDEMPOTENCY");
    assert_eq!(rows(stack, &site, "evidence"), 2, "one under each key");
}

#[test]
fn an_upload_that_fails_lets_its_key_go() {
    let (stack, site) = (Stack::shared(), Site::new());
    let (key, form) = (new_key(), Form::photo(&site.session_id, &bytes(300_000)));
    form.replace("sha256_hash", &"0".repeat(64))
        .upload_under(&site.admin, &key)
        .problem(422, "FIRE-422-HASH-MISMATCH");
    let form = Form::photo(&site.session_id, &bytes(300_000));
    form.clone().text("colour", "red").upload_under(&site.admin, &key).problem(422, "FIRE-422");
    drop(HalfSent::begin(stack, &site, &form, &key));
    eventually("a connection that broke lets the key go", || {
        let answer = form.upload_under(&site.admin, &key);
        assert!([201, 409].contains(&answer.status), "{}", answer.json);
        (answer.status == 201 && answer.header("idempotent-replayed").is_empty()).then_some(())
    });
    wait_for_leases(stack, &site, 0);
}

#[test]
fn a_crash_leaves_a_lease_that_expires_and_a_long_upload_keeps_its_own() {
    let stack = Stack::start(&[
        ("FIREMODE__IDEMPOTENCY__LEASE_SECONDS", "5"),
        ("FIREMODE__SUPERVISOR__BACKOFF_SECONDS_MAX", "1"),
    ]);
    let site = Site::on(&stack);
    let (key, form) = (new_key(), Form::photo(&site.session_id, &bytes(300_000)));
    let first = HalfSent::begin(&stack, &site, &form, &key);
    wait_for_leases(&stack, &site, 1);
    // It has been renewed once it expires later than it could have at first.
    let renewed = "select count(*) from idempotency_leases where organisation_id = $1 and expires_at > $2";
    let began: time::OffsetDateTime =
        stack.sql().rows("select expires_at from idempotency_leases", &[])[0].get(0);
    eventually("the lease is renewed", || {
        (stack.sql().count(renewed, &[&site.organisation.id, &began]) == 1).then_some(())
    });
    form.upload_under(&site.admin, &key).problem(409, "FIRE-409-IN-PROGRESS");

    kill_hard(eventually("ingest runs", || child_named(stack.pid(), "ingest")));
    assert_eq!(rows(&stack, &site, "idempotency_leases"), 1, "nobody was there to let it go");
    stack.wait_until_ready();
    eventually("the lease expires", || {
        let answer = form.upload_under(&site.admin, &key);
        assert!([201, 409, 503].contains(&answer.status), "{}", answer.json);
        (answer.status == 201).then_some(())
    });
    assert_eq!((rows(&stack, &site, "evidence"), rows(&stack, &site, "idempotency_leases")), (1, 0));
    drop(first);
}

#[test]
fn a_store_that_takes_nothing_is_a_503_and_nothing_of_the_upload_is_seen() {
    let shared = Stack::shared();
    let stack = shared.beside(&[]);
    let site = Site::on(&stack);
    // As the folder of a full or unreachable disk; root may write where permissions alone forbid it.
    let store = stack.folder().path().join("evidence");
    let blocked = store.join(site.organisation.id.to_string());
    fs::create_dir_all(&store).unwrap();
    fs::write(&blocked, b"in the way").unwrap();

    let (key, file) = (new_key(), bytes(3_000_000));
    let (small, large) = (Form::photo(&site.session_id, b"small"), Form::photo(&site.session_id, &file));
    for form in [&small, &large] {
        let answer = form.upload_under(&site.admin, &key).problem(503, "FIRE-503");
        assert_eq!((answer.header("retry-after"), &answer["retryable"]), ("30", &true.into()));
        assert!(answer.text("/detail").starts_with("The evidence store"), "{}", answer.json);
    }
    let path = open(&site, &file);
    send(&site.admin, &path, 0, &file).problem(503, "FIRE-503");
    assert_eq!(offset(&head(&site.admin, &path).expect(200)), 0);
    for table in ["evidence", "evidence_blobs", "evidence_upload_parts", "idempotency_leases"] {
        assert_eq!(rows(shared, &site, table), 0, "{table}");
    }

    fs::remove_file(&blocked).unwrap();
    let kept = large.upload_under(&site.admin, &key).expect(201);
    assert_eq!(kept.header("idempotent-replayed"), "", "a failure is not stored");
    send(&site.admin, &path, 0, &file).expect(204);
    let content = format!("{EVIDENCE}/{}/content", kept.text("/evidence_id"));
    assert_eq!(site.admin.get(&content).expect(200).body, file);
}
