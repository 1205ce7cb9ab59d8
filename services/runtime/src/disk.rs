//! Room on disks.

use std::io;
use std::path::Path;

use nix::sys::statvfs::statvfs;

/// Room on the disk that holds a folder, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// What this process may still write.
    pub free_bytes: u64,
    /// All of it.
    pub bytes: u64,
}

/// The room on the disk that holds `folder`, or the first folder above it that is there.
///
/// # Errors
/// The system does not say.
pub fn room(folder: &Path) -> io::Result<Room> {
    let folder = std::path::absolute(folder)?;
    let there = folder.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    let disk = statvfs(there)?;
    // The counts are as wide as the platform makes them.
    let block_bytes = u128::from(disk.fragment_size());
    let bytes = |blocks: u128| u64::try_from(blocks * block_bytes).unwrap_or(u64::MAX);
    Ok(Room { free_bytes: bytes(disk.blocks_available().into()), bytes: bytes(disk.blocks().into()) })
}
