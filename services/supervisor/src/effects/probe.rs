//! Asks a child how it is, from outside and with deadlines.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};
use std::{io, str};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use nix::unistd::Pid;

use crate::spec::Probe;

/// `SSLRequest` of the PostgreSQL protocol: length 8, then the code 80877103. A server answers it with one byte, without
/// asking who we are.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// The line of `postmaster.pid` that holds the status, counted from 0.
const STATUS_LINE: usize = 7;

/// A running probe; dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct Prober {
    _stop: SyncSender<()>,
}

impl Prober {
    /// Probes process `pid` every `interval` and hands each result and how long it took to `deliver`, until dropped.
    pub(crate) fn start(
        probe: Probe,
        pid: Pid,
        interval: Duration,
        timeout: Duration,
        deliver: impl Fn(Result<(), String>, Duration) + Send + 'static,
    ) -> io::Result<Self> {
        let (stop, stopped) = sync_channel(0);
        let run = move || {
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                let asked = Instant::now();
                let result = once(&probe, pid, timeout);
                deliver(result, asked.elapsed());
            }
        };
        thread::Builder::new().name("probe".into()).spawn(run)?;
        Ok(Self { _stop: stop })
    }
}

/// One probe.
pub(crate) fn once(probe: &Probe, pid: Pid, timeout: Duration) -> Result<(), String> {
    match probe {
        Probe::Http { address, path } => {
            http(*address, path, timeout).map_err(|error| match error.kind() {
                // What a read with a time limit says when it is over.
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                    format!("GET {path} on {address}: no answer within {timeout:?}")
                }
                _ => format!("GET {path} on {address}: {error}"),
            })
        }
        Probe::Postgres { data, socket } => postgres(data, socket, pid, timeout),
    }
}

fn http(address: SocketAddr, path: &str, timeout: Duration) -> io::Result<()> {
    let deadline = Instant::now() + timeout;
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_write_timeout(Some(timeout))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    // "HTTP/1.1 200": all that matters stands in the first twelve bytes.
    let mut head = [0; 12];
    let mut filled = 0;
    while filled < head.len() {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut head[filled..])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => filled += read,
        }
    }
    let status = str::from_utf8(&head).ok().filter(|head| head.starts_with("HTTP/1."));
    match status.and_then(|head| head.get(9..)) {
        Some("200") => Ok(()),
        Some(code) => Err(io::Error::other(format!("answered with {code}"))),
        None => Err(io::Error::other("did not answer in HTTP")),
    }
}

fn postgres(data: &Path, socket: &Path, pid: Pid, timeout: Duration) -> Result<(), String> {
    let file = data.join("postmaster.pid");
    let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut lines = text.lines();
    let owner = lines.next().and_then(|line| line.trim().parse().ok());
    if owner != Some(pid.as_raw()) {
        return Err("postmaster.pid names another process".to_owned());
    }
    match lines.nth(STATUS_LINE - 1).map(str::trim) {
        Some("ready") => {
            ask_postgres(socket, timeout).map_err(|error| format!("{}: {error}", socket.display()))
        }
        status => Err(format!("its status is {}", status.unwrap_or("unknown"))),
    }
}

fn ask_postgres(path: &Path, timeout: Duration) -> io::Result<()> {
    // On a Unix socket a connection is made or refused at once, unless a hung server's backlog is full: not to wait
    // for that, the socket does not block until it is connected.
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let stream = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    connect(stream.as_raw_fd(), &UnixAddr::new(path)?)?;
    let mut stream = UnixStream::from(stream);
    stream.set_nonblocking(false)?;
    stream.set_write_timeout(Some(timeout))?;
    stream.set_read_timeout(Some(timeout))?;
    stream.write_all(&SSL_REQUEST)?;
    stream.read_exact(&mut [0])
}
