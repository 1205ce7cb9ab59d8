//! Readiness notification to the supervisor, in the words of `sd_notify`, over an inherited pipe.

use std::fs::File;
use std::io::Write as _;
use std::sync::Mutex;

use crate::inherited;

/// Variable with the number of the pipe's descriptor.
pub const NOTIFY_FD: &str = "FIREMODE_NOTIFY_FD";

/// The process serves: the supervisor may start what depends on it.
pub const READY: &str = "READY=1";

/// The process has begun to stop by itself or on request.
pub const STOPPING: &str = "STOPPING=1";

/// Tells the supervisor what this process is about; says nothing where no supervisor listens.
#[derive(Debug)]
pub struct Notifier {
    pipe: Mutex<Option<File>>,
}

impl Notifier {
    /// Adopts the descriptor named in the environment. Call once, at the start of a role.
    pub fn from_env() -> Self {
        let fd = inherited::descriptor(NOTIFY_FD).and_then(Result::ok);
        Self { pipe: Mutex::new(fd.map(File::from)) }
    }

    /// Sends one line. A supervisor that has gone is no reason to fail: this process is about to be ended anyway.
    pub fn send(&self, line: &str) {
        if let Ok(mut pipe) = self.pipe.lock()
            && let Some(file) = pipe.as_mut()
            && file.write_all(format!("{line}\n").as_bytes()).is_err()
        {
            *pipe = None;
        }
    }
}
