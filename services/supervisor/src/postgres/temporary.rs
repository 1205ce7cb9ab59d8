//! The embedded PostgreSQL for one piece of work, without the rest of the appliance: restores and backups while it is down.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use firemode_runtime::settings::Settings;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::{EmbeddedPostgres, make_way};
use crate::effects::executable::Executable;
use crate::effects::probe::Asked;
use crate::effects::{lock, spawn};
use crate::error::SupervisorError;
use crate::spec::{ChildSpec, Kind};

/// How often a process is looked at.
const PAUSE: Duration = Duration::from_millis(20);

/// One probe of the server may take this long.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Lines of a process's output that are kept, to report why it failed.
const LINES_MAX: usize = 20;

/// An embedded PostgreSQL of our own. Dropping it stops it; everything that was committed is in its folder then.
#[derive(Debug)]
pub struct TemporaryPostgres {
    server: Process,
    stop_max: Duration,
    /// Held as a supervisor holds it, so that none starts meanwhile.
    _lock: File,
}

impl TemporaryPostgres {
    /// Initialises it where there is none yet, starts it, and waits until it serves. Call it on the main thread: the server
    /// ends with the thread that started it.
    ///
    /// # Errors
    /// A supervisor works in the data folder ([`SupervisorError::Locked`]), or PostgreSQL does not start.
    pub fn start(settings: &Settings) -> Result<Self, SupervisorError> {
        let lock = lock::acquire(&settings.data_dir)?;
        let start_max = Duration::from_secs(settings.supervisor.start_seconds_max);
        let stop_max = Duration::from_secs(settings.supervisor.shutdown_seconds_max);
        let children = EmbeddedPostgres::prepare(settings)?.children();
        let mut server = None;
        for spec in &children {
            let deadline = Instant::now() + start_max;
            if let Some(folders) = &spec.database {
                wait_for(deadline, || Ok(make_way(folders).is_ok()))
                    .map_err(|reason| failed(spec, reason))?;
            }
            let mut process = Process::start(spec)?;
            let waited = match spec.kind {
                Kind::Postgres => wait_for(deadline, || process.serves(spec)),
                Kind::Service | Kind::OneShot => wait_for(deadline, || process.has_succeeded()),
            };
            if let Err(reason) = waited {
                process.stop(stop_max);
                return Err(failed(spec, format!("{reason}\n{}", process.last_lines())));
            }
            server = (spec.kind == Kind::Postgres).then_some(process);
        }
        let server = server.ok_or_else(|| SupervisorError::System {
            what: "start PostgreSQL",
            source: std::io::Error::other("the table of its processes has no server"),
        })?;
        Ok(Self { server, stop_max, _lock: lock })
    }
}

impl Drop for TemporaryPostgres {
    fn drop(&mut self) {
        self.server.stop(self.stop_max);
    }
}

#[derive(Debug)]
struct Process {
    pid: Pid,
    status: Option<WaitStatus>,
    output: Receiver<String>,
    lines: VecDeque<String>,
}

impl Process {
    fn start(spec: &ChildSpec) -> Result<Self, SupervisorError> {
        let system = |source| SupervisorError::System { what: "start PostgreSQL", source };
        let (executable, _) = Executable::own().map_err(system)?;
        let spawned = spawn::spawn(spec, &executable, false).map_err(system)?;
        let (sender, output) = channel();
        let pipes: [Box<dyn Read + Send>; 2] = [Box::new(spawned.stdout), Box::new(spawned.stderr)];
        for pipe in pipes {
            let sender = sender.clone();
            let follow = move || {
                let lines = BufReader::new(pipe).lines().map_while(Result::ok);
                lines.for_each(|line| drop(sender.send(line)));
            };
            thread::Builder::new().name("output".into()).spawn(follow).map_err(system)?;
        }
        Ok(Self { pid: spawned.pid, status: None, output, lines: VecDeque::new() })
    }

    fn serves(&mut self, spec: &ChildSpec) -> Result<bool, String> {
        match (self.ended(), &spec.probe) {
            (None, Some(probe)) => {
                let asked = Asked::of(probe, self.pid, None).map_err(|error| error.to_string())?;
                Ok(asked.once(PROBE_TIMEOUT).is_ok())
            }
            (None, None) => Err("it has no probe".to_owned()),
            (Some(status), _) => Err(format!("it ended: {status:?}")),
        }
    }

    fn has_succeeded(&mut self) -> Result<bool, String> {
        match self.ended() {
            Some(WaitStatus::Exited(_, 0)) => Ok(true),
            Some(status) => Err(format!("it failed: {status:?}")),
            None => Ok(false),
        }
    }

    fn ended(&mut self) -> Option<WaitStatus> {
        self.drain();
        if self.status.is_none() {
            self.status = match waitpid(self.pid, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) | Err(Errno::EINTR) => None,
                Ok(status) => Some(status),
                Err(_) => Some(WaitStatus::Exited(self.pid, -1)),
            };
        }
        self.status
    }

    fn stop(&mut self, stop_max: Duration) {
        let started = Instant::now();
        for &(percent, signal) in &[(60, Signal::SIGINT), (100, Signal::SIGQUIT), (150, Signal::SIGKILL)] {
            if self.ended().is_some() {
                return;
            }
            // It may have ended since; then the signal reaches nobody.
            let _ = kill(self.pid, signal);
            while self.ended().is_none() && started.elapsed() < stop_max * percent / 100 {
                thread::sleep(PAUSE);
            }
        }
    }

    /// Keeps what was printed bounded: the pipes' threads never wait for us.
    fn drain(&mut self) {
        self.lines.extend(self.output.try_iter());
        let surplus = self.lines.len().saturating_sub(LINES_MAX);
        self.lines.drain(..surplus);
    }

    fn last_lines(&mut self) -> String {
        self.drain();
        self.lines.make_contiguous().join("\n")
    }
}

/// Asks again and again until it is so, or cannot be any more, or the time is over.
fn wait_for(deadline: Instant, mut is_so: impl FnMut() -> Result<bool, String>) -> Result<(), String> {
    while !is_so()? {
        if Instant::now() > deadline {
            return Err("it took too long".to_owned());
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}

fn failed(spec: &ChildSpec, reason: String) -> SupervisorError {
    SupervisorError::System {
        what: "run PostgreSQL",
        source: std::io::Error::other(format!("{}: {reason}", spec.name)),
    }
}
