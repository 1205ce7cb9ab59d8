//! The supervisor's own end of `sd_notify`, where systemd runs it as a service of `Type=notify`.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use nix::time::{ClockId, clock_gettime};

/// Variable with the address of systemd's socket. Children do not get it: they are not the service's main process.
pub(crate) const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";

/// Tells systemd what the supervisor is about; says nothing where no systemd listens.
#[derive(Debug)]
pub(crate) struct Systemd {
    socket: Option<UnixDatagram>,
}

impl Systemd {
    pub(crate) fn from_env() -> Self {
        Self { socket: std::env::var_os(NOTIFY_SOCKET).and_then(|address| connect(address.as_bytes())) }
    }

    /// Says that a reload has begun, with the time that systemd needs to recognise an earlier one.
    pub(crate) fn say_reloading(&self) {
        if let Ok(now) = clock_gettime(ClockId::CLOCK_MONOTONIC) {
            let microseconds = i128::from(now.tv_sec()) * 1_000_000 + i128::from(now.tv_nsec()) / 1_000;
            self.say(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
        }
    }

    /// Sends assignments, one a line.
    pub(crate) fn say(&self, text: &str) {
        if let Some(socket) = &self.socket {
            // systemd gone or busy is no reason to fail or to wait.
            let _ = socket.send(text.as_bytes());
        }
    }
}

/// A leading `@` stands for the null byte of an abstract address.
fn connect(address: &[u8]) -> Option<UnixDatagram> {
    let socket = UnixDatagram::unbound().ok()?;
    socket.set_nonblocking(true).ok()?;
    let address = match address.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name).ok()?,
        None => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(address)).ok()?,
    };
    socket.connect_addr(&address).ok()?;
    Some(socket)
}
