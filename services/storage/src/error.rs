//! What can go wrong between us and PostgreSQL.

use deadpool_postgres::PoolError;
use serde::{Deserialize, Serialize};

use crate::sqlstate::{Meaning, described};

/// A failure of storage. Its text is for the log; it never reaches a client.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// No connection within the time: the database is down, unreachable or overloaded. Worth a retry.
    #[error("database unavailable: {0}")]
    Unavailable(String),
    /// Somebody else was in the way for too long. Worth a retry.
    #[error("database busy: {0}")]
    Busy(String),
    /// The database can be read, and takes nothing new. Worth a retry, later.
    #[error("database takes no writes: {1}")]
    NoWrites(WriteFault, String),
    /// There is no memory for a document just now. Worth a retry.
    #[error("no memory for a document: {0}")]
    NoRoom(String),
    /// A document takes more memory than one may.
    #[error("a document takes about {bytes} bytes of memory, more than {bytes_max}")]
    TooLarge {
        /// What it would take.
        bytes: usize,
        /// What there is for documents.
        bytes_max: usize,
    },
    /// A rule of the schema refused the row; the constraint's name says which.
    #[error("constraint {0} refused the row")]
    Constraint(String),
    /// Two transactions could not both be; the second may try again.
    #[error("transaction conflict: {0}")]
    Conflict(String),
    /// The database does not know a statement any more, or plans it in another way than it was prepared for. Prepared again it works.
    #[error("statement of another form: {0}")]
    Stale(String),
    /// The evidence store does not answer, or takes no more: its disk is full, its folder cannot be written. Worth a retry, later.
    #[error("evidence store: {0}")]
    Store(object_store::Error),
    /// What is stored does not read as what was written.
    #[error("stored data is damaged: {0}")]
    Damaged(String),
    /// The schema is another one than this binary was made for.
    #[error("schema: {0}")]
    Schema(String),
    /// Anything else: a defect of ours.
    #[error("database: {0}")]
    Database(String),
}

/// Why nothing can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteFault {
    /// The database is a standby, or was made read-only.
    ReadOnly,
    /// It has no room.
    Full,
    /// The last write failed for another reason.
    Failed,
}

impl WriteFault {
    /// For whoever runs the appliance.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::ReadOnly => "The database takes no writes: it is a standby, or was made read-only.",
            Self::Full => "The database takes no writes: its disk is full, or its host's limit is reached.",
            Self::Failed => "The last write to the database failed; the log says why.",
        }
    }
}

impl StorageError {
    /// A connection on which nothing comes back.
    pub(crate) fn silent() -> Self {
        Self::Unavailable("the database does not answer on this connection".to_owned())
    }

    /// Is the database the reason, and no request? Then trying again at once helps nobody.
    pub fn is_of_database(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Busy(_) | Self::NoWrites(..) | Self::Schema(_))
    }

    /// What it says of the writes of this process, if anything: that a value or another request was in the way says nothing.
    pub(crate) fn write_fault(&self) -> Option<WriteFault> {
        match self {
            Self::NoWrites(fault, _) => Some(*fault),
            Self::Unavailable(_) | Self::Schema(_) => Some(WriteFault::Failed),
            _ => None,
        }
    }

    /// The name of the constraint that refused a row, if one did.
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Constraint(name) => Some(name),
            _ => None,
        }
    }
}

impl From<object_store::Error> for StorageError {
    fn from(error: object_store::Error) -> Self {
        match error {
            // What is read was written before, so that it should be there.
            object_store::Error::NotFound { .. } => Self::Damaged(error.to_string()),
            other => Self::Store(other),
        }
    }
}

impl From<tokio_postgres::Error> for StorageError {
    fn from(error: tokio_postgres::Error) -> Self {
        let text = described(&error);
        match Meaning::of(&error) {
            Meaning::Constraint => {
                let constraint = error.as_db_error().and_then(|reported| reported.constraint());
                Self::Constraint(constraint.unwrap_or("unnamed").to_owned())
            }
            Meaning::Conflict => Self::Conflict(text),
            Meaning::Stale => Self::Stale(text),
            Meaning::ReadOnly => Self::NoWrites(WriteFault::ReadOnly, text),
            Meaning::Full => Self::NoWrites(WriteFault::Full, text),
            Meaning::Busy => Self::Busy(text),
            Meaning::Away => Self::Unavailable(text),
            Meaning::Schema => Self::Schema(text),
            Meaning::Defect => Self::Database(text),
        }
    }
}

impl From<PoolError> for StorageError {
    fn from(error: PoolError) -> Self {
        match error {
            // A connection that cannot be made is an outage for any reason.
            PoolError::Backend(error) => Self::Unavailable(described(&error)),
            other => Self::Unavailable(other.to_string()),
        }
    }
}
