//! A supervisor in a process of its own, and what it says.

use std::fmt::Debug;
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// How long a test waits for something that must happen. Far more than it takes, so that a busy machine fails no test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running supervisor. Dropping it kills it, and with it its children.
pub(crate) struct Supervised {
    process: Child,
    /// Its own events, from standard error.
    events: Stream<Value>,
    /// Its children's lines, from standard output.
    output: Stream<String>,
}

/// One of its streams, read up to some line.
struct Stream<T> {
    lines: Receiver<T>,
    seen: Vec<T>,
}

impl Supervised {
    /// Starts one; `prepare` gives the arguments and the environment.
    pub(crate) fn start(prepare: impl FnOnce(&mut Command)) -> Self {
        Self::start_at(Path::new(env!("CARGO_BIN_EXE_supervised-table")), prepare)
    }

    /// Starts one whose executable lies somewhere else.
    pub(crate) fn start_at(path: &Path, prepare: impl FnOnce(&mut Command)) -> Self {
        let mut supervised = Self::spawn(Command::new(path), prepare);
        let output = supervised.process.stdout.take().unwrap();
        supervised.output = Stream::of(output, |line| line);
        supervised
    }

    /// Starts one whose standard output nobody reads.
    pub(crate) fn start_with_unread_output(prepare: impl FnOnce(&mut Command)) -> Self {
        Self::spawn(Command::new(env!("CARGO_BIN_EXE_supervised-table")), prepare)
    }

    fn spawn(mut command: Command, prepare: impl FnOnce(&mut Command)) -> Self {
        prepare(&mut command);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let events = process.stderr.take().unwrap();
        let event = |line: String| serde_json::from_str(&line).unwrap_or(Value::String(line));
        Self { process, events: Stream::of(events, event), output: Stream::of(std::io::empty(), |line| line) }
    }

    /// Waits until a child takes this step; returns the event.
    fn wait_for_transition(&mut self, child: &str, to: &str) -> Value {
        let wanted = |event: &Value| event["child"] == child && event["to"] == to;
        self.events.wait_for(&format!("{child} to be {to}"), wanted)
    }

    /// Waits until a child takes this step; returns the cause.
    pub(crate) fn wait_for_step(&mut self, child: &str, to: &str) -> String {
        self.wait_for_transition(child, to)["cause"].as_str().unwrap().to_owned()
    }

    /// Waits until a child is started; returns its process id.
    pub(crate) fn wait_for_start(&mut self, child: &str) -> Pid {
        let pid = self.wait_for_transition(child, "starting")["pid"].as_i64().unwrap();
        Pid::from_raw(pid as i32)
    }

    /// Waits for an event with this in its message.
    pub(crate) fn wait_for_event(&mut self, message: &str) -> Value {
        let wanted = |event: &Value| event["message"].as_str().is_some_and(|text| text.contains(message));
        self.events.wait_for(message, wanted)
    }

    /// Waits for a line of a child that contains this; returns it without its tag.
    pub(crate) fn wait_for_output(&mut self, text: &str) -> String {
        let line = self.output.wait_for(text, |line| line.contains(text));
        line.split_once(" | ").map_or(line.as_str(), |(_, line)| line).to_owned()
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.process.id() as i32)
    }

    /// Sends it a signal and waits for its end.
    pub(crate) fn end_with(&mut self, signal: Signal) -> ExitStatus {
        kill(self.pid(), signal).unwrap();
        self.wait()
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "the supervisor does not end; it said {:#?}",
                self.events.seen
            );
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// All transitions until its end, as `child: to`.
    pub(crate) fn steps(&mut self) -> Vec<String> {
        self.events.seen.extend(self.events.lines.iter());
        let step = |event: &Value| Some(format!("{}: {}", event["child"].as_str()?, event["to"].as_str()?));
        self.events.seen.iter().filter_map(step).collect()
    }
}

impl<T: Clone + Debug + Send + 'static> Stream<T> {
    fn of(stream: impl Read + Send + 'static, line: impl Fn(String) -> T + Send + 'static) -> Self {
        let (sender, lines) = channel();
        thread::spawn(move || {
            let lines = BufReader::new(stream).lines().map_while(Result::ok);
            let _ = lines.map(line).try_for_each(|line| sender.send(line));
        });
        Self { lines, seen: Vec::new() }
    }

    /// Waits for the first line from here on that `is_wanted` takes.
    fn wait_for(&mut self, what: &str, is_wanted: impl Fn(&T) -> bool) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                let from = self.seen.len().saturating_sub(40);
                panic!("waited in vain for {what}; the last lines: {:#?}", &self.seen[from..])
            };
            self.seen.push(line.clone());
            if is_wanted(&line) {
                return line;
            }
        }
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Waits until a process has gone. A zombie that its new parent has not collected yet counts as gone.
pub(crate) fn wait_until_gone(pid: Pid) {
    let deadline = Instant::now() + PATIENCE;
    while !is_gone(pid) {
        assert!(Instant::now() < deadline, "process {pid} is still there");
        thread::sleep(Duration::from_millis(10));
    }
}

fn is_gone(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    kill(pid, None) == Err(Errno::ESRCH) || stat.contains(") Z ")
}
