//! What is known of each child, for operators: gathered from what the event loop sees, shown as status and as metrics.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use firemode_runtime::control::{ChildStatus, Status};
use firemode_runtime::disk::{self, Room};

use crate::effects::measure::Usage;
use crate::machine::{Handover, HandoverStep, Phase, Transition};
use crate::spec::{ChildSpec, Kind};

/// Processor load is an average over at least this time; the system counts in hundredths of a second.
const LOAD_TIME_MIN: Duration = Duration::from_secs(2);

/// The figures of all children.
#[derive(Debug)]
pub(crate) struct StatusBoard {
    listening: Option<String>,
    /// The data folder.
    folder: Option<PathBuf>,
    started: Instant,
    stopping: bool,
    entries: Vec<ChildFigures>,
}

#[derive(Debug)]
struct ChildFigures {
    name: &'static str,
    kind: Kind,
    phase: Phase,
    since: Instant,
    cause: String,
    starts: u64,
    handovers: u64,
    failures: u32,
    crash_loop: bool,
    retry_at: Option<Instant>,
    last_exit: Option<String>,
    memory_bytes_max: Option<u64>,
    usage: Option<Usage>,
    /// Where the present measurement of processor load begins.
    cpu_since: Option<(Instant, f64)>,
    cpu_load: Option<f64>,
    probe: Option<Duration>,
    probe_failure: Option<String>,
}

/// The processes of one child, as the event loop knows them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pids {
    pub(crate) present: Option<i32>,
    pub(crate) other: Option<i32>,
}

impl StatusBoard {
    pub(crate) fn new(table: &[ChildSpec], listening: Option<String>, folder: Option<PathBuf>) -> Self {
        let started = Instant::now();
        let entry = |spec: &ChildSpec| ChildFigures {
            name: spec.name,
            kind: spec.kind,
            phase: Phase::Waiting,
            since: started,
            cause: "not started yet".to_owned(),
            starts: 0,
            handovers: 0,
            failures: 0,
            crash_loop: false,
            retry_at: None,
            last_exit: None,
            memory_bytes_max: spec.memory.map(|limits| limits.bytes_max),
            usage: None,
            cpu_since: None,
            cpu_load: None,
            probe: None,
            probe_failure: None,
        };
        Self { listening, folder, started, stopping: false, entries: table.iter().map(entry).collect() }
    }

    pub(crate) fn stopping(&mut self) {
        self.stopping = true;
    }

    /// Notes a child's step. What was measured of an earlier process is not carried over.
    pub(crate) fn step(&mut self, step: &Transition) {
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.name == step.child) else { return };
        entry.starts += u64::from(step.to == Phase::Starting);
        if step.to != entry.phase || step.pid.is_some() {
            entry.since = Instant::now();
        }
        if step.pid.is_some() || !matches!(step.to, Phase::Ready | Phase::Stopping) {
            entry.forget_process();
        }
        entry.phase = step.to;
        entry.cause.clone_from(&step.cause);
        entry.failures = step.failures;
        // Its failures are not forgotten yet, but while it serves it is not in a loop of them.
        entry.crash_loop = step.crash_loop && step.to != Phase::Ready;
        entry.retry_at = step.retry_in.map(|delay| Instant::now() + delay);
    }

    /// Notes a step of a handover.
    pub(crate) fn handover(&mut self, handover: &Handover) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.name == handover.child)
            && handover.step == HandoverStep::Begun
        {
            entry.handovers += 1;
        }
    }

    /// Notes how a process of a child ended.
    pub(crate) fn exited(&mut self, child: usize, how: String) {
        self.entries[child].last_exit = Some(how);
    }

    /// Notes what a child's process takes now.
    pub(crate) fn measured(&mut self, child: usize, usage: Usage) {
        let entry = &mut self.entries[child];
        let now = Instant::now();
        entry.usage = Some(usage);
        let (since, cpu_seconds) = *entry.cpu_since.get_or_insert((now, usage.cpu_seconds));
        let seconds = now.saturating_duration_since(since);
        if seconds >= LOAD_TIME_MIN {
            entry.cpu_load = Some((usage.cpu_seconds - cpu_seconds).max(0.0) / seconds.as_secs_f64());
            entry.cpu_since = Some((now, usage.cpu_seconds));
        }
    }

    /// Notes a probe of a child and how long it took.
    pub(crate) fn probed(&mut self, child: usize, took: Duration, failure: Option<&str>) {
        let entry = &mut self.entries[child];
        entry.probe = Some(took);
        entry.probe_failure = failure.map(str::to_owned);
    }

    /// Everything, for programs and people.
    pub(crate) fn status(&self, pids: &[Pids]) -> Status {
        let ready = self.entries.iter().all(|entry| match entry.kind {
            Kind::OneShot => entry.phase == Phase::Done,
            Kind::Service | Kind::Postgres => entry.phase == Phase::Ready,
        });
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_seconds: self.started.elapsed().as_secs_f64(),
            listening: self.listening.clone(),
            stopping: self.stopping,
            ready,
            children: self.entries.iter().zip(pids).map(|(entry, pids)| entry.status(*pids)).collect(),
        }
    }

    /// The figures in the text format of Prometheus.
    pub(crate) fn metrics(&self, pids: &[Pids]) -> String {
        let children = self.status(pids).children;
        let mut text = String::new();
        let mut family = |name: &str, kind: &str, help: &str, value: &dyn Fn(&ChildStatus) -> Option<f64>| {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
            for child in &children {
                if let Some(value) = value(child) {
                    let _ = writeln!(text, "{name}{{child=\"{}\"}} {value}", child.name);
                }
            }
        };
        let number = |yes: bool| f64::from(u8::from(yes));
        family("firemode_child_restarts_total", "counter", "Starts after the first one.", &|c| {
            Some(c.restarts as f64)
        });
        family("firemode_child_up", "gauge", "1 where the child is ready, or done.", &|c| {
            Some(number(matches!(c.state.as_str(), "ready" | "done")))
        });
        family("firemode_child_failures", "gauge", "Failures in a row.", &|c| Some(f64::from(c.failures)));
        family("firemode_child_crash_loop", "gauge", "1 where these are many.", &|c| {
            Some(number(c.crash_loop))
        });
        family(
            "firemode_child_backoff_seconds",
            "gauge",
            "Time to the next start, 0 where none waits.",
            &|c| Some(c.retry_in_seconds.unwrap_or_default()),
        );
        family("firemode_child_memory_bytes", "gauge", "Resident memory.", &|c| {
            c.memory_bytes.map(|bytes| bytes as f64)
        });
        family("firemode_child_cpu_seconds", "gauge", "Processor time of its present process.", &|c| {
            c.cpu_seconds
        });
        family("firemode_child_open_files", "gauge", "Files and connections that it has open.", &|c| {
            c.open_files.map(|files| files as f64)
        });
        family("firemode_child_open_files_max", "gauge", "The most that it may have open.", &|c| {
            c.open_files_max.map(|files| files as f64)
        });
        family(
            "firemode_child_start_time_seconds",
            "gauge",
            "When its present process was started, since 1970.",
            &|c| c.started_at_seconds,
        );
        family("firemode_child_probe_seconds", "gauge", "How long its last probe took.", &|c| {
            c.probe_milliseconds.map(|milliseconds| milliseconds / 1e3)
        });
        if let Some(Room { free_bytes, bytes }) =
            self.folder.as_deref().and_then(|folder| disk::room(folder).ok())
        {
            let figures = [
                ("firemode_disk_free_bytes", "Room that is left on the disk of the data folder.", free_bytes),
                ("firemode_disk_bytes", "Size of that disk.", bytes),
            ];
            for (name, help, bytes) in figures {
                let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {bytes}");
            }
        }
        let name = "firemode_child_state";
        let _ = writeln!(text, "# HELP {name} 1 for the state that the child is in.\n# TYPE {name} gauge");
        for child in &children {
            for phase in Phase::ALL {
                let is = number(child.state == phase.to_string());
                let _ = writeln!(text, "{name}{{child=\"{}\",state=\"{phase}\"}} {is}", child.name);
            }
        }
        text
    }
}

impl ChildFigures {
    fn forget_process(&mut self) {
        self.usage = None;
        self.cpu_since = None;
        self.cpu_load = None;
        self.probe = None;
        self.probe_failure = None;
    }

    fn status(&self, pids: Pids) -> ChildStatus {
        let usage = self.usage.filter(|_| pids.present.is_some());
        let waits = self.phase == Phase::Backoff;
        let retry_in = self.retry_at.filter(|_| waits);
        ChildStatus {
            name: self.name.to_owned(),
            state: self.phase.to_string(),
            since_seconds: self.since.elapsed().as_secs_f64(),
            cause: self.cause.clone(),
            pid: pids.present,
            other_pid: pids.other,
            restarts: (self.starts + self.handovers).saturating_sub(1),
            last_exit: self.last_exit.clone(),
            failures: self.failures,
            crash_loop: self.crash_loop,
            retry_in_seconds: retry_in.map(|at| at.saturating_duration_since(Instant::now()).as_secs_f64()),
            memory_bytes: usage.map(|usage| usage.memory_bytes),
            memory_bytes_max: self.memory_bytes_max,
            cpu_seconds: usage.map(|usage| usage.cpu_seconds),
            open_files: usage.and_then(|usage| usage.open_files),
            open_files_max: usage.and_then(|usage| usage.open_files_max),
            started_at_seconds: usage.and_then(|usage| usage.started_at_seconds),
            cpu_load: self.cpu_load.filter(|_| pids.present.is_some()),
            probe_milliseconds: self.probe.map(|took| took.as_secs_f64() * 1e3),
            probe_failure: self.probe_failure.clone(),
        }
    }
}
