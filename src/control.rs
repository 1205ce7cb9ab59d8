//! Commands to a FireMode that runs already: asked over its control socket, shown to people or to programs.

use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use firemode_operator::readiness::Readiness;
use firemode_runtime::control::{self, ChildStatus, Connection, ControlError, Request, Status};
use firemode_runtime::settings::{Environ, Settings};

use crate::roles::{EXIT_NOT_RUNNING, Failure, configuration};
use crate::table::aligned;

/// What answers at once is given up after this.
pub(crate) const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

/// What changes something is answered by the supervisor before this.
const CHANGE_TIME_MAX: Duration = control::ANSWER_TIME_MAX.saturating_add(Duration::from_secs(10));

/// Columns of a cause that fit beside the others.
const CAUSE_CHARACTERS_MAX: usize = 60;

/// Commands to a FireMode that runs already.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum Ask {
    /// Show what runs, since when, what it takes, and which checks are false. Leaves with 1 where it is not ready.
    Status {
        /// As JSON, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Replace one process; the API, the ingest process and the worker hand over without losing anything.
    Restart {
        /// As `status` shows it: api, worker, ingest, postgres, migrate.
        name: String,
    },
    /// Stop one process and leave it so.
    Stop {
        /// As `status` shows it.
        name: String,
    },
    /// Start a process that was stopped, or that waits for its next try.
    Start {
        /// As `status` shows it.
        name: String,
    },
    /// Replace every process by the executable that is installed now, without losing a request. If it does not become
    /// ready, the present one goes on serving.
    Reload,
    /// Print the last lines of the processes.
    Logs {
        /// Of this process only.
        name: Option<String>,
        /// Go on with those to come, until Ctrl-C.
        #[arg(long, short)]
        follow: bool,
    },
}

/// Asks and prints the answer.
pub(crate) fn run(ask: Ask, env: &Environ) -> Result<ExitCode, Failure> {
    let data_dir = Settings::data_dir(env).map_err(configuration)?;
    let open = |timeout| Connection::open(&data_dir, timeout);
    // A supervisor that does not answer this in time answers nothing, and what takes long would be waited for in vain.
    let open_for_long = |timeout| {
        open(Some(ANSWER_TIME_MAX))?.status()?;
        open(timeout)
    };
    let change = |request: Request| {
        open_for_long(Some(CHANGE_TIME_MAX)).and_then(|connection| act(connection, &request))
    };
    let outcome = match ask {
        Ask::Status { json } => {
            open(Some(ANSWER_TIME_MAX)).and_then(|connection| show_status(connection, json))
        }
        Ask::Logs { name, follow } => {
            open_for_long(None).and_then(|connection| show_logs(connection, name, follow))
        }
        Ask::Restart { name } => change(Request::Restart { name }),
        Ask::Stop { name } => change(Request::Stop { name }),
        Ask::Start { name } => change(Request::Start { name }),
        Ask::Reload => change(Request::Reload),
    };
    match outcome {
        Ok(code) => Ok(code),
        Err(error @ ControlError::NotRunning { .. }) => Err(Failure::new(EXIT_NOT_RUNNING, error)),
        // The reader of our output has had enough: `firemode logs | head`.
        Err(ControlError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error.into()),
    }
}

fn act(connection: Connection, request: &Request) -> Result<ExitCode, ControlError> {
    let (words, _) = connection.ask(request)?;
    writeln!(io::stdout(), "{words}")?;
    Ok(ExitCode::SUCCESS)
}

fn show_logs(connection: Connection, name: Option<String>, follow: bool) -> Result<ExitCode, ControlError> {
    let (_, mut lines) = connection.ask(&Request::Logs { name, follow })?;
    let mut out = io::stdout();
    let mut buffer = [0; 16 * 1024];
    loop {
        let read = lines.read(&mut buffer)?;
        if read == 0 {
            return Ok(ExitCode::SUCCESS);
        }
        out.write_all(&buffer[..read])?;
        out.flush()?;
    }
}

/// Leaves with 1 where it is not ready, by the processes or by what they say of themselves.
fn show_status(connection: Connection, json: bool) -> Result<ExitCode, ControlError> {
    let status = connection.status()?;
    let readiness = status.listening.as_deref().map(Readiness::ask);
    let text = if json { as_json(&status, readiness.as_ref())? } else { table(&status, readiness.as_ref()) };
    io::stdout().write_all(text.as_bytes())?;
    let is_ready =
        status.ready && readiness.is_none_or(|answer| answer.is_ok_and(|readiness| readiness.ready));
    Ok(if is_ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The supervisor's status, and in `readiness` the checks; null where nobody answered.
fn as_json(status: &Status, readiness: Option<&Result<Readiness, String>>) -> Result<String, ControlError> {
    let mut json = serde_json::to_value(status)?;
    let answer = readiness.and_then(|answer| answer.as_ref().ok());
    if let Some(members) = json.as_object_mut() {
        members.insert("readiness".to_owned(), serde_json::to_value(answer)?);
    }
    Ok(serde_json::to_string_pretty(&json)? + "\n")
}

fn table(status: &Status, readiness: Option<&Result<Readiness, String>>) -> String {
    let head =
        ["NAME", "STATE", "SINCE", "PID", "RESTARTS", "MEMORY", "CPU", "PROBE", "NEXT TRY", "LAST EXIT"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(status.children.iter().map(row));
    let mut text = aligned(&rows);
    let is_degraded = readiness.is_some_and(|answer| !answer.as_ref().is_ok_and(|readiness| readiness.ready));
    let state = match (status.stopping, status.ready) {
        (true, _) => "stopping",
        (false, true) if is_degraded => "degraded",
        (false, true) => "ready",
        (false, false) => "not ready",
    };
    let uptime = duration(status.uptime_seconds);
    let listening = status.listening.as_deref().unwrap_or("nothing");
    text.push_str(&format!(
        "\nFireMode {} is {state}: process {}, up {uptime}, listening on {listening}\n",
        status.version, status.pid
    ));
    let troubled = status.children.iter().filter(|child| !matches!(child.state.as_str(), "ready" | "done"));
    text.extend(troubled.map(|child| format!("{}: {}\n", child.name, child.cause)));
    match readiness {
        Some(Ok(readiness)) => {
            text.extend(readiness.faults().map(|(check, advice)| format!("{check}: {advice}\n")));
        }
        Some(Err(reason)) => text.push_str(&format!("readiness: {reason}\n")),
        None => {}
    }
    text
}

fn row(child: &ChildStatus) -> [String; 10] {
    let none = || "-".to_owned();
    let state = if child.crash_loop { format!("{} (crash loop)", child.state) } else { child.state.clone() };
    let pid = match (child.pid, child.other_pid) {
        (Some(pid), Some(other)) => format!("{pid} (+{other})"),
        (Some(pid), None) | (None, Some(pid)) => pid.to_string(),
        (None, None) => none(),
    };
    let probe = match (&child.probe_failure, child.probe_milliseconds) {
        (Some(_), _) => "failing".to_owned(),
        (None, Some(milliseconds)) => format!("{milliseconds:.1} ms"),
        (None, None) => none(),
    };
    let mib = |bytes: u64| bytes >> 20;
    let memory = match (child.memory_bytes, child.memory_bytes_max) {
        (Some(bytes), Some(max)) => format!("{} of {} MiB", mib(bytes), mib(max)),
        (Some(bytes), None) => format!("{} MiB", mib(bytes)),
        (None, _) => none(),
    };
    [
        child.name.clone(),
        state,
        duration(child.since_seconds),
        pid,
        child.restarts.to_string(),
        memory,
        child.cpu_load.map_or_else(none, |load| format!("{:.0} %", load * 100.0)),
        probe,
        child.retry_in_seconds.map_or_else(none, |seconds| format!("in {seconds:.0} s")),
        child.last_exit.as_ref().map_or_else(none, |exit| exit.chars().take(CAUSE_CHARACTERS_MAX).collect()),
    ]
}

/// `12s`, `3m 12s`, `5h 3m`, `2d 5h`.
fn duration(seconds: f64) -> String {
    let seconds = seconds as u64;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}
