//! Why the embedded PostgreSQL cannot be run.

use std::io;
use std::path::PathBuf;

use super::programs::MAJOR_MIN;

/// Why the embedded PostgreSQL cannot be run. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// No usable programs where they are looked for.
    #[error(
        "PostgreSQL {MAJOR_MIN} or newer is not installed, and DATABASE_URL is not set; ./run.sh installs it, or set \
         DATABASE_URL to a database of yours, or postgres.bin_dir to the folder with its programs"
    )]
    NotInstalled,
    /// The configured folder is of no use.
    #[error(
        "postgres.bin_dir is {}, which does not hold the programs postgres and initdb of version {MAJOR_MIN} or newer",
        path.display()
    )]
    BinDir {
        /// The folder as configured.
        path: PathBuf,
    },
    /// The data was written by a major version that is not here.
    #[error(
        "the database in {} was made by PostgreSQL {made_by}, but only {installed} is here; install PostgreSQL {made_by} \
         beside it, or move the data over with pg_upgrade, or set FIREMODE_DATA_DIR to a new folder",
        path.display()
    )]
    Version {
        /// PostgreSQL's data folder.
        path: PathBuf,
        /// Major version of the data.
        made_by: u32,
        /// The major versions that were found.
        installed: String,
    },
    /// Root without an unprivileged user to drop to.
    #[error(
        "PostgreSQL does not run as root, and this system has neither a user postgres nor a user nobody; add one, or run \
         FireMode as another user, or set DATABASE_URL"
    )]
    NoUser,
    /// The unprivileged user cannot get to the folder.
    #[error(
        "the user {user} cannot pass through {}, so PostgreSQL could not reach its data; `chmod o+x` that folder, or set \
         FIREMODE_DATA_DIR",
        path.display()
    )]
    Unreachable {
        /// PostgreSQL's user.
        user: String,
        /// The first folder that is closed.
        path: PathBuf,
    },
    /// The data is another user's.
    #[error(
        "the database in {} does not belong to the user {user}, under whom PostgreSQL would run; `chown -R {user}` that \
         folder, or set FIREMODE_DATA_DIR",
        path.display()
    )]
    Owner {
        /// PostgreSQL's data folder.
        path: PathBuf,
        /// PostgreSQL's user.
        user: String,
    },
    /// Somebody else's folder stands in the place of ours. It may hold a database, so nothing here says to remove it.
    #[error(
        "{} belongs to another user than {user}, who needs it for the embedded database; `chown -R {user}` it if it is \
         yours, or set FIREMODE_DATA_DIR",
        path.display()
    )]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// PostgreSQL's user.
        user: String,
    },
    /// A file or a link stands in the place of a folder.
    #[error("{} is a file or a link, not a folder; move it away, or set FIREMODE_DATA_DIR", path.display())]
    NoFolder {
        /// What stands there.
        path: PathBuf,
    },
    /// A folder cannot be made or read.
    #[error("cannot use {} for the embedded database: {source}; make it writable or set FIREMODE_DATA_DIR", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl PostgresError {
    /// Must the configuration change before another start is of any use?
    pub(crate) fn is_configuration(&self) -> bool {
        !matches!(self, Self::Folder { .. })
    }
}
