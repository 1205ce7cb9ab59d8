//! Looking at processes, and ending them the hard way.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Sends SIGKILL; a process that has gone already needs none.
pub(crate) fn kill_hard(pid: Pid) {
    let _ = kill(pid, Signal::SIGKILL);
}

/// Every process that works for the stack in a folder: it was started for it, or it works inside. A zombie has gone.
pub(crate) fn of_folder(folder: &Path) -> Vec<Pid> {
    let own = Pid::this();
    let needle = folder.as_os_str().as_bytes();
    let names_folder = |pid: Pid, file: &str| {
        let content = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        content.windows(needle.len()).any(|part| part == needle)
    };
    let works_inside =
        |pid: Pid| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(folder));
    let is_of_folder =
        |pid: Pid| names_folder(pid, "cmdline") || names_folder(pid, "environ") || works_inside(pid);
    all().into_iter().filter(|&pid| pid != own && is_running(pid) && is_of_folder(pid)).collect()
}

/// The child of a process that runs `firemode <role>`, or whose program has this name.
pub(crate) fn child_named(parent: Pid, name: &str) -> Option<Pid> {
    let is_named = |pid: &Pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut words = line.split(|byte| *byte == 0).map(String::from_utf8_lossy);
        let (program, role) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        role == name || program.rsplit('/').next() == Some(name)
    };
    all()
        .into_iter()
        .filter(|pid| stat_of(*pid).is_some_and(|(state, of)| of == parent && state != 'Z'))
        .find(is_named)
}

/// Is it there, and not a zombie that nobody has collected yet?
fn is_running(pid: Pid) -> bool {
    stat_of(pid).is_some_and(|(state, _)| state != 'Z')
}

fn all() -> Vec<Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Pid::from_raw)).collect()
}

/// State and parent.
fn stat_of(pid: Pid) -> Option<(char, Pid)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // pid (name) state parent ...; a name may hold anything, parentheses included.
    let mut words = stat.rsplit_once(") ")?.1.split(' ');
    let state = words.next()?.chars().next()?;
    Some((state, Pid::from_raw(words.next()?.parse().ok()?)))
}
