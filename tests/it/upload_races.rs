//! Two requests for one resumable upload at the same time: a client that asks again while its first request is still at work.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::support::{Client, Site, Stack, eventually};
use crate::uploads::{bytes, head, offset, open, send};

const LENGTH: usize = 60_000;

/// Where the last chunk begins that the slow request brings.
const LAST: usize = 20_000;

/// A request with a chunk of an upload that has not arrived whole.
pub(crate) struct Slow {
    connection: TcpStream,
    rest: Vec<u8>,
}

impl Slow {
    /// Begins to send a chunk, with more headers, and stops after some of its bytes.
    pub(crate) fn begin(
        (stack, site): (&Stack, &Site),
        path: &str,
        offset: usize,
        chunk: &[u8],
        sent: usize,
        more: &str,
    ) -> Self {
        let mut connection = TcpStream::connect(stack.base_url().replace("http://", "")).unwrap();
        let head = format!(
            "PATCH {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\nTus-Resumable: 1.0.0\r\n\
             Upload-Offset: {offset}\r\nContent-Type: application/offset+octet-stream\r\n{more}Content-Length: {}\r\n\r\n",
            site.admin.token(),
            chunk.len()
        );
        connection.write_all(head.as_bytes()).unwrap();
        connection.write_all(&chunk[..sent]).unwrap();
        Self { connection, rest: chunk[sent..].to_vec() }
    }

    /// Half of the last chunk, on which the ingest process works already.
    fn half_of_last(site: &Site, path: &str, file: &[u8]) -> Self {
        let stack = Stack::shared();
        let slow = Self::begin((stack, site), path, LAST, &file[LAST..], LAST, "");
        eventually("its bytes go to the store", || (leases(stack, site) == 1).then_some(()));
        slow
    }

    /// Sends the rest; gives the first line of the answer.
    fn finish(mut self) -> String {
        self.connection.write_all(&self.rest).unwrap();
        let mut answer = String::new();
        self.connection.read_to_string(&mut answer).unwrap();
        answer.lines().next().unwrap_or_default().to_owned()
    }
}

/// Bytes of the site's organisation that no row refers to.
pub(crate) fn leases(stack: &Stack, site: &Site) -> i64 {
    let sql = "select count(*) from evidence_leases where organisation_id = $1";
    stack.sql().count(sql, &[&site.organisation.id])
}

/// A file and its upload, which has come as far as the last chunk.
fn half_done(site: &Site) -> (Vec<u8>, String) {
    let file = bytes(LENGTH);
    let path = open(site, &file);
    send(&site.admin, &path, 0, &file[..LAST]).expect(204);
    (file, path)
}

fn content(client: &Client, path: &str) -> Vec<u8> {
    let evidence = client.get(path).expect(200).text("/evidence/evidence_id");
    client.get(&format!("/v1/evidence/{evidence}/content")).expect(200).body
}

#[test]
fn a_request_that_another_one_has_overtaken_harms_no_complete_upload() {
    let site = Site::new();
    let (file, path) = half_done(&site);
    let slow = Slow::half_of_last(&site, &path, &file);
    send(&site.admin, &path, LAST, &file[LAST..]).expect(204);
    assert_eq!(slow.finish(), "HTTP/1.1 409 Conflict");
    assert_eq!(offset(&head(&site.admin, &path).expect(200)), LENGTH);
    assert_eq!(content(&site.admin, &path), file);
}

#[test]
fn a_request_that_another_one_has_overtaken_harms_no_upload_that_goes_on() {
    let site = Site::new();
    let (file, path) = half_done(&site);
    let slow = Slow::half_of_last(&site, &path, &file);
    let further = LAST + 5_000;
    send(&site.admin, &path, LAST, &file[LAST..further]).expect(204);
    assert_eq!(slow.finish(), "HTTP/1.1 409 Conflict");
    assert_eq!(offset(&head(&site.admin, &path).expect(200)), further, "what was acknowledged is there");
    send(&site.admin, &path, further, &file[further..]).expect(204);
    assert_eq!(content(&site.admin, &path), file);
}

#[test]
fn two_requests_with_one_chunk_add_it_once() {
    let (stack, site) = (Stack::shared(), Site::new());
    let (file, path) = half_done(&site);
    let further = 2 * LAST;
    let slow = Slow::begin((stack, &site), &path, LAST, &file[LAST..further], LAST / 2, "");
    eventually("its bytes go to the store", || (leases(stack, &site) == 1).then_some(()));
    send(&site.admin, &path, LAST, &file[LAST..further]).expect(204);
    assert_eq!(slow.finish(), "HTTP/1.1 409 Conflict");
    assert_eq!(offset(&head(&site.admin, &path).expect(200)), further);
    send(&site.admin, &path, further, &file[further..]).expect(204);
    assert_eq!(content(&site.admin, &path), file);
}

#[test]
fn bytes_that_a_sweeper_has_taken_become_no_evidence() {
    let (stack, site) = (Stack::shared(), Site::new());
    let file = bytes(LENGTH);
    let path = open(&site, &file);
    let slow = Slow::begin((stack, &site), &path, 0, &file, LAST, "");
    eventually("its bytes go to the store", || (leases(stack, &site) == 1).then_some(()));
    let taken = "update evidence_leases set condemned_at = now() where organisation_id = $1";
    stack.sql().rows(taken, &[&site.organisation.id]);
    assert_eq!(slow.finish(), "HTTP/1.1 503 Service Unavailable");
    assert_eq!(offset(&head(&site.admin, &path).expect(200)), 0);
    send(&site.admin, &path, 0, &file).expect(204);
    assert_eq!(content(&site.admin, &path), file);
}
