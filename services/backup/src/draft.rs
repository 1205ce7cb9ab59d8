//! A file that is being written: nothing of it is left behind unless it is published.
//!
//! It has no name until it is complete, so that a process that is killed leaves nothing with secrets in it. Some file systems have no files
//! without names: there it has a name of its own, is locked while somebody writes it, and the next backup removes what nobody writes.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, AtFlags, OFlag};
use nix::unistd::linkat;

/// What drafts with names of their own end with.
const PARTIAL: &str = ".partial";

/// A file that is being written.
pub(super) struct Draft {
    file: File,
    /// Where it has a name of its own.
    named: Option<PathBuf>,
}

impl Draft {
    /// Begins one for a path, and removes what is left of earlier ones beside it.
    pub(super) fn begin(path: &Path) -> io::Result<Self> {
        let folder = folder_of(path);
        remove_stale(folder);
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(0o600);
        match options.clone().custom_flags(OFlag::O_TMPFILE.bits()).open(folder) {
            Ok(file) => Ok(Self { file, named: None }),
            Err(error) if has_no_nameless(&error) => {
                let mut name = path.file_name().unwrap_or_default().to_owned();
                name.push(format!(".{}{PARTIAL}", std::process::id()));
                let named = path.with_file_name(name);
                let file = options.create_new(true).open(&named)?;
                file.try_lock()?;
                Ok(Self { file, named: Some(named) })
            }
            Err(error) => Err(error),
        }
    }

    /// The file, for writing or for reading it back.
    pub(super) fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Gives it its name, for good, unless that is taken.
    pub(super) fn publish(self, path: &Path) -> io::Result<()> {
        match &self.named {
            None => {
                let own = format!("/proc/self/fd/{}", self.file.as_raw_fd());
                linkat(AT_FDCWD, own.as_str(), AT_FDCWD, path, AtFlags::AT_SYMLINK_FOLLOW)?;
            }
            // Some file systems have no hard links either.
            Some(named) => match fs::hard_link(named, path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => fs::rename(named, path)?,
                linked => linked?,
            },
        }
        File::open(folder_of(path))?.sync_all()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(named) = &self.named {
            // What is in the way of removing it has its own error, which matters more.
            let _ = fs::remove_file(named);
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The kernel or the file system does not know them.
fn has_no_nameless(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(nix::libc::EOPNOTSUPP | nix::libc::EISDIR | nix::libc::EINVAL | nix::libc::ENOENT)
    )
}

/// Removes drafts that nobody writes any more: of a backup that was killed, of an earlier release too. One that cannot be removed is in
/// nobody's way.
fn remove_stale(folder: &Path) {
    let paths = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    for path in paths.filter(|path| is_draft(path)) {
        let is_written = |file: File| file.try_lock().is_err();
        if File::open(&path).is_ok_and(|file| !is_written(file)) {
            let _ = fs::remove_file(&path);
        }
    }
}

/// `NAME.tar.PID.partial`
fn is_draft(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let of_process = name.strip_suffix(PARTIAL).and_then(|name| name.rsplit_once('.'));
    of_process.is_some_and(|(name, id)| {
        name.ends_with(".tar") && !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_of_a_draft_that_is_not_published_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("a.tar");
        let names = || fs::read_dir(folder.path()).expect("it can be read").count();
        let stale = folder.path().join("b.tar.17.partial");
        fs::write(&stale, "secrets").expect("a file can be written");
        let somebodys = folder.path().join("b.partial");
        fs::write(&somebodys, "not ours").expect("a file can be written");
        drop(Draft::begin(&path).expect("a draft can be begun"));
        assert!(!stale.exists() && somebodys.exists() && names() == 1);
        Draft::begin(&path).and_then(|draft| draft.publish(&path)).expect("it gets its name");
        let again = Draft::begin(&path).and_then(|draft| draft.publish(&path));
        assert_eq!(again.expect_err("it is taken").kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(names(), 2);
    }

    #[test]
    fn a_draft_that_somebody_writes_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("b.tar.17.partial");
        let file = File::create(&path).expect("a file can be made");
        file.lock().expect("it can be locked");
        remove_stale(folder.path());
        assert!(path.exists());
    }
}
