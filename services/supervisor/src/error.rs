//! Why the supervisor could not do its work.

use std::io;
use std::path::PathBuf;

use firemode_runtime::listener::ListenError;

use crate::exit::ExitCode;
use crate::machine::TableError;
use crate::postgres::PostgresError;

/// Why the supervisor could not start or go on. Each text says what to do where something can be done.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// A port is taken or not ours to take.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The data folder cannot be used.
    #[error("cannot use the data folder {}: {source}; make it writable or set FIREMODE_DATA_DIR", path.display())]
    DataFolder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another supervisor works in the same data folder.
    #[error("another FireMode already runs in {}; stop it, or give this one its own FIREMODE_DATA_DIR", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// The embedded PostgreSQL cannot be run here.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// The child table makes no sense.
    #[error("the child table is wrong: {0}")]
    Table(#[from] TableError),
    /// The system refused something that supervision rests on.
    #[error("cannot {what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl SupervisorError {
    /// What the process should leave with.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Postgres(error) if error.is_configuration() => ExitCode::Configuration,
            _ => ExitCode::Failure,
        }
    }
}
