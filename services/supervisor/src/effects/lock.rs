//! One supervisor per data folder.

use std::fs::{File, TryLockError};
use std::path::Path;

use crate::error::SupervisorError;

/// Name of the file in the data folder.
const NAME: &str = "supervisor.lock";

/// Locks the data folder until the file is dropped. The kernel gives the lock back however this process ends.
///
/// # Errors
/// The folder cannot be made or used, or [`SupervisorError::Locked`].
pub fn acquire(data_dir: &Path) -> Result<File, SupervisorError> {
    let failed = |source| SupervisorError::DataFolder { path: data_dir.to_owned(), source };
    std::fs::create_dir_all(data_dir).map_err(failed)?;
    let file = File::options().create(true).append(true).open(data_dir.join(NAME)).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SupervisorError::Locked { path: data_dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}
