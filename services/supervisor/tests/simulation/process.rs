//! Simulated processes, and what is going to happen to them.

use std::time::Duration;

use firemode_supervisor::Exit;
use firemode_supervisor::machine::{Command, Run};
use nix::sys::signal::Signal;

/// A simulated process.
pub(crate) struct Process {
    pub(crate) run: Run,
    pub(crate) ready: bool,
    pub(crate) hangs: bool,
    pub(crate) ignores_signals: bool,
    pub(crate) stop_takes: Duration,
    pub(crate) probed: bool,
    /// Signals that it got, in order.
    pub(crate) got: Vec<Signal>,
}

/// What is going to happen.
pub(crate) enum Plan {
    BecomeReady(Run),
    Probe(Run),
    Measure(Run, u64),
    Hang(Run),
    End(Run, Exit),
    Command(Command),
    /// The whole instance is frozen for so long.
    Freeze(Duration),
    AskToStop,
}

/// xorshift64*: small, and the same on every machine.
pub(crate) fn step(state: &mut u64) -> u64 {
    *state = (*state).max(1);
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    state.wrapping_mul(0x2545_f491_4f6c_dd1d)
}
