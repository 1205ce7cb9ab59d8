//! When to stop: SIGTERM or SIGINT, or SIGUSR1 once a next process has taken over.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::settings::SupervisorSettings;

/// Why a process is to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// SIGTERM: everything stops.
    Terminate,
    /// SIGINT: somebody at a terminal.
    Interrupt,
    /// SIGUSR1: the next generation serves already, so there is time to finish.
    TakenOver,
}

/// How a process leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leave {
    /// It goes on as before for this long, but says that it is not ready any more.
    pub notice: Duration,
    /// All in all it takes no longer than this.
    pub time_max: Duration,
}

impl Reason {
    /// How long to take for it.
    pub fn leave(self, settings: &SupervisorSettings) -> Leave {
        match self {
            Self::Terminate | Self::Interrupt => {
                let time_max = settings.drain();
                Leave { notice: time_max / 10, time_max }
            }
            // Nobody needs to be told: the next generation is as ready.
            Self::TakenOver => Leave { notice: Duration::ZERO, time_max: settings.handover_drain() },
        }
    }

    /// The signal's name, for the log.
    pub fn signal(self) -> &'static str {
        match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
            Self::TakenOver => "SIGUSR1",
        }
    }
}

/// Waits for a reason to stop.
///
/// # Errors
/// The signal handlers cannot be installed.
pub async fn requested() -> io::Result<Reason> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut taken_over = signal(SignalKind::user_defined1())?;
    Ok(tokio::select! {
        _ = terminate.recv() => Reason::Terminate,
        _ = interrupt.recv() => Reason::Interrupt,
        _ = taken_over.recv() => Reason::TakenOver,
    })
}
