//! Answers 503 in the place of a child that is down for long or hangs, so that clients know when to come back.
//!
//! It takes what waits on the child's own socket. A child that gets well takes connections beside it for as long as that lasts.

use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use firemode_runtime::settings::CorsSettings;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::json;
use uuid::Uuid;

/// Connections that are answered at the same time; further ones wait.
const CONNECTIONS_MAX: usize = 32;

/// What of a request is read before it is answered: its first line says all that matters.
const HEAD_BYTES_MAX: usize = 8 * 1024;

/// How long one connection may take, and how much of a body is taken so that the client gets to read the answer.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(2);
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// The answer where no next start is planned.
const RETRY_SECONDS_UNPLANNED: u64 = 30;

/// Pause after the system refused a connection or a thread.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// A running stand-in. Dropping it ends the accepting before it returns: from then on the child gets every connection.
#[derive(Debug)]
pub(crate) struct StandIn {
    stop: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

impl StandIn {
    /// Begins to answer on `listener`.
    pub(crate) fn start(
        listener: Arc<TcpListener>,
        retry_in: Option<Duration>,
        cors: Option<CorsSettings>,
    ) -> io::Result<Self> {
        let (stopped, stop) = io::pipe()?;
        // As its child has it too: whoever is slower finds nothing to take, and must not wait for the next connection.
        listener.set_nonblocking(true)?;
        let back_at = retry_in.map(|delay| Instant::now() + delay);
        let answering = Arc::new(Answering { back_at, cors });
        let thread = thread::Builder::new()
            .name("stand-in".into())
            .spawn(move || accept(&listener, &stopped, &answering))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It has nothing to say, a panic included.
            let _ = thread.join();
        }
    }
}

/// What every answer depends on.
struct Answering {
    back_at: Option<Instant>,
    cors: Option<CorsSettings>,
}

fn accept(listener: &TcpListener, stopped: &PipeReader, answering: &Arc<Answering>) {
    let busy = Arc::new(AtomicUsize::new(0));
    loop {
        let may_accept = busy.load(Ordering::Acquire) < CONNECTIONS_MAX;
        let interest = if may_accept { PollFlags::POLLIN } else { PollFlags::empty() };
        let mut ready =
            [PollFd::new(stopped.as_fd(), PollFlags::POLLIN), PollFd::new(listener.as_fd(), interest)];
        // While all are busy nothing wakes us when one ends, so it is checked at intervals.
        let timeout = if may_accept { PollTimeout::NONE } else { PollTimeout::from(20_u8) };
        match poll(&mut ready, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => thread::sleep(REFUSED_PAUSE),
        }
        if ready[0].any() == Some(true) {
            return;
        }
        if ready[1].any() != Some(true) {
            continue;
        }
        match listener.accept() {
            Ok((stream, _)) => answer_in_thread(stream, answering, &busy),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => thread::sleep(REFUSED_PAUSE),
        }
    }
}

fn answer_in_thread(stream: TcpStream, answering: &Arc<Answering>, busy: &Arc<AtomicUsize>) {
    busy.fetch_add(1, Ordering::AcqRel);
    let (answering, done) = (answering.clone(), busy.clone());
    let work = move || {
        // A client that goes away early is not our concern.
        let _ = answer(stream, &answering);
        done.fetch_sub(1, Ordering::AcqRel);
    };
    if thread::Builder::new().name("stand-in".into()).spawn(work).is_err() {
        busy.fetch_sub(1, Ordering::AcqRel);
        thread::sleep(REFUSED_PAUSE);
    }
}

fn answer(mut stream: TcpStream, answering: &Answering) -> io::Result<()> {
    let deadline = Instant::now() + CONNECTION_TIME_MAX;
    stream.set_nonblocking(false)?;
    stream.set_write_timeout(Some(CONNECTION_TIME_MAX))?;
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < HEAD_BYTES_MAX {
        if read_some(&mut stream, &mut head, deadline)? == 0 {
            return Ok(());
        }
    }
    stream.write_all(response(&head, answering).as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    // Closing with unread bytes resets the connection, and the client might never see the answer.
    let mut rest = Vec::new();
    while rest.len() < BODY_BYTES_MAX && read_some(&mut stream, &mut rest, deadline)? > 0 {}
    Ok(())
}

fn read_some(stream: &mut TcpStream, into: &mut Vec<u8>, deadline: Instant) -> io::Result<usize> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    stream.set_read_timeout(Some(left))?;
    let mut buffer = [0; 4096];
    let read = stream.read(&mut buffer)?;
    into.extend_from_slice(&buffer[..read]);
    Ok(read)
}

/// The same body as every other error of the public port, and the same answer to a browser that asks whether a page may call.
fn response(head: &[u8], answering: &Answering) -> String {
    let head = String::from_utf8_lossy(head);
    let mut words = head.lines().next().unwrap_or_default().split(' ');
    let method = words.next().unwrap_or_default();
    let path = words.next().unwrap_or("/").split('?').next().unwrap_or("/");
    let cors = cors_headers(&head, answering.cors.as_ref());
    if method == "OPTIONS" && !cors.is_empty() && header(&head, "access-control-request-method").is_some() {
        let headers = header(&head, "access-control-request-headers").unwrap_or_default();
        let headers = headers.replace(|c: char| c.is_control(), "");
        return format!(
            "HTTP/1.1 204 No Content\r\n{cors}Access-Control-Allow-Methods: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n\
             Access-Control-Allow-Headers: {headers}\r\nConnection: close\r\n\r\n"
        );
    }
    let left = answering.back_at.map(|at| at.saturating_duration_since(Instant::now()).as_secs() + 1);
    let retry_seconds = left.unwrap_or(RETRY_SECONDS_UNPLANNED);
    let transaction_id = Uuid::new_v4();
    let body = body(path, transaction_id);
    let shown = if method == "HEAD" { "" } else { body.as_str() };
    format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nContent-Length: {}\r\n\
         Retry-After: {retry_seconds}\r\nX-Transaction-Id: {transaction_id}\r\nCache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\n{cors}Connection: close\r\n\r\n{shown}",
        body.len()
    )
}

fn body(path: &str, transaction_id: Uuid) -> String {
    let detail = "The service is down and will be back. Try again later.";
    json!({
        "type": "/docs/errors#fire-503-down",
        "title": "Service Unavailable",
        "status": 503,
        "detail": detail,
        "instance": path,
        "transaction_id": transaction_id,
        "error_code": "FIRE-503-DOWN",
        "message": detail,
        "retryable": true,
    })
    .to_string()
}

/// What lets a page read the answer, where it may call at all.
fn cors_headers(head: &str, cors: Option<&CorsSettings>) -> String {
    match header(head, "origin") {
        Some(origin) if cors.is_some_and(|cors| cors.allows(origin)) => format!(
            "Access-Control-Allow-Origin: {origin}\r\nAccess-Control-Expose-Headers: Retry-After, X-Transaction-Id\r\n\
             Vary: Origin\r\n"
        ),
        _ => String::new(),
    }
}

/// What a header of a request says.
fn header<'a>(head: &'a str, wanted: &str) -> Option<&'a str> {
    let mut lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
}
