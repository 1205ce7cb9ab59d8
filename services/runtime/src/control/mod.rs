//! Talking to a running supervisor over its control socket.
//!
//! A request is one line of JSON. The answer is one line of JSON, an [`Answer`], and after it what was asked for, until the
//! supervisor closes the connection.

mod client;
mod removed;
mod socket;
mod status;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use client::{Connection, ControlError};
pub use socket::{SOCKET_NAME, address_of, connect_at_once};
pub use status::{ChildStatus, Status};

/// A supervisor answers within this time, whatever it waits for.
pub const ANSWER_TIME_MAX: Duration = Duration::from_secs(300);

/// Longest request, in bytes.
pub const REQUEST_BYTES_MAX: usize = 4096;

/// What can be asked of a supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Request {
    /// The state of every child, as one line of JSON: a [`Status`].
    Status,
    /// The same figures in the text format of Prometheus.
    Metrics,
    /// Replaces a child; answered when its next generation is ready, or is not.
    Restart {
        /// The child.
        name: String,
    },
    /// Stops a child for good; answered when it has ended.
    Stop {
        /// The child.
        name: String,
    },
    /// Starts a child that was stopped or waits; answered when it is ready, or has failed.
    Start {
        /// The child.
        name: String,
    },
    /// Replaces every process by the executable that is there now; answered when all serve, or the old ones go on.
    Reload,
    /// The last lines of the children, and on request those to come.
    Logs {
        /// One child; all of them where it is left out.
        name: Option<String>,
        /// Go on until the client has had enough?
        follow: bool,
    },
}

/// The first line of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Done; in words for people where there is nothing else to read.
    Done(String),
    /// Not done, and why.
    Failed(String),
}
