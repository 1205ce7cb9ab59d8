//! Where the control socket is.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};

/// Name of the socket in the data folder.
pub const SOCKET_NAME: &str = "control.sock";

/// Longest path of a Unix socket that Linux takes, in bytes.
const PATH_BYTES_MAX: usize = 107;

/// A path to bind or connect to, and what has to stay open while that is done.
///
/// A folder may have a longer path than a socket address holds. The kernel then reaches the same place through the
/// descriptor of the opened folder, under a name that is always short.
///
/// # Errors
/// The folder cannot be opened.
pub fn address_of(data_dir: &Path) -> io::Result<(PathBuf, Option<File>)> {
    let plain = data_dir.join(SOCKET_NAME);
    if plain.as_os_str().len() <= PATH_BYTES_MAX {
        return Ok((plain, None));
    }
    let folder = File::open(data_dir)?;
    let short = PathBuf::from(format!("/proc/self/fd/{}/{SOCKET_NAME}", folder.as_raw_fd()));
    Ok((short, Some(folder)))
}

/// Connects to a Unix socket, or fails at once: where the server stands still and its backlog is full, a connection would be waited for
/// without end.
///
/// # Errors
/// Nobody listens there, or whoever does takes no more ([`io::ErrorKind::WouldBlock`]).
pub fn connect_at_once(path: &Path) -> io::Result<UnixStream> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let stream = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    connect(stream.as_raw_fd(), &UnixAddr::new(path)?)?;
    let stream = UnixStream::from(stream);
    stream.set_nonblocking(false)?;
    Ok(stream)
}
