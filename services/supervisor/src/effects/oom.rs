//! Did the system kill something because memory ran out?
//!
//! The kernel sends SIGKILL as anybody else could; it also counts. A SIGKILL that comes with a higher count was one of these.

use std::fs;
use std::path::PathBuf;

/// The kernel's count of processes that it killed because memory ran out.
#[derive(Debug)]
pub(crate) struct OomCounter {
    file: Option<PathBuf>,
    seen: u64,
}

impl OomCounter {
    /// Finds the count that is nearest to this process: its control group's, else the whole machine's.
    pub(crate) fn find() -> Self {
        let group = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let file = candidates(&group).find(|file| count_in(file).is_some());
        let seen = file.as_ref().and_then(count_in).unwrap_or_default();
        Self { file, seen }
    }

    /// Has the count gone up since this was last asked?
    pub(crate) fn has_grown(&mut self) -> bool {
        let now = self.file.as_ref().and_then(count_in).unwrap_or_default();
        std::mem::replace(&mut self.seen, now) < now
    }
}

/// Lines of `/proc/self/cgroup` read `0::/path` (version 2) or `4:memory:/path` (version 1).
fn candidates(groups: &str) -> impl Iterator<Item = PathBuf> {
    let path_of = |controllers: &str| {
        groups.lines().find_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let (names, path) = rest.split_once(':')?;
            (names == controllers).then(|| path.trim_start_matches('/').to_owned())
        })
    };
    let version_2 = path_of("").into_iter().flat_map(|path| {
        // Inside a container the group may be mounted as the root.
        [format!("/sys/fs/cgroup/{path}/memory.events"), "/sys/fs/cgroup/memory.events".to_owned()]
    });
    let version_1 = path_of("memory").into_iter().flat_map(|path| {
        let root = "/sys/fs/cgroup/memory";
        [format!("{root}/{path}/memory.oom_control"), format!("{root}/memory.oom_control")]
    });
    let files: Vec<_> = version_2.chain(version_1).chain(["/proc/vmstat".to_owned()]).collect();
    files.into_iter().map(PathBuf::from)
}

/// All of these files have a line `oom_kill <count>`.
fn count_in(file: &PathBuf) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}
