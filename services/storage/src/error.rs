//! What can go wrong between us and PostgreSQL.

use tokio_postgres::error::{DbError, SqlState};

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
    /// The database does not know a statement any more, or plans it in another way than it was prepared for. Prepared again it works.
    #[error("statement of another form: {0}")]
    Stale(tokio_postgres::Error),
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
    /// A connection on which nothing comes back.
    pub(crate) fn silent() -> Self {
        Self::Unavailable("the database does not answer on this connection".to_owned())
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
        let Some(db) = error.as_db_error() else {
            return if error.is_closed() || is_io(&error) {
                Self::Unavailable(error.to_string())
            } else {
                Self::Database(error)
            };
        };
        if is_stale(db) {
            return Self::Stale(error);
        }
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

/// Is it about a prepared statement: gone, there already under its name (both behind a pooler), or with columns that have changed?
fn is_stale(error: &DbError) -> bool {
    match *error.code() {
        SqlState::INVALID_SQL_STATEMENT_NAME | SqlState::DUPLICATE_PSTATEMENT => true,
        // The code says only that something is not supported; where that was found out does not depend on the language.
        SqlState::FEATURE_NOT_SUPPORTED => error.routine() == Some("RevalidateCachedQuery"),
        _ => false,
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
                // A connection that cannot be made is an outage for any reason.
                Self::Database(error) => Self::Unavailable(error.to_string()),
                other => other,
            },
            other => Self::Unavailable(other.to_string()),
        }
    }
}
