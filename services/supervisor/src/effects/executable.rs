//! The executable that our own children are made from, held open: what lies at its path may be replaced at any time.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

/// The kernel's name for the executable that a process runs: still the same one when the file has been replaced.
pub(crate) const OWN_EXECUTABLE: &str = "/proc/self/exe";

/// An executable file, open for as long as processes are to be made from it.
#[derive(Debug)]
pub(crate) struct Executable {
    file: File,
}

impl Executable {
    /// The one that this process runs, and the path at which a newer one would lie.
    pub(crate) fn own() -> io::Result<(Self, PathBuf)> {
        let path = std::env::current_exe()?;
        Ok((Self { file: File::open(OWN_EXECUTABLE)? }, path))
    }

    /// The one that lies at a path now.
    ///
    /// # Errors
    /// What is wrong with it and what to do, in plain words.
    pub(crate) fn at(path: &Path) -> Result<Self, String> {
        use std::os::unix::fs::PermissionsExt as _;
        let cannot = |what: &dyn std::fmt::Display| {
            format!("cannot use {} as the new version: {what}; put the executable there", path.display())
        };
        let file = File::open(path).map_err(|error| cannot(&error))?;
        let meta = file.metadata().map_err(|error| cannot(&error))?;
        if !meta.is_file() || meta.permissions().mode() & 0o111 == 0 {
            return Err(cannot(&"it is not an executable file"));
        }
        Ok(Self { file })
    }

    /// A path to it that a process may execute between fork and exec, whose descriptors are copies of ours.
    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }
}
