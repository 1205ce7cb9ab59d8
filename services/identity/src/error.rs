//! What can go wrong where somebody proves who they are.

use std::fmt;

use firemode_storage::StorageError;

/// A password, a second factor or personal data could not be worked on. Its text is for the log; it never reaches a client.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// As many passwords are hashed as may be at once. Worth a retry.
    #[error("too many passwords are hashed at once")]
    Busy,
    /// Personal data is under a key that is not here. Worth a retry, once the operator has brought the key.
    #[error("no key in PII_ENCRYPTION_KEY decrypts the stored personal data")]
    KeyMissing,
    /// The database does not answer, or refuses.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Anything else: a defect of ours, or of the system.
    #[error("{0}")]
    Internal(String),
}

impl IdentityError {
    pub(crate) fn internal(cause: impl fmt::Display) -> Self {
        Self::Internal(cause.to_string())
    }
}
