//! What is written to the disk is for the user that runs FireMode and for nobody else: files are 0600, folders 0700.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use nix::sys::stat::{Mode, umask};
use uuid::Uuid;

use crate::data_dir;
use crate::settings::Settings;

/// What a file's group and everybody else may do with it.
const OTHERS: u32 = 0o077;

/// The same without passing through a folder.
const OTHERS_BUT_PASSAGE: u32 = 0o066;

/// A file system's own folder, in the place where a disk is mounted.
const LOST_AND_FOUND: &str = "lost+found";

/// From here on every file of this process, and of those that it starts, is closed to other users. Libraries make files too
/// (evidence on its way, spools), so the umask is set once and not the mode of each of them. For the beginning of a process.
pub fn keep_new_files_private() {
    umask(Mode::S_IRWXG | Mode::S_IRWXO);
}

/// Closes what is open in the data folder and the folder itself: of an earlier release, or by somebody's hand. The database's own
/// folder is closed by the process that starts it, and the files of evidence by [`close_evidence`].
pub fn close_data_folder(settings: &Settings) {
    let folder = &settings.data_dir;
    let is_passed = data_dir::postgres_passes(folder, settings.uses_embedded_database());
    let bits = if is_passed { OTHERS_BUT_PASSAGE } else { OTHERS };
    let is_ours = |entry: &Path| data_dir::NAMES.iter().any(|name| is_named(entry, name));
    let mut closing = Closing::default();
    for entry in closing.top(folder, bits, is_ours) {
        if is_named(&entry, data_dir::EVIDENCE) {
            closing.take(&entry, OTHERS);
        } else if !is_named(&entry, data_dir::POSTGRES) {
            closing.tree(&entry);
        }
    }
    closing.report();
}

/// Closes a folder with evidence and what is in it. From its first step on nobody else gets to the files; those of an earlier release
/// are closed one by one after it, which takes its time with very many, once.
pub fn close_evidence(folder: &Path) {
    let is_tenant = |entry: &Path| {
        entry.file_name().and_then(|name| name.to_str()).is_some_and(|name| Uuid::try_parse(name).is_ok())
    };
    let mut closing = Closing::default();
    for tenant in closing.top(folder, OTHERS, is_tenant) {
        closing.tree(&tenant);
    }
    closing.report();
}

fn is_named(entry: &Path, name: &str) -> bool {
    entry.file_name().is_some_and(|found| found == name)
}

/// What was closed, and what could not be.
#[derive(Debug, Default)]
struct Closing {
    closed: usize,
    failed: usize,
    first_failure: Option<(PathBuf, io::Error)>,
}

impl Closing {
    /// Closes a folder that somebody chose, maybe by a link, unless there is more in it than ours: then others may have a right to
    /// it. Gives what is ours in it.
    fn top(&mut self, folder: &Path, bits: u32, is_ours: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
        let folder = &fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        let (ours, foreign): (Vec<_>, Vec<_>) =
            self.entries(folder).into_iter().partition(|entry| is_ours(entry));
        match foreign.iter().find(|entry| !is_named(entry, LOST_AND_FOUND)) {
            None => self.take(folder, bits),
            Some(foreign) if is_open(folder, bits) => tracing::warn!(
                folder = %folder.display(),
                "other users can look into the folder, which is left so because {} in it is not FireMode's; what is FireMode's is \
                 closed to them. Give FireMode a folder of its own",
                foreign.display()
            ),
            Some(_) => {}
        }
        ours
    }

    /// Closes a folder's content and then the folder, so that one that is closed has nothing open in it.
    fn tree(&mut self, path: &Path) {
        if path.is_dir() && is_open(path, OTHERS) {
            for entry in self.entries(path) {
                self.tree(&entry);
            }
        }
        self.take(path, OTHERS);
    }

    /// Takes rights from everybody but the owner.
    fn take(&mut self, path: &Path, bits: u32) {
        if let Some(mode) = open_mode(path, bits) {
            match fs::set_permissions(path, Permissions::from_mode(mode & !bits)) {
                Ok(()) => self.closed += 1,
                Err(error) => self.fail(path, error),
            }
        }
    }

    fn entries(&mut self, folder: &Path) -> Vec<PathBuf> {
        let entries =
            fs::read_dir(folder).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
        entries.unwrap_or_else(|error| {
            self.fail(folder, error);
            Vec::new()
        })
    }

    fn fail(&mut self, path: &Path, error: io::Error) {
        self.failed += 1;
        self.first_failure.get_or_insert_with(|| (path.to_owned(), error));
    }

    fn report(self) {
        if self.closed > 0 {
            tracing::info!(
                closed = self.closed,
                "files and folders that other users could read are closed to them"
            );
        }
        if let Some((path, error)) = self.first_failure {
            tracing::warn!(
                failed = self.failed,
                path = %path.display(),
                %error,
                "other users can read what could not be closed to them; `chmod -R go=` it as its owner"
            );
        }
    }
}

fn is_open(path: &Path, bits: u32) -> bool {
    open_mode(path, bits).is_some()
}

/// The mode of a file that gives some of these rights. A link has none of its own.
fn open_mode(path: &Path, bits: u32) -> Option<u32> {
    let meta = fs::symlink_metadata(path).ok().filter(|meta| !meta.is_symlink())?;
    Some(meta.permissions().mode()).filter(|mode| mode & bits != 0)
}
