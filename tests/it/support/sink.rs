//! A server that takes whatever it is sent, behind a network that can swallow it: enough of a bucket, and of a receiver of traces.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// How long a connection that is swallowed stays open: longer than any test waits.
const SWALLOWED: Duration = Duration::from_secs(120);

/// It answers everything with 200 and keeps nothing.
pub(crate) struct Sink {
    port: u16,
    /// Odd while the network is frozen; another one for connections that were made before.
    era: Arc<AtomicUsize>,
}

impl Sink {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let era = Arc::new(AtomicUsize::new(0));
        let of_connections = Arc::clone(&era);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let era = Arc::clone(&of_connections);
                thread::spawn(move || serve(&client, &era));
            }
        });
        Self { port, era }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Nothing is answered any more, on no connection.
    pub(crate) fn freeze(&self) {
        self.era.fetch_add(1, Ordering::SeqCst);
    }

    /// New connections are answered again. Those from before are forgotten, and nobody is told.
    pub(crate) fn thaw(&self) {
        self.era.fetch_add(1, Ordering::SeqCst);
    }
}

/// Answers the requests of one connection, until it ends or is swallowed.
fn serve(mut client: &TcpStream, era: &AtomicUsize) {
    let begin = era.load(Ordering::SeqCst);
    let mut reader = BufReader::new(client.try_clone().expect("a socket can be shared"));
    while let Some(length) = head(&mut reader) {
        if std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink()).is_err() {
            return;
        }
        if begin % 2 == 1 || era.load(Ordering::SeqCst) != begin {
            thread::sleep(SWALLOWED);
            return;
        }
        if client.write_all(b"HTTP/1.1 200 OK\r\nETag: \"etag\"\r\nContent-Length: 0\r\n\r\n").is_err() {
            return;
        }
    }
}

/// Reads a request's head, and gives the length of its body.
fn head(reader: &mut impl BufRead) -> Option<u64> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
        match line.trim_end() {
            "" => return Some(length),
            header => {
                let (name, value) = header.split_once(": ").unwrap_or((header, ""));
                if name.eq_ignore_ascii_case("content-length") {
                    length = value.parse().ok()?;
                }
            }
        }
    }
}
