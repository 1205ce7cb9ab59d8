//! Backups: the database and the evidence of one moment in one file, and back.
//!
//! The file is a tar archive that other tools can read:
//!
//! ```text
//! manifest.json                      what made it, the schema's version, the tables with their columns
//! database/<table>.<number>.copy.zst rows of a table in PostgreSQL's text format, compressed, all of one snapshot
//! secrets/<name>                     the secrets that development made for itself, if it did
//! evidence/<key>                     every file that those rows refer to
//! SHA256SUMS                         the hash of each of the above; `sha256sum -c` checks an unpacked archive
//! ```
//!
//! Those of earlier releases have `database/<table>.copy`, all rows of a table as they are.

mod archive;
mod draft;
mod kept;
mod manifest;
mod restore;
mod write;
mod writer;

use std::io;
use std::path::PathBuf;

use firemode_runtime::settings::Settings;
use firemode_storage::dump::RestoreError;
use firemode_storage::evidence_store::EvidenceStore;
use firemode_storage::{Database, StorageError};
use firemode_supervisor::SupervisorError;

pub use archive::ArchiveError;
pub use kept::{Kept, make};
pub use restore::restore;
pub use write::write;

/// What a backup holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// Tables of the database.
    pub tables: usize,
    /// Files of evidence.
    pub evidence_files: usize,
    /// Secrets that development made.
    pub secrets: usize,
    /// Bytes of all members.
    pub bytes: u64,
    /// Tables of the database that are not ours, and are not in it.
    pub left_out: Vec<String>,
}

/// A backup could not be written or put back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file to be written is there.
    #[error("{} exists already; it was not changed. Name another file", .0.display())]
    Exists(PathBuf),
    /// The place to restore to is not empty.
    #[error("{} is not empty; nothing was changed. Restore with a FIREMODE_DATA_DIR of its own", .0.display())]
    NotEmpty(PathBuf),
    /// The stored evidence is not what was stored.
    #[error("evidence {key} is damaged or missing in the store; no backup was written: {reason}")]
    Evidence {
        /// Where the store should keep it.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// There is nothing to back up.
    #[error("there is no database, or it is empty: nothing to back up; is this the right FIREMODE_DATA_DIR?")]
    NothingThere,
    /// What the store has is not what was written.
    #[error("the store does not give back what was written to it; the backup was removed")]
    NotKept,
    /// The archive is damaged, or not one of ours.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The database takes no such rows.
    #[error(
        "the backup does not fit its schema: {0}. It was changed, or something else made it; nothing was restored"
    )]
    Rows(String),
    /// The archive cannot be written.
    #[error("{}", not_written(.0))]
    Write(#[source] io::Error),
    /// The database or the store failed.
    #[error("the database or the evidence store fails; is this the right FIREMODE_DATA_DIR or DATABASE_URL?")]
    Storage(#[from] StorageError),
    /// The database takes no dump.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// The embedded database could not be started.
    #[error(transparent)]
    Supervisor(#[from] SupervisorError),
    /// A file could not be read or written.
    #[error("cannot use {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn not_written(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "the disk that the backup is written to is full; make room there, or name a file on another disk"
        }
        _ => "the backup cannot be written",
    }
}

/// An I/O error with the path it happened on.
fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.into();
    move |source| BackupError::Io { path, source }
}

/// Connections that evidence in the database is read and written over.
const CONNECTIONS_MAX: usize = 2;

fn open_store(settings: &Settings) -> Result<EvidenceStore, StorageError> {
    EvidenceStore::open(settings, &Database::new(settings, CONNECTIONS_MAX)?)
}
