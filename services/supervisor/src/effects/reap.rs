//! The one place where processes are waited for, and where those that nobody expected any more are ended.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{Pid, getpid};

use crate::exit::Exit;

/// How often and how many times the remaining processes are looked for at the end.
const ORPHAN_PAUSE: Duration = Duration::from_millis(10);
const ORPHAN_ROUNDS_MAX: u32 = 50;

/// Collects every process that has ended. `leads_group` says whose group is to be killed with it: what a service leaves
/// behind would compete with its next generation.
///
/// It is called by the event loop, which also sends the signals: a process id so cannot be given to a stranger between
/// the two.
pub(crate) fn collect(leads_group: impl Fn(Pid) -> bool) -> Vec<(Pid, Exit)> {
    let mut ended = Vec::new();
    loop {
        // A look without collecting keeps the id taken until the group is dealt with.
        let pid = match waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT) {
            Ok(WaitStatus::StillAlive) => return ended,
            Ok(status) => status.pid(),
            // A signal that nix has no name for. The process is collected below, and `is_gone` finds which it was.
            Err(Errno::EINVAL) => None,
            Err(Errno::EINTR) => continue,
            Err(_) => return ended,
        };
        if let Some(pid) = pid.filter(|&pid| leads_group(pid)) {
            // Usually the group is empty but for its dead leader, and there is nobody to tell.
            let _ = killpg(pid, Signal::SIGKILL);
        }
        match waitpid(pid, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) => ended.push((pid, Exit::Code(code))),
            Ok(WaitStatus::Signaled(pid, signal, core_dumped)) => {
                ended.push((pid, Exit::Signal { signal, core_dumped }));
            }
            Ok(_) | Err(_) => {}
        }
    }
}

/// Does no process have this id any more?
pub(crate) fn is_gone(pid: Pid) -> bool {
    kill(pid, None) == Err(Errno::ESRCH)
}

/// Ends all processes that are still our children, orphans of our children included: as a subreaper we inherit them.
pub(crate) fn end_orphans() {
    for _ in 0..ORPHAN_ROUNDS_MAX {
        let orphans = children();
        if orphans.is_empty() {
            return;
        }
        for pid in orphans {
            tracing::warn!(pid = pid.as_raw(), "ending a process that its parent left behind");
            let _ = kill(pid, Signal::SIGKILL);
        }
        sleep(ORPHAN_PAUSE);
        collect(|_| false);
    }
}

fn children() -> Vec<Pid> {
    let own = getpid();
    all_processes().filter(|&pid| parent_of(pid) == Some(own)).collect()
}

/// Every process in `/proc`; none where that cannot be read.
pub(crate) fn all_processes() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Pid::from_raw))
}

fn parent_of(pid: Pid) -> Option<Pid> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // pid (name) state parent ...; a name may hold anything, parentheses included.
    let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?;
    parent.parse().ok().map(Pid::from_raw)
}
