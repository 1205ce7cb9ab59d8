//! A process for the tests of the supervisor to start, signal and kill.
//!
//! `supervised-table <JSON>` supervises the table of shell scripts in its argument. `supervised-table appliance` runs the
//! real appliance of the environment's settings; as it is then its own executable, it also plays the appliance's other
//! roles, as small as they can be.

use std::collections::HashMap;
use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use firemode_runtime::notify::{Notifier, READY};
use firemode_runtime::pulse::Pulse;
use firemode_runtime::settings::{Environ, LogFormat, Settings, ensure_development_secrets};
use firemode_runtime::{listener, telemetry};
use firemode_supervisor::spec::{ChildSpec, Kind, MemoryLimits, Probe, Program};
use firemode_supervisor::{Policy, Presentation, SupervisorError, run, supervise};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Deserialize;

#[derive(Deserialize)]
struct Table {
    children: Vec<Child>,
    shutdown_milliseconds: u64,
    backoff_milliseconds: Option<u64>,
    stand_in_milliseconds: Option<u64>,
    /// The folder of the control socket.
    control: Option<PathBuf>,
    #[serde(default)]
    secrets: Vec<String>,
}

#[derive(Deserialize)]
struct Child {
    name: String,
    script: String,
    /// In place of a shell.
    #[serde(default = "shell")]
    program: PathBuf,
    #[serde(default)]
    one_shot: bool,
    #[serde(default)]
    depends_on: Vec<String>,
    /// Is it asked for signs of life?
    #[serde(default)]
    probed: bool,
    /// Does it inherit a listening socket?
    #[serde(default)]
    socket: bool,
    /// Is it answered for while it is down?
    #[serde(default)]
    stands_in: bool,
    /// Its memory: soft limit and ceiling, in bytes.
    memory: Option<(u64, u64)>,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let task = std::env::args().nth(1).ok_or("supervised-table <JSON>|appliance")?;
    match task.as_str() {
        "migrate" => return Ok(ExitCode::SUCCESS),
        "api" => serve("PORT")?,
        "ingest" => serve("INGEST_PORT")?,
        "worker" => serve("WORKER_PORT")?,
        _ => {}
    }
    let mut env: Environ = std::env::vars().collect();
    env.extend([("RUST_LOG", "info"), ("FIREMODE__LOG__FORMAT", "json")].map(|(k, v)| (k.into(), v.into())));
    let _telemetry = telemetry::start(&Settings::load(&env)?, None)?;
    let ended = if task == "appliance" { run_appliance()? } else { run_table(serde_json::from_str(&task)?)? };
    Ok(ended.unwrap_or_else(|error| {
        tracing::error!("{error}");
        error.exit_code().into()
    }))
}

fn run_appliance() -> Result<Result<ExitCode, SupervisorError>, Box<dyn Error>> {
    let mut settings = Settings::load(&std::env::vars().collect::<HashMap<_, _>>())?;
    ensure_development_secrets(&mut settings)?;
    Ok(run(settings, "a test asks for it").map(ExitCode::from))
}

fn run_table(table: Table) -> Result<Result<ExitCode, SupervisorError>, Box<dyn Error>> {
    let specs = table.children.into_iter().map(spec).collect::<Result<_, _>>()?;
    let policy = Policy {
        shutdown_max: Duration::from_millis(table.shutdown_milliseconds),
        backoff_max: Duration::from_millis(table.backoff_milliseconds.unwrap_or(100)),
        backoff_forget: Duration::from_secs(60),
        crash_loop_failures: 5,
        probe_interval: Duration::from_millis(50),
        probe_timeout: Duration::from_millis(200),
        probe_failures_max: 3,
        start_max: Duration::from_secs(30),
        handover_max: Duration::from_secs(5),
        stand_in_after: Duration::from_millis(table.stand_in_milliseconds.unwrap_or(2_000)),
    };
    let presentation = Presentation {
        format: LogFormat::Text,
        welcome: vec!["all are ready".to_owned()],
        listening: None,
        control: table.control,
        secrets: table.secrets,
    };
    Ok(supervise(specs, policy, presentation).map(ExitCode::from))
}

fn shell() -> PathBuf {
    "/bin/sh".into()
}

fn spec(child: Child) -> std::io::Result<ChildSpec> {
    let kind = if child.one_shot { Kind::OneShot } else { Kind::Service };
    let args = vec!["-c".into(), child.script.into()];
    let mut spec = ChildSpec::new(child.name.leak(), kind, Program::At(child.program), args);
    spec.depends_on = child.depends_on.into_iter().map(|name| &*name.leak()).collect();
    spec.probe = child.probed.then_some(Probe::Pulse);
    spec.stands_in = child.stands_in;
    spec.memory = child.memory.map(|(soft_bytes, bytes_max)| MemoryLimits { soft_bytes, bytes_max });
    spec.socket = child.socket.then(|| TcpListener::bind("127.0.0.1:0").map(Arc::new)).transpose()?;
    Ok(spec)
}

/// Answers every request with its own process id.
fn serve(variable: &'static str) -> Result<(), Box<dyn Error>> {
    let listener = listener::inherited_or_bind("127.0.0.1:0", variable)?;
    if listener.local_addr()?.port().to_string() != std::env::var(variable)? {
        return Err(format!("{variable} is not the port of the inherited socket").into());
    }
    Pulse::default().answer()?;
    Notifier::from_env().send(READY);
    let body = std::process::id().to_string();
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    // It does not block, since the supervisor has it too.
    loop {
        poll(&mut [PollFd::new(listener.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE)?;
        let mut stream = match listener.accept() {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            accepted => accepted?.0,
        };
        // A client that goes away early is not our concern.
        let _ = stream.read(&mut [0; 1024]).and_then(|_| stream.write_all(answer.as_bytes()));
    }
}
