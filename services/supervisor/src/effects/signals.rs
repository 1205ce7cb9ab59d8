//! Signals to the supervisor, as messages.

use std::io;
use std::thread;

use nix::sys::signal::{SigSet, Signal};

/// What the supervisor listens to.
fn handled() -> SigSet {
    [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP].into_iter().collect()
}

/// Keeps these signals for [`listen`]. Call it before any thread starts: threads inherit the mask, and a signal goes to
/// any thread that does not block it.
pub(crate) fn block() -> nix::Result<()> {
    handled().thread_block()
}

/// Hands each signal to `deliver`, from a thread of its own, until that says false.
pub(crate) fn listen(deliver: impl Fn(Signal) -> bool + Send + 'static) -> io::Result<()> {
    let signals = handled();
    let wait = move || {
        while let Ok(signal) = signals.wait() {
            if !deliver(signal) {
                return;
            }
        }
    };
    thread::Builder::new().name("signals".into()).spawn(wait).map(drop)
}
