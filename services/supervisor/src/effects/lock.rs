//! One supervisor per data folder.

use std::fs::{File, TryLockError};
use std::path::Path;

use firemode_runtime::data_dir;

use crate::error::SupervisorError;

/// Locks the data folder until the file is dropped. The kernel gives the lock back however this process ends.
///
/// # Errors
/// The folder cannot be made or used, or [`SupervisorError::Locked`].
pub fn acquire(folder: &Path) -> Result<File, SupervisorError> {
    let failed = |source| SupervisorError::DataFolder { path: folder.to_owned(), source };
    data_dir::make(folder).map_err(failed)?;
    let file = File::options().create(true).append(true).open(folder.join(data_dir::LOCK)).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SupervisorError::Locked { path: folder.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}
