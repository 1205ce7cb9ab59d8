//! A process for the tests of the supervisor to start, signal and kill.
//!
//! `supervised-table <JSON>` supervises the table of shell scripts in its argument. `supervised-table appliance` runs the
//! real appliance of the environment's settings; as it is then its own executable, it also plays the appliance's other
//! roles, as small as they can be.

use std::collections::HashMap;
use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use firemode_runtime::notify::{Notifier, READY};
use firemode_runtime::settings::{LogFormat, LogSettings, Settings, ensure_development_secrets};
use firemode_runtime::{listener, telemetry};
use firemode_supervisor::spec::{ChildSpec, Kind, Probe, Program};
use firemode_supervisor::{Policy, SupervisorError, run, supervise};
use serde::Deserialize;

#[derive(Deserialize)]
struct Table {
    children: Vec<Child>,
    shutdown_milliseconds: u64,
}

#[derive(Deserialize)]
struct Child {
    name: String,
    script: String,
    #[serde(default)]
    one_shot: bool,
    #[serde(default)]
    depends_on: Vec<String>,
    /// Where it is probed over HTTP.
    probe: Option<SocketAddr>,
    /// Does it inherit a listening socket?
    #[serde(default)]
    socket: bool,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let task = std::env::args().nth(1).ok_or("supervised-table <JSON>|appliance")?;
    match task.as_str() {
        "migrate" => return Ok(ExitCode::SUCCESS),
        "api" => serve("PORT")?,
        "ingest" => serve("INGEST_PORT")?,
        _ => {}
    }
    telemetry::start(&LogSettings { filter: "info".into(), format: LogFormat::Json })
        .map_err(|e| e.to_string())?;
    let ended = if task == "appliance" { run_appliance()? } else { run_table(serde_json::from_str(&task)?)? };
    Ok(ended.unwrap_or_else(|error| {
        tracing::error!("{error}");
        error.exit_code().into()
    }))
}

fn run_appliance() -> Result<Result<ExitCode, SupervisorError>, Box<dyn Error>> {
    let mut settings = Settings::load(&std::env::vars().collect::<HashMap<_, _>>())?;
    ensure_development_secrets(&mut settings)?;
    Ok(run(settings).map(ExitCode::from))
}

fn run_table(table: Table) -> Result<Result<ExitCode, SupervisorError>, Box<dyn Error>> {
    let specs = table.children.into_iter().map(spec).collect::<Result<_, _>>()?;
    let policy = Policy {
        shutdown_max: Duration::from_millis(table.shutdown_milliseconds),
        backoff_max: Duration::from_millis(100),
        backoff_forget: Duration::from_secs(60),
        crash_loop_failures: 5,
        probe_interval: Duration::from_millis(50),
        probe_timeout: Duration::from_millis(200),
        probe_failures_max: 3,
        start_max: Duration::from_secs(30),
    };
    Ok(supervise(specs, policy, LogFormat::Text, vec!["all are ready".to_owned()]).map(ExitCode::from))
}

fn spec(child: Child) -> std::io::Result<ChildSpec> {
    let kind = if child.one_shot { Kind::OneShot } else { Kind::Service };
    let args = vec!["-c".into(), child.script.into()];
    let mut spec = ChildSpec::new(child.name.leak(), kind, Program::At("/bin/sh".into()), args);
    spec.depends_on = child.depends_on.into_iter().map(|name| &*name.leak()).collect();
    spec.probe = child.probe.map(|address| Probe::Http { address, path: "/health" });
    spec.socket = child.socket.then(|| TcpListener::bind("127.0.0.1:0").map(Arc::new)).transpose()?;
    Ok(spec)
}

/// Answers every request with its own process id.
fn serve(variable: &'static str) -> Result<(), Box<dyn Error>> {
    let listener = listener::inherited_or_bind("127.0.0.1:0", variable)?;
    if listener.local_addr()?.port().to_string() != std::env::var(variable)? {
        return Err(format!("{variable} is not the port of the inherited socket").into());
    }
    Notifier::from_env().send(READY);
    let body = std::process::id().to_string();
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    for stream in listener.incoming() {
        let mut stream = stream?;
        // A client that goes away early is not our concern.
        let _ = stream.read(&mut [0; 1024]).and_then(|_| stream.write_all(answer.as_bytes()));
    }
    Ok(())
}
