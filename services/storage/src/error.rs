//! What can go wrong between us and PostgreSQL.

use tokio_postgres::error::SqlState;

/// A failure of storage. Its text is for the log; it never reaches a client.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// No connection within the time: the database is down, unreachable or overloaded. Worth a retry.
    #[error("database unavailable: {0}")]
    Unavailable(String),
    /// A rule of the schema refused the row; the constraint's name says which.
    #[error("constraint {0} refused the row")]
    Constraint(String),
    /// Two transactions could not both be; the second may try again.
    #[error("transaction conflict: {0}")]
    Conflict(tokio_postgres::Error),
    /// The evidence store does not answer, or takes no more: its disk is full, its folder cannot be written. Worth a retry, later.
    #[error("evidence store: {0}")]
    Store(object_store::Error),
    /// What is stored does not read as what was written.
    #[error("stored data is damaged: {0}")]
    Damaged(String),
    /// Anything else: a defect of ours.
    #[error("database: {0}")]
    Database(tokio_postgres::Error),
}

impl StorageError {
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
        let Some(db) = error.as_db_error() else {
            return if error.is_closed() || is_io(&error) {
                Self::Unavailable(error.to_string())
            } else {
                Self::Database(error)
            };
        };
        let class = &db.code().code()[..2];
        match class {
            "23" => Self::Constraint(db.constraint().unwrap_or("unnamed").to_owned()),
            "40" => Self::Conflict(error),
            // Connection lost, too many connections, shutting down or starting up, out of memory or disk, statement timeout.
            "08" | "53" | "57" | "58" => Self::Unavailable(db.message().to_owned()),
            _ if *db.code() == SqlState::LOCK_NOT_AVAILABLE => Self::Unavailable(db.message().to_owned()),
            _ => Self::Database(error),
        }
    }
}

/// tokio-postgres reports a lost connection as an I/O error among its sources.
fn is_io(error: &tokio_postgres::Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<std::io::Error>())
}

impl From<deadpool_postgres::PoolError> for StorageError {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        match error {
            deadpool_postgres::PoolError::Backend(error) => match Self::from(error) {
                // A connection that cannot be made is an outage whatever the reason.
                Self::Database(error) => Self::Unavailable(error.to_string()),
                other => other,
            },
            other => Self::Unavailable(other.to_string()),
        }
    }
}
