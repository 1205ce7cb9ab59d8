//! Starts a child so that it cannot outlive the supervisor.

use std::fs;
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsRawFd as _, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use firemode_runtime::listener::{LISTEN_FD, SUCCESSOR};
use firemode_runtime::notify::NOTIFY_FD;
use firemode_runtime::pulse::PULSE_FD;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::libc;
use nix::sys::prctl;
use nix::sys::signal::SigSet;
use nix::unistd::{Pid, getpid, getppid};

use super::executable::Executable;
use super::systemd::NOTIFY_SOCKET;
use crate::spec::{ChildSpec, Kind, Probe, Program};

/// What `ps` shows as the name of our own processes.
const OWN_NAME: &str = "firemode";

/// What a pipe for a child's lines holds: the most that the system gives without asking.
const OUTPUT_BYTES: i32 = 1 << 20;

/// A started process and our ends of its pipes. The process is waited for in [`super::reap`] and nowhere else.
pub(crate) struct Spawned {
    pub(crate) pid: Pid,
    pub(crate) stdout: PipeReader,
    pub(crate) stderr: PipeReader,
    /// Readiness notifications; of services only.
    pub(crate) notify: Option<PipeReader>,
    /// Where it answers whether it is alive; of those that are asked so.
    pub(crate) pulse: Option<UnixStream>,
}

/// Starts one generation of a child, from `executable` where it is one of our own; one that `succeeds` another is told so.
/// Call it from the main thread only: the parent-death signal follows the *thread*
/// that spawned, and the main thread lives as long as the process.
pub(crate) fn spawn(spec: &ChildSpec, executable: &Executable, succeeds: bool) -> io::Result<Spawned> {
    let mut command = command(spec, executable);
    if succeeds {
        command.env(SUCCESSOR, "1");
    }
    let mut inherited = Vec::new();
    if let Some(socket) = &spec.socket {
        command.env(LISTEN_FD, socket.as_raw_fd().to_string());
        inherited.push(socket.as_raw_fd());
    }
    // Both ends close on exec; the child's copy of the writing end is opened up in `prepare`, the reading end stays here.
    let pipe = (spec.kind == Kind::Service).then(io::pipe).transpose()?;
    if let Some((_, writer)) = &pipe {
        command.env(NOTIFY_FD, writer.as_raw_fd().to_string());
        inherited.push(writer.as_raw_fd());
    }
    let pulse = (spec.probe == Some(Probe::Pulse)).then(UnixStream::pair).transpose()?;
    if let Some((_, theirs)) = &pulse {
        command.env(PULSE_FD, theirs.as_raw_fd().to_string());
        inherited.push(theirs.as_raw_fd());
    }
    let (stdout, stderr) = (output_pipe(spec)?, output_pipe(spec)?);
    command.stdout(stdout.1).stderr(stderr.1);
    prepare(&mut command, spec.kind, inherited);
    let child = command.spawn().map_err(|error| named(spec, error))?;
    Ok(Spawned {
        pid: Pid::from_raw(child.id().cast_signed()),
        stdout: stdout.0,
        stderr: stderr.0,
        notify: pipe.map(|(reader, _)| reader),
        pulse: pulse.map(|(ours, _)| ours),
    })
}

/// A pipe for what a child prints. Those of ours and PostgreSQL lose lines rather than wait while nobody reads: the writing end does
/// not block. It holds some thousand lines, as far as the system lets it. Another program might take a full pipe for its end.
fn output_pipe(spec: &ChildSpec) -> io::Result<(PipeReader, PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    if spec.program == Program::OwnExecutable || spec.kind == Kind::Postgres {
        fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        // Where the system grants less, it stays as it is.
        let _ = fcntl(&writer, FcntlArg::F_SETPIPE_SZ(OUTPUT_BYTES));
    }
    Ok((reader, writer))
}

/// Closes, in every child to come, what this process itself was started with beyond the three standard descriptors.
/// What this process opens itself closes on exec by default.
#[expect(unsafe_code, reason = "descriptors that nobody in this process owns have numbers only")]
pub(crate) fn keep_inherited_descriptors() -> io::Result<()> {
    let numbers: Vec<RawFd> = fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|&fd| fd > 2)
        .collect();
    for fd in numbers {
        // SAFETY: the number stood in this process's list a moment ago, and is only used for this one call, which fails
        // without harm when the descriptor has been closed since (as the listing's own has).
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        match fcntl(fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)) {
            Ok(_) | Err(Errno::EBADF) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Says which program could not be started, and what to do about it.
fn named(spec: &ChildSpec, error: io::Error) -> io::Error {
    let Program::At(path) = &spec.program else { return error };
    let path = path.display();
    let text = match error.kind() {
        io::ErrorKind::NotFound => format!("there is no {path}; install it again"),
        io::ErrorKind::PermissionDenied => {
            let user = spec.run_as.as_ref().map_or("this user", |identity| identity.name.as_str());
            format!("{user} may not execute {path}; check its permissions and those of the folders above it")
        }
        _ => format!("{path}: {error}"),
    };
    io::Error::new(error.kind(), text)
}

fn command(spec: &ChildSpec, executable: &Executable) -> Command {
    let mut command = match &spec.program {
        Program::OwnExecutable => {
            let mut command = Command::new(executable.path());
            command.arg0(OWN_NAME);
            for variable in [LISTEN_FD, NOTIFY_FD, PULSE_FD, SUCCESSOR, NOTIFY_SOCKET] {
                command.env_remove(variable);
            }
            command
        }
        Program::At(path) => {
            let mut command = Command::new(path);
            command.env_clear();
            std::env::var_os("PATH").map(|path| command.env("PATH", path));
            command
        }
    };
    command.args(&spec.args).envs(spec.env.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null());
    // A group of its own: a terminal's Ctrl-C reaches the supervisor alone, and the stop keeps its order.
    command.process_group(0);
    if let Some(identity) = &spec.run_as {
        command.uid(identity.uid.as_raw()).gid(identity.gid.as_raw());
    }
    if let Some(directory) = &spec.directory {
        command.current_dir(directory);
    }
    command
}

/// Adds what must happen between fork and exec, after the standard library has changed user and group: a change of
/// credentials would clear the parent-death signal.
#[expect(unsafe_code, reason = "only code between fork and exec can set these for the child alone")]
fn prepare(command: &mut Command, kind: Kind, inherited: Vec<RawFd>) {
    let supervisor = getpid();
    let parent_death = kind.parent_death_signal();
    let setup = move || {
        prctl::set_pdeathsig(parent_death)?;
        // Should the supervisor have died before the line above, nobody would send that signal any more.
        if getppid() != supervisor {
            return Err(Errno::ESRCH.into());
        }
        for &fd in &inherited {
            // SAFETY: the descriptor is open: its owner lives in the parent across the fork, and this is its copy.
            let fd = unsafe { BorrowedFd::borrow_raw(fd) };
            fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty()))?;
        }
        SigSet::all().thread_unblock()?;
        if kind == Kind::Service {
            work_in_batches();
        }
        Ok(())
    };
    // SAFETY: the closure only makes system calls that are safe after a fork of a threaded process (prctl, getppid,
    // fcntl, sigprocmask, sched_setscheduler); it neither allocates nor locks, and its errors carry a number and no heap data.
    unsafe { command.pre_exec(setup) };
}

/// Lets this process finish what it is at before a thread that it has woken takes its processor (sched(7), `SCHED_BATCH`): more is
/// done before the next switch. Where that cannot be had, or somebody has chosen otherwise, nothing changes.
#[expect(unsafe_code, reason = "nobody wraps these calls for the process itself")]
fn work_in_batches() {
    let priority = libc::sched_param { sched_priority: 0 };
    // SAFETY: the calls concern this process, and read one structure that lives in this function.
    unsafe {
        if libc::sched_getscheduler(0) == libc::SCHED_OTHER {
            libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const priority);
        }
    }
}
