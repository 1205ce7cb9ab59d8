//! Memory and processor time of processes, from `/proc`.

use std::fs;

use nix::unistd::Pid;

/// `USER_HZ`, the unit of times in `/proc`: 100 on every architecture that Linux runs on today.
const TICKS_PER_SECOND: f64 = 100.0;

/// What processes take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Usage {
    pub(crate) memory_bytes: u64,
    pub(crate) cpu_seconds: f64,
    /// Files and connections that it has open; of a family, those of the first process.
    pub(crate) open_files: Option<u64>,
    pub(crate) open_files_max: Option<u64>,
    /// Since 1970.
    pub(crate) started_at_seconds: Option<f64>,
}

/// What one process takes; none where it is gone.
pub(crate) fn process(pid: Pid) -> Option<Usage> {
    Some(alone(pid, status(pid, "VmRSS:")?, cpu_seconds(pid)?))
}

/// What a process and its children take together: their private memory, because they share the rest.
pub(crate) fn family(pid: Pid) -> Option<Usage> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|pid| pid.parse().ok()).map(Pid::from_raw);
    let of = |pid| Some((status(pid, "RssAnon:")?, cpu_seconds(pid)?));
    let (memory_bytes, cpu_seconds) = of(pid)?;
    let sum = alone(pid, memory_bytes, cpu_seconds);
    Some(children.filter_map(of).fold(sum, |sum, (memory, cpu)| Usage {
        memory_bytes: sum.memory_bytes + memory,
        cpu_seconds: sum.cpu_seconds + cpu,
        ..sum
    }))
}

fn alone(pid: Pid, memory_bytes: u64, cpu_seconds: f64) -> Usage {
    Usage {
        memory_bytes,
        cpu_seconds,
        open_files: open_files(pid),
        open_files_max: open_files_max(pid),
        started_at_seconds: started_at_seconds(pid),
    }
}

fn open_files(pid: Pid) -> Option<u64> {
    u64::try_from(fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count()).ok()
}

/// A line of the file reads `Max open files   1024   4096   files`: the soft limit first.
fn open_files_max(pid: Pid) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The 22nd field of `stat` is the start, in ticks since the machine's; when that was stands in `/proc/stat`.
fn started_at_seconds(pid: Pid) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let ticks: u64 = stat.rsplit_once(") ")?.1.split(' ').nth(22 - 3)?.parse().ok()?;
    let machine = fs::read_to_string("/proc/stat").ok()?;
    let booted: u64 = machine.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(booted as f64 + ticks as f64 / TICKS_PER_SECOND)
}

/// A line of the file reads `VmRSS:     12345 kB`, where kB means 1024 bytes.
fn status(pid: Pid, name: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kibibytes * 1024)
}

fn cpu_seconds(pid: Pid) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // pid (name) state ...; a name may hold anything. utime and stime are the 14th and 15th field, the 12th and 13th after it.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 / TICKS_PER_SECOND)
}
