//! What a supervisor says about its children.

use serde::{Deserialize, Serialize};

/// The state of a running appliance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the supervisor's executable.
    pub version: String,
    /// The supervisor's process.
    pub pid: u32,
    /// How long it has been running.
    pub uptime_seconds: f64,
    /// The public address.
    pub listening: Option<String>,
    /// Is everything being stopped?
    pub stopping: bool,
    /// Is every child ready, or done where it runs once?
    pub ready: bool,
    /// The children in the order of their start.
    pub children: Vec<ChildStatus>,
}

/// The state of one child.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChildStatus {
    /// Its name.
    pub name: String,
    /// `waiting`, `starting`, `ready`, `stopping`, `backoff`, `done` or `stopped`.
    pub state: String,
    /// How long it has been in this state.
    pub since_seconds: f64,
    /// What brought it there, in plain words.
    pub cause: String,
    /// Its process, where one runs.
    pub pid: Option<i32>,
    /// A second process of it: one that is to take over, or one that finishes its last requests.
    pub other_pid: Option<i32>,
    /// How many times a process of it was started after the first time.
    pub restarts: u64,
    /// How its last process ended, in plain words.
    pub last_exit: Option<String>,
    /// Failures in a row.
    pub failures: u32,
    /// Are these so many that it counts as a crash loop?
    pub crash_loop: bool,
    /// Time to its next start, where it waits for one.
    pub retry_in_seconds: Option<f64>,
    /// Resident memory. Of the database: the private memory of all its processes.
    pub memory_bytes: Option<u64>,
    /// The most memory that it may take.
    pub memory_bytes_max: Option<u64>,
    /// Processor time that it has used.
    pub cpu_seconds: Option<f64>,
    /// Processors that it used lately, on average: 1.0 is one of them in full.
    pub cpu_load: Option<f64>,
    /// Files and connections that it has open.
    #[serde(default)]
    pub open_files: Option<u64>,
    /// The most of these that it may have.
    #[serde(default)]
    pub open_files_max: Option<u64>,
    /// When its present process was started, in seconds since 1970.
    #[serde(default)]
    pub started_at_seconds: Option<f64>,
    /// How long its last probe took.
    pub probe_milliseconds: Option<f64>,
    /// What its last probe found wrong.
    pub probe_failure: Option<String>,
}
