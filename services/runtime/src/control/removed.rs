//! A supervisor whose data folder was removed under it: it still holds the file that it locked there.

use std::fs;
use std::path::{Path, PathBuf};

use crate::data_dir;

/// How the kernel marks an open file that has no name any more.
const DELETED: &str = " (deleted)";

/// The process that holds the lock of a data folder which is gone.
pub(super) fn supervisor_of(folder: &Path) -> Option<i32> {
    let lock = std::path::absolute(folder).ok()?.join(data_dir::LOCK);
    let removed = PathBuf::from(format!("{}{DELETED}", lock.display()));
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.find(|pid| {
        let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        // Whose files may not be looked at is not ours.
        open.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|file| file == removed)
    })
}
