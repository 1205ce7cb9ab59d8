//! Two requests for one resumable upload at the same time: a client that asks again while its first request is still at work.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::support::{Client, Site, Stack, eventually};
use crate::uploads::{bytes, head, offset, open, send};

const LENGTH: usize = 60_000;

/// Where the last chunk begins that the slow request brings.
const LAST: usize = 20_000;

/// A request with the last chunk of an upload, of which half has arrived.
struct Slow {
    connection: TcpStream,
    rest: Vec<u8>,
}

impl Slow {
    /// Begins it, and waits until the ingest process works on it.
    fn begin(site: &Site, path: &str, file: &[u8]) -> Self {
        let stack = Stack::shared();
        let mut connection = TcpStream::connect(stack.base_url().replace("http://", "")).unwrap();
        let (first, rest) = file[LAST..].split_at(LAST);
        let head = format!(
            "PATCH {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\nTus-Resumable: 1.0.0\r\n\
             Upload-Offset: {LAST}\r\nContent-Type: application/offset+octet-stream\r\nContent-Length: {}\r\n\r\n",
            site.admin.token(),
            file.len() - LAST
        );
        connection.write_all(head.as_bytes()).unwrap();
        connection.write_all(first).unwrap();
        let leases = "select count(*) from evidence_leases where organisation_id = $1";
        eventually("its bytes go to the store", || {
            (stack.sql().count(leases, &[&site.organisation.id]) == 1).then_some(())
        });
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
    let slow = Slow::begin(&site, &path, &file);
    send(&site.admin, &path, LAST, &file[LAST..]).expect(204);
    assert_eq!(slow.finish(), "HTTP/1.1 409 Conflict");
    assert_eq!(offset(&head(&site.admin, &path).expect(200)), LENGTH);
    assert_eq!(content(&site.admin, &path), file);
}

#[test]
fn a_request_that_another_one_has_overtaken_harms_no_upload_that_goes_on() {
    let site = Site::new();
    let (file, path) = half_done(&site);
    let slow = Slow::begin(&site, &path, &file);
    let further = LAST + 5_000;
    send(&site.admin, &path, LAST, &file[LAST..further]).expect(204);
    assert_eq!(slow.finish(), "HTTP/1.1 409 Conflict");
    assert_eq!(offset(&head(&site.admin, &path).expect(200)), further, "what was acknowledged is there");
    send(&site.admin, &path, further, &file[further..]).expect(204);
    assert_eq!(content(&site.admin, &path), file);
}
