//! The listening socket of a server: inherited from the supervisor, or bound here.

use std::io;
use std::net::TcpListener;

use crate::inherited;

/// Variable with the number of the descriptor that the supervisor hands down.
pub const LISTEN_FD: &str = "FIREMODE_LISTEN_FD";

/// Variable that is set where an earlier process still serves on the inherited socket.
pub const SUCCESSOR: &str = "FIREMODE_SUCCESSOR";

/// Does an earlier process still serve on the inherited socket?
///
/// Then this one must not accept a connection before it can serve requests: the other still can.
pub fn is_successor() -> bool {
    std::env::var_os(SUCCESSOR).is_some()
}

/// No socket to listen on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is taken, not ours to take, or wrong.
    #[error("cannot listen on {address}: {source}; choose another with {variable} or stop what uses it")]
    Bind {
        /// `host:port` as configured.
        address: String,
        /// The variable that changes the port.
        variable: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The descriptor that the environment names is not one.
    #[error("{LISTEN_FD} does not name an inherited listening socket")]
    Inherited,
}

/// The socket that the supervisor handed down, else a newly bound one.
///
/// A supervisor binds once and hands the socket to each generation of a child, so that connections wait in the backlog
/// while a child is replaced instead of being refused.
///
/// # Errors
/// See [`ListenError`].
pub fn inherited_or_bind(address: &str, variable: &'static str) -> Result<TcpListener, ListenError> {
    match inherited::descriptor(LISTEN_FD) {
        Some(fd) => {
            let listener = fd.map(TcpListener::from).map_err(|_| ListenError::Inherited)?;
            listener.local_addr().map_err(|_| ListenError::Inherited)?;
            Ok(listener)
        }
        None => bind(address, variable),
    }
}

/// Binds `host:port`; `variable` is named in the error as the way to change it.
///
/// # Errors
/// [`ListenError::Bind`].
pub fn bind(address: &str, variable: &'static str) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).map_err(|source| ListenError::Bind {
        address: address.to_owned(),
        variable,
        source,
    })
}
