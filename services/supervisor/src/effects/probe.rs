//! Asks a child how it is, from outside and with deadlines.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use firemode_runtime::control::connect_at_once;
use firemode_runtime::pulse::{ALIVE, QUESTION};
use nix::unistd::Pid;

use crate::spec::Probe;

/// Longest line that a process says about itself, in bytes.
const LINE_BYTES_MAX: usize = 256;

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

/// Who is asked, and how.
#[derive(Debug)]
pub(crate) enum Asked {
    /// A process of ours, over the socket that it was born with.
    Pulse(UnixStream),
    /// A PostgreSQL server.
    Postgres { data: PathBuf, socket: PathBuf, pid: Pid },
}

impl Prober {
    /// Asks every `interval` and hands each result and how long it took to `deliver`, until dropped.
    pub(crate) fn start(
        asked: Asked,
        interval: Duration,
        timeout: Duration,
        deliver: impl Fn(Result<(), String>, Duration) + Send + 'static,
    ) -> io::Result<Self> {
        let (stop, stopped) = sync_channel(0);
        let run = move || {
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                let begun = Instant::now();
                let result = asked.once(timeout);
                deliver(result, begun.elapsed());
            }
        };
        thread::Builder::new().name("probe".into()).spawn(run)?;
        Ok(Self { _stop: stop })
    }
}

impl Asked {
    /// Process `pid`, and the socket that it was born with where it has one.
    pub(crate) fn of(probe: &Probe, pid: Pid, pulse: Option<&UnixStream>) -> io::Result<Self> {
        match probe {
            Probe::Pulse => pulse.ok_or(io::ErrorKind::NotConnected)?.try_clone().map(Self::Pulse),
            Probe::Postgres { data, socket } => {
                Ok(Self::Postgres { data: data.clone(), socket: socket.clone(), pid })
            }
        }
    }

    /// Asks once.
    pub(crate) fn once(&self, timeout: Duration) -> Result<(), String> {
        match self {
            Self::Pulse(stream) => pulse(stream, timeout).map_err(|error| match error.kind() {
                // What a read with a time limit says when it is over.
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                    format!("no sign of life within {timeout:?}")
                }
                _ => error.to_string(),
            }),
            Self::Postgres { data, socket, pid } => postgres(data, socket, *pid, timeout),
        }
    }
}

fn pulse(mut stream: &UnixStream, timeout: Duration) -> io::Result<()> {
    // An answer that came too late is not the answer to this question.
    stream.set_nonblocking(true)?;
    while matches!(stream.read(&mut [0; LINE_BYTES_MAX]), Ok(1..)) {}
    stream.set_nonblocking(false)?;
    let deadline = Instant::now() + timeout;
    stream.set_write_timeout(Some(timeout))?;
    stream.write_all(&[QUESTION])?;
    let mut line = Vec::new();
    while !line.ends_with(b"\n") && line.len() < LINE_BYTES_MAX {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        stream.set_read_timeout(Some(left))?;
        let mut buffer = [0; LINE_BYTES_MAX];
        match stream.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => line.extend_from_slice(&buffer[..read]),
        }
    }
    match String::from_utf8_lossy(&line).trim_end() {
        ALIVE => Ok(()),
        wrong => Err(io::Error::other(wrong)),
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
    let mut stream = connect_at_once(path)?;
    stream.set_write_timeout(Some(timeout))?;
    stream.set_read_timeout(Some(timeout))?;
    stream.write_all(&SSL_REQUEST)?;
    stream.read_exact(&mut [0])
}
