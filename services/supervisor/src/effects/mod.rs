//! What touches the system: processes, signals, pipes, sockets.

pub(crate) mod lock;
pub(crate) mod notify;
pub(crate) mod probe;
pub(crate) mod reap;
pub(crate) mod signals;
pub(crate) mod sockets;
pub(crate) mod spawn;
