//! The processes of an appliance, as its supervisor sees them, and what they say of themselves.

use std::time::Duration;

use firemode_runtime::control::{ChildStatus, Connection, ControlError, Status};
use firemode_runtime::settings::Settings;

use super::{Finding, Verdict};
use crate::readiness::Readiness;

/// A supervisor answers from memory.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);

/// Of a bound that a process nears, in per cent.
const NEAR_PERCENT: u64 = 85;

/// Gives whether FireMode runs, and what was found.
pub(super) fn examine(settings: &Settings) -> (bool, Vec<Finding>) {
    let status = Connection::open(&settings.data_dir, Some(ANSWER_TIME_MAX)).and_then(Connection::status);
    match status {
        Ok(status) => (true, processes(&status)),
        Err(error @ ControlError::NotRunning { .. }) => {
            (false, vec![Finding::new("supervisor", Verdict::Watch, error.to_string())])
        }
        Err(error) => (true, vec![Finding::new("supervisor", Verdict::Wrong, error.to_string())]),
    }
}

fn processes(status: &Status) -> Vec<Finding> {
    let words = format!("version {}, process {}", status.version, status.pid);
    let mut findings = vec![Finding::new("supervisor", Verdict::Well, words)];
    findings.extend(status.children.iter().map(process));
    findings.extend(readiness(status));
    findings
}

fn process(child: &ChildStatus) -> Finding {
    let name = &child.name;
    let (verdict, words) = if child.crash_loop {
        (Verdict::Wrong, format!("fails again and again: {}; `firemode logs {name}` says more", child.cause))
    } else if !matches!(child.state.as_str(), "ready" | "done") {
        (Verdict::Wrong, format!("is {}: {}; `firemode logs {name}` says more", child.state, child.cause))
    } else if let Some(failure) = &child.probe_failure {
        (Verdict::Wrong, format!("does not answer its supervisor: {failure}; it is replaced if that lasts"))
    } else if is_near(child.memory_bytes, child.memory_bytes_max) {
        (
            Verdict::Watch,
            format!(
                "takes nearly all memory that it may: raise supervisor.{name}_memory_bytes_max, or see what is sent"
            ),
        )
    } else if is_near(child.open_files, child.open_files_max) {
        (
            Verdict::Watch,
            "has nearly as many files and connections open as it may: raise `ulimit -n`".to_owned(),
        )
    } else if let Some(exit) = child.last_exit.as_ref().filter(|_| child.failures > 0) {
        (Verdict::Watch, format!("is {} again; before, it {exit}", child.state))
    } else {
        (Verdict::Well, child.state.clone())
    };
    Finding::new(name.clone(), verdict, words)
}

fn is_near(value: Option<u64>, bound: Option<u64>) -> bool {
    value.zip(bound).is_some_and(|(value, bound)| value > bound / 100 * NEAR_PERCENT)
}

fn readiness(status: &Status) -> Vec<Finding> {
    let Some(listening) = &status.listening else { return Vec::new() };
    match Readiness::ask(listening) {
        Ok(readiness) => {
            let faults: Vec<_> = readiness
                .faults()
                .map(|(check, advice)| Finding::new(format!("check {check}"), Verdict::Wrong, advice))
                .collect();
            match (faults.is_empty(), readiness.ready) {
                (false, _) => faults,
                (true, true) => vec![Finding::new("readiness", Verdict::Well, "every check is true")],
                (true, false) => {
                    vec![Finding::new("readiness", Verdict::Wrong, "it is starting or stopping")]
                }
            }
        }
        Err(reason) => {
            let words = format!("the API says nothing of it: {reason}; `firemode logs api` says more");
            vec![Finding::new("readiness", Verdict::Wrong, words)]
        }
    }
}
