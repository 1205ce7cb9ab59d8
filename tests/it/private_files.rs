//! What is written to the disk is for the user that runs FireMode, and for nobody else.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;

use crate::support::stack::command;
use crate::support::{Folder, Form, Site, Stack, eventually};

/// What is below a folder, without what is in the database's own.
fn everything_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|entry| {
            let is_searched = entry.is_dir() && !entry.ends_with("postgres");
            let below = if is_searched { everything_in(&entry) } else { Vec::new() };
            below.into_iter().chain([entry])
        })
        .collect()
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// What others than the owner may do with something in it.
fn open_in(folder: &Path) -> Vec<String> {
    let all = everything_in(folder).into_iter();
    all.filter(|path| mode(path) & 0o077 != 0)
        .map(|path| format!("{} {:o}", path.display(), mode(&path)))
        .collect()
}

/// Evidence in one part and in several.
fn upload(site: &Site) {
    for bytes in [100, 3 << 20] {
        Form::photo(&site.session_id, &vec![b'x'; bytes]).upload(&site.admin).expect(201);
    }
}

#[test]
fn what_is_written_is_closed_to_other_users() {
    let place = Folder::new();
    // One that FireMode makes itself, with the folder above it.
    let folder = place.path().join("var/firemode");
    let folder_text = folder.to_str().unwrap();
    let stack = Stack::start(&[("FIREMODE_DATA_DIR", folder_text)]);
    let site = Site::on(&stack);
    upload(&site);
    let backup = place.path().join("backup.tar");
    let written = command(&folder).arg("backup").arg(&backup).output().unwrap();
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));

    assert!(everything_in(&folder).len() >= 9, "{:?}", everything_in(&folder));
    assert_eq!(open_in(&folder), [""; 0]);
    assert_eq!(mode(&backup), 0o600);
    // PostgreSQL's user, who is another one where this is root, passes through; nobody looks in.
    assert_eq!((mode(&folder) & 0o066, mode(folder.parent().unwrap()) & 0o066), (0, 0));
    for pid in stack.processes() {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        assert!(status.contains("Umask:\t0077"), "spools and drafts of a process are open: {status}");
    }
}

#[test]
fn a_start_closes_what_an_earlier_release_left_open() {
    let folder = Folder::new();
    let mut stack = Stack::start_in(&folder, &[]);
    let site = Site::on(&stack);
    upload(&site);
    assert_eq!(stack.end_with(Signal::SIGTERM).code(), Some(0));
    for path in everything_in(folder.path()) {
        let is_folder = path.is_dir();
        if !path.ends_with("postgres") {
            set_mode(&path, if is_folder { 0o755 } else { 0o644 });
        }
    }
    set_mode(folder.path(), 0o755);

    let stack = Stack::start_in(&folder, &[]);
    assert_eq!(mode(folder.path()) & 0o066, 0);
    eventually("everything is closed", || open_in(folder.path()).is_empty().then_some(()));
    assert!(stack.logs().about("closed to them").contains("files and folders"));
}

#[test]
fn a_folder_with_more_than_firemode_in_it_is_left_open_and_that_is_said() {
    let folder = Folder::new();
    fs::write(folder.path().join("notes.txt"), "of somebody else").unwrap();
    let stack = Stack::start_in(&folder, &[]);
    upload(&Site::on(&stack));
    assert_eq!(mode(folder.path()), 0o755);
    let said = stack.logs().about("notes.txt");
    assert!(said.contains("is left so because"), "{said}");
    let open: Vec<_> =
        open_in(folder.path()).into_iter().filter(|open| !open.contains("notes.txt")).collect();
    assert_eq!(open, [""; 0]);
}
