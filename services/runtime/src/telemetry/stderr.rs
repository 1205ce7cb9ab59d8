//! Standard error as the place of log lines. Under a supervisor it is a pipe that does not block: what finds no room in it, because
//! nobody reads, is dropped and counted. No thread ever waits for its log.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tracing_subscriber::fmt::MakeWriter;

use super::text;
use crate::settings::LogFormat;

/// Lines of this process that were dropped.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Lines of this process's log that found no room, since its start.
pub fn lines_dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// Takes whole lines and hands them to standard error.
pub(super) struct Stderr {
    format: LogFormat,
    backlog: Mutex<Backlog>,
}

/// What the next line has to wait for.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// The rest of a line whose beginning is out.
    rest: Vec<u8>,
    /// Lines that are missing at this place, and that nobody has logged yet.
    dropped: u64,
}

impl Stderr {
    pub(super) fn new(format: LogFormat) -> Self {
        Self { format, backlog: Mutex::default() }
    }
}

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> &'a Self {
        self
    }
}

impl Write for &Stderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut backlog = self.backlog.lock().unwrap_or_else(PoisonError::into_inner);
        if !backlog.put(line, self.format, &mut io::stderr()) {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Backlog {
    /// Writes a line behind what comes before it. Gives false where it was dropped.
    pub(super) fn put(&mut self, line: &[u8], format: LogFormat, out: &mut impl Write) -> bool {
        if self.write_rest(out) && self.tell_of_dropped(format, out) && self.begin(line, out) {
            return true;
        }
        self.dropped += 1;
        false
    }

    fn tell_of_dropped(&mut self, format: LogFormat, out: &mut impl Write) -> bool {
        if self.dropped == 0 {
            return true;
        }
        if !self.begin(notice(format, self.dropped).as_bytes(), out) {
            return false;
        }
        self.dropped = 0;
        self.rest.is_empty()
    }

    /// Writes what there is room for; what is begun is written to its end later. Gives false where there is no room at all.
    fn begin(&mut self, line: &[u8], out: &mut impl Write) -> bool {
        self.rest = line.to_vec();
        self.write_rest(out);
        let is_begun = self.rest.len() < line.len();
        if !is_begun {
            self.rest.clear();
        }
        is_begun
    }

    /// Gives whether nothing is left of it.
    fn write_rest(&mut self, out: &mut impl Write) -> bool {
        while !self.rest.is_empty() {
            match out.write(&self.rest) {
                Ok(written @ 1..) => drop(self.rest.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => return false,
            }
        }
        true
    }
}

/// Says that lines are missing here, in the form of a line.
fn notice(format: LogFormat, dropped: u64) -> String {
    let message = format!("{dropped} lines of the log were dropped here: nobody took them");
    let now = OffsetDateTime::now_utc();
    match format {
        LogFormat::Text => format!("{} WARN  {message}\n", now.format(text::CLOCK).unwrap_or_default()),
        LogFormat::Json => {
            let timestamp = now.format(&Rfc3339).unwrap_or_default();
            let line = json!({ "timestamp": timestamp, "level": "WARN", "message": message, "lines_dropped": dropped });
            format!("{line}\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use nix::fcntl::{FcntlArg, OFlag, fcntl};

    use super::*;

    /// A pipe that does not block, and holds little.
    fn pipe() -> (io::PipeReader, io::PipeWriter) {
        let (reader, writer) = io::pipe().unwrap();
        fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        fcntl(&writer, FcntlArg::F_SETPIPE_SZ(4096)).unwrap();
        (reader, writer)
    }

    #[test]
    fn lines_that_find_no_room_are_dropped_whole_and_counted_where_they_are_missing() {
        let (mut reader, mut writer) = pipe();
        let mut backlog = Backlog::default();
        let line = |number: usize| {
            format!("{{\"line\":{number},\"filler\":\"{}\"}}\n", "x".repeat(3000)).into_bytes()
        };
        // Longer than what a pipe takes whole or not at all.
        let long = format!("{{\"line\":\"long\",\"filler\":\"{}\"}}\n", "x".repeat(5000)).into_bytes();
        assert!(backlog.put(&long, LogFormat::Json, &mut writer), "its beginning is out");
        for number in 1..=3 {
            assert!(!backlog.put(&line(number), LogFormat::Json, &mut writer));
        }
        let mut taken = vec![0; 4096];
        reader.read_exact(&mut taken).unwrap();
        assert!(backlog.put(b"{\"line\":4}\n", LogFormat::Json, &mut writer));
        drop(writer);
        reader.read_to_end(&mut taken).unwrap();
        let lines: Vec<serde_json::Value> = taken
            .split_inclusive(|byte| *byte == b'\n')
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect();
        let [first, missing, last] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!(
            (&first["line"], &missing["lines_dropped"], &last["line"]),
            (&json!("long"), &json!(3), &json!(4))
        );
    }
}
