//! The embedded database's folders: whose they are, and whether an earlier server has left them.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use firemode_runtime::data_dir::{self, EmbeddedDatabase};
use firemode_runtime::disk::{self, Room};
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::{Pid, Uid, User, chown, geteuid};

use super::PostgresError;
use crate::effects::reap::all_processes;
use crate::spec::Identity;

/// Two segments of the write-ahead log (16 MiB each), and as much again.
const DISK_BYTES_MIN: u64 = 64 << 20;

/// Users that PostgreSQL may run as where the supervisor is root, in this order.
const UNPRIVILEGED: &[&str] = &["postgres", "nobody"];

/// The major version that made the data; none where there is none yet.
pub(super) fn major_version(data: &Path) -> Result<Option<u32>, PostgresError> {
    let failed = |source| PostgresError::Folder { path: data.to_owned(), source };
    match fs::read_to_string(data.join("PG_VERSION")) {
        Ok(text) => {
            text.trim().parse().map(Some).map_err(|_| failed(io::Error::other("PG_VERSION is not a number")))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// Whom PostgreSQL runs as: the supervisor's own user (none), or an unprivileged one in place of root. That is the owner
/// of data that exists, so that a folder made under one user can still be served under another.
pub(super) fn identity(data: &Path) -> Result<Option<Identity>, PostgresError> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    let owner = fs::metadata(data).ok().map(|meta| Uid::from_raw(meta.uid())).filter(|uid| !uid.is_root());
    let owner = owner.and_then(|uid| User::from_uid(uid).ok().flatten());
    let user = owner.or_else(|| UNPRIVILEGED.iter().find_map(|name| User::from_name(name).ok().flatten()));
    let user = user.ok_or(PostgresError::NoUser)?;
    Ok(Some(Identity { name: user.name, uid: user.uid, gid: user.gid }))
}

/// Makes the folder around the data and the one for the socket, closed to everybody but PostgreSQL's user.
pub(super) fn make(folders: &EmbeddedDatabase, identity: Option<&Identity>) -> Result<(), PostgresError> {
    let around = folders.data.parent().unwrap_or(&folders.data);
    for folder in [around, &folders.socket] {
        if let Some(parent) = folder.parent() {
            data_dir::make(parent)
                .map_err(|source| PostgresError::Folder { path: parent.to_owned(), source })?;
        }
        make_own(folder, identity)?;
    }
    check_data(&folders.data, identity)?;
    identity.map_or(Ok(()), |identity| check_reachable(around, identity))
}

/// Removes what an initialisation that was killed has left beside the data. Its processes may still be ending and write there: what
/// cannot be removed now is removed at a later start.
pub(super) fn remove_drafts(folders: &EmbeddedDatabase) {
    let around = folders.data.parent().unwrap_or(&folders.data);
    let prefix = format!("{}.draft.", folders.data.file_name().unwrap_or_default().display());
    let entries = fs::read_dir(around).into_iter().flatten().flatten();
    for draft in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix)) {
        let folder = draft.path();
        match fs::remove_dir_all(&folder) {
            Ok(()) => {
                tracing::info!(folder = %folder.display(), "removed what an interrupted initialisation had left")
            }
            Err(error) => {
                tracing::warn!(folder = %folder.display(), %error, "cannot remove what an initialisation has left")
            }
        }
    }
}

/// PostgreSQL refuses data that is another user's or open to others. The one takes an operator, the other is put right.
fn check_data(data: &Path, identity: Option<&Identity>) -> Result<(), PostgresError> {
    let failed = |source| PostgresError::Folder { path: data.to_owned(), source };
    let meta = match fs::symlink_metadata(data) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(failed)?,
    };
    let user = identity.map_or(geteuid(), |identity| identity.uid);
    if Uid::from_raw(meta.uid()) != user {
        return Err(PostgresError::Owner { path: data.to_owned(), user: name_of(user) });
    }
    if meta.mode() & 0o027 != 0 {
        tracing::warn!(folder = %data.display(), "the database was open to other users; closing it");
        fs::set_permissions(data, Permissions::from_mode(0o700)).map_err(failed)?;
    }
    Ok(())
}

/// A user's name, or its number where the system knows no name.
fn name_of(user: Uid) -> String {
    User::from_uid(user).ok().flatten().map_or_else(|| user.to_string(), |user| user.name)
}

fn make_own(folder: &Path, identity: Option<&Identity>) -> Result<(), PostgresError> {
    let failed = |source| PostgresError::Folder { path: folder.to_owned(), source };
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => other.map_err(failed)?,
    }
    // The socket's folder may lie in the shared temporary one, where anybody could have put a link or a folder.
    let meta = fs::symlink_metadata(folder).map_err(failed)?;
    let wanted = identity.map_or(geteuid(), |identity| identity.uid);
    let owner = Uid::from_raw(meta.uid());
    if !meta.is_dir() {
        return Err(PostgresError::NoFolder { path: folder.to_owned() });
    }
    if owner != wanted && owner != geteuid() {
        return Err(PostgresError::Foreign { path: folder.to_owned(), user: name_of(wanted) });
    }
    if let Some(identity) = identity {
        chown(folder, Some(identity.uid), Some(identity.gid)).map_err(|errno| failed(errno.into()))?;
    }
    fs::set_permissions(folder, Permissions::from_mode(0o700)).map_err(failed)
}

fn check_reachable(folder: &Path, identity: &Identity) -> Result<(), PostgresError> {
    let may_pass = |folder: &&Path| {
        fs::metadata(folder).is_ok_and(|meta| meta.mode() & 0o001 != 0 || meta.uid() == identity.uid.as_raw())
    };
    match folder.ancestors().skip(1).find(|folder| !may_pass(folder)) {
        Some(closed) => {
            Err(PostgresError::Unreachable { user: identity.name.clone(), path: closed.to_owned() })
        }
        None => Ok(()),
    }
}

/// Makes sure that a start has the room that it takes: recovery writes before it can tidy up.
///
/// # Errors
/// How little is left and what to do, in plain words.
pub(crate) fn check_disk(folders: &EmbeddedDatabase) -> Result<(), String> {
    let around = folders.data.parent().unwrap_or(&folders.data);
    // What cannot be asked about is no reason to refuse a start.
    let Ok(Room { free_bytes, .. }) = disk::room(around) else { return Ok(()) };
    if free_bytes >= DISK_BYTES_MIN {
        return Ok(());
    }
    Err(format!(
        "the disk that holds {} is full: {} MiB are left, and the database needs {} to start; make room there",
        around.display(),
        free_bytes >> 20,
        DISK_BYTES_MIN >> 20
    ))
}

/// Makes sure that nobody uses the data folder: an earlier postmaster that is still shutting down, or backends that a
/// killed one left behind, are to be waited for, never joined by a second server.
///
/// # Errors
/// Who is in the way, in plain words.
pub(crate) fn make_way(folders: &EmbeddedDatabase) -> Result<(), String> {
    if let Some(pid) = occupant(&folders.data) {
        return Err(format!("process {pid} of an earlier PostgreSQL still uses {}", folders.data.display()));
    }
    // After a hard stop of the whole machine or container, the process ids in the lock files may belong to anybody by
    // now; PostgreSQL would take such a process for its predecessor and refuse to start. We hold the lock on the data
    // folder and have seen that no server is in it.
    let socket_lock = format!(".s.PGSQL.{}.lock", EmbeddedDatabase::PORT);
    for file in [folders.data.join("postmaster.pid"), folders.socket.join(socket_lock)] {
        if named_process_lives(&file) {
            fs::remove_file(&file).map_err(|error| format!("cannot remove {}: {error}", file.display()))?;
        }
    }
    Ok(())
}

/// A process that works in this folder. Postmaster and backends all do.
fn occupant(data: &Path) -> Option<Pid> {
    let folder = fs::metadata(data).ok()?;
    all_processes().find(|pid| {
        fs::metadata(format!("/proc/{pid}/cwd"))
            .is_ok_and(|cwd| (cwd.dev(), cwd.ino()) == (folder.dev(), folder.ino()))
    })
}

fn named_process_lives(lock_file: &Path) -> bool {
    let text = fs::read_to_string(lock_file).unwrap_or_default();
    let pid = text.lines().next().and_then(|line| line.trim().parse().ok());
    pid.is_some_and(|pid: i32| pid > 0 && kill(Pid::from_raw(pid), None) != Err(Errno::ESRCH))
}
