//! Tells what happens: one structured event for each transition, in words for people.

use crate::appliance::Sockets;
use crate::machine::{Phase, Transition};
use crate::postgres::INITIALISATION;

/// Logs a transition.
pub(crate) fn transition(step: &Transition) {
    let Transition { child, from, to, cause, pid, failures, crash_loop, retry_in } = step;
    let retry_seconds = retry_in.map(|delay| delay.as_secs_f64());
    macro_rules! event {
        ($level:ident, $($message:tt)+) => {
            tracing::$level!(child, %from, %to, cause, pid, failures, crash_loop, retry_seconds, $($message)+)
        };
    }
    match to {
        Phase::Starting if *child == INITIALISATION => event!(info, "initialising the database (once)"),
        Phase::Starting => event!(info, "starting {child}"),
        Phase::Ready => event!(info, "{child} is ready"),
        Phase::Done => event!(info, "{child} is done"),
        Phase::Stopping => event!(info, "{child} is stopping: {cause}"),
        Phase::Stopped => event!(info, "{child} has stopped: {cause}"),
        Phase::Waiting => event!(warn, "{child} has to wait: {cause}"),
        Phase::Backoff if *crash_loop => event!(error, "{child} fails again and again: {cause}"),
        Phase::Backoff => event!(warn, "{child} failed: {cause}"),
    }
}

/// Logs the addresses that are bound.
pub(crate) fn listening(sockets: &Sockets) {
    for (server, bound) in [("public", &sockets.public), ("ingest", &sockets.ingest)] {
        tracing::info!(server, address = %bound.address, port = bound.address.port(), "listening");
    }
}

/// What people read when everything is ready.
pub(crate) fn welcome(sockets: &Sockets) -> Vec<String> {
    let address = sockets.public.local();
    let host = if address.ip().is_loopback() { "localhost".to_owned() } else { url_host(address.ip()) };
    let url = format!("http://{host}:{}", address.port());
    vec![
        String::new(),
        format!("  FireMode is ready at {url}"),
        format!("    documentation  {url}/docs"),
        format!("    health         {url}/health"),
        format!("    stop           Ctrl-C, or kill {}", std::process::id()),
        String::new(),
    ]
}

fn url_host(ip: std::net::IpAddr) -> String {
    match ip {
        std::net::IpAddr::V4(ip) => ip.to_string(),
        std::net::IpAddr::V6(ip) => format!("[{ip}]"),
    }
}
