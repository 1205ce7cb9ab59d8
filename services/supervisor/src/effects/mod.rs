//! What touches the system: processes, signals, pipes, sockets.

pub(crate) mod control;
pub(crate) mod executable;
pub(crate) mod lock;
pub(crate) mod measure;
pub(crate) mod notify;
pub(crate) mod oom;
pub(crate) mod probe;
pub(crate) mod reap;
pub(crate) mod signals;
pub(crate) mod sockets;
pub(crate) mod spawn;
pub(crate) mod stand_in;
pub(crate) mod systemd;
