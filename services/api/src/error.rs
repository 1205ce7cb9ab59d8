//! Why the API could not start or broke down.

use firemode_runtime::listener::ListenError;
use firemode_storage::StorageError;

/// The API could not start or broke down.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// No socket to listen on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A setting of the database, the store or a key does not work.
    #[error("{0}")]
    Storage(#[from] StorageError),
    /// A key does not work.
    #[error("{0} holds no usable key")]
    Keys(&'static str),
    /// The server itself failed.
    #[error("the server failed: {0}")]
    Server(#[from] std::io::Error),
}
