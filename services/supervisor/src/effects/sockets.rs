//! The listening sockets, bound once and handed to each generation of a child.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use firemode_runtime::listener::{self, ListenError};
use nix::sys::socket::{Backlog, listen};

/// Connections that wait while a child is replaced, as far as the system allows (`net.core.somaxconn`).
const BACKLOG: i32 = 1024;

/// A bound socket and its real address.
#[derive(Debug, Clone)]
pub(crate) struct Bound {
    pub(crate) socket: Arc<TcpListener>,
    pub(crate) address: SocketAddr,
}

impl Bound {
    /// Binds `host:port`; the error names `variable` as the way to another port.
    pub(crate) fn to(address: &str, variable: &'static str) -> Result<Self, ListenError> {
        let wrap = |source| ListenError::Bind { address: address.to_owned(), variable, source };
        let socket = listener::bind(address, variable)?;
        let backlog = Backlog::new(BACKLOG).map_err(|errno| wrap(errno.into()))?;
        listen(&socket, backlog).map_err(|errno| wrap(errno.into()))?;
        // For good: the flag is the socket's, and every process that has the socket sees it change.
        socket.set_nonblocking(true).map_err(wrap)?;
        let address = socket.local_addr().map_err(wrap)?;
        Ok(Self { socket: Arc::new(socket), address })
    }

    /// An address of this machine under which the socket answers.
    pub(crate) fn local(&self) -> SocketAddr {
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        SocketAddr::new(ip, self.address.port())
    }
}
