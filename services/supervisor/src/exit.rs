//! How a process ended, and how the supervisor itself ends.

use std::fmt;

use nix::sys::signal::Signal;

/// Exit code of a process that found its configuration wrong (`EX_CONFIG` of sysexits.h).
pub const CONFIGURATION: i32 = 78;

/// What the supervisor leaves with; the numbers are the process's exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// It was asked to stop, and everything has stopped.
    Stopped = 0,
    /// It could not go on, or a second signal cut the stop short.
    Failure = 1,
    /// The configuration is wrong; starting again without changing it is of no use.
    Configuration = 78,
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}

/// How a process ended, decoded from its wait status. `Display` says it in plain words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It left with this code.
    Code(i32),
    /// A signal ended it.
    Signal {
        /// Which one.
        signal: Signal,
        /// Did the system write a core file?
        core_dumped: bool,
    },
    /// The system killed it because memory ran out.
    OutOfMemory,
    /// It is gone, and the system's answer could not be decoded (a real-time signal).
    Unknown,
}

impl Exit {
    /// Did it leave with code 0?
    pub fn is_success(self) -> bool {
        self == Self::Code(0)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(CONFIGURATION) => write!(f, "exited with code 78 (its configuration is wrong)"),
            Self::Code(code) => write!(f, "exited with code {code}"),
            Self::Signal { signal, core_dumped } => {
                write!(f, "ended by {}", signal.as_str())?;
                if *core_dumped { write!(f, ", core dumped") } else { Ok(()) }
            }
            Self::OutOfMemory => write!(f, "killed by the system because memory ran out"),
            Self::Unknown => write!(f, "ended by a signal without a name"),
        }
    }
}
