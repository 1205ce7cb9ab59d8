//! Reports what happens: one structured event for each transition, in words for people.

use firemode_runtime::demo;

use crate::appliance::Sockets;
use crate::machine::{Handover, HandoverStep, Phase, Transition};
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

/// Logs a step of a handover.
pub(crate) fn handover(handover: &Handover) {
    let Handover { child, step, cause, pid } = handover;
    macro_rules! event {
        ($level:ident, $($message:tt)+) => {
            tracing::$level!(child, handover = %step, cause, pid, $($message)+)
        };
    }
    match step {
        HandoverStep::Begun => event!(info, "starting a new {child}: {cause}"),
        HandoverStep::Done if pid.is_none() => event!(info, "the new {child} is done"),
        HandoverStep::Done => event!(info, "the new {child} has taken over"),
        HandoverStep::Failed => event!(error, "the new {child} {cause}; what served before goes on"),
        HandoverStep::Ended => event!(info, "the earlier {child} has ended: {cause}"),
    }
}

/// Logs the addresses that are bound.
pub(crate) fn listening(sockets: &Sockets) {
    let servers = [("public", &sockets.public), ("ingest", &sockets.ingest), ("worker", &sockets.worker)];
    for (server, bound) in servers {
        tracing::info!(server, address = %bound.address, port = bound.address.port(), "listening");
    }
}

/// What people read when everything is ready.
pub(crate) fn welcome(sockets: &Sockets, why_host: &str, has_demo: bool) -> Vec<String> {
    let reach = match sockets.public.address.ip().is_loopback() {
        true => {
            format!("this machine alone, because {why_host}; FIREMODE__SERVER__HOST=0.0.0.0 lets others in")
        }
        false => format!("other machines too, because {why_host}"),
    };
    let address = sockets.public.local();
    let host = if address.ip().is_loopback() { "localhost".to_owned() } else { url_host(address.ip()) };
    let url = format!("http://{host}:{}", address.port());
    let mut lines = vec![
        String::new(),
        format!("  FireMode is ready at {url}"),
        format!("    answers        {reach}"),
        format!("    documentation  {url}/docs"),
        format!("    health         {url}/health"),
        format!("    stop           Ctrl-C, or kill {}", std::process::id()),
    ];
    if has_demo {
        lines.extend([
            format!("    demo login     {}, password: {}", demo::ADMIN_EMAIL, demo::PASSWORD),
            "    demo data      ./run.sh seed, in another terminal; ./run.sh token prints a token".to_owned(),
        ]);
    }
    lines.push(String::new());
    lines
}

fn url_host(ip: std::net::IpAddr) -> String {
    match ip {
        std::net::IpAddr::V4(ip) => ip.to_string(),
        std::net::IpAddr::V6(ip) => format!("[{ip}]"),
    }
}
