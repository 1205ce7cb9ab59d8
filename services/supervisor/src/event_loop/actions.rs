//! What the machine asks for, done to real processes.

use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};

use super::{EventLoop, Message, POSTGRES_PATIENCE, Process, STARTING_PROBE_INTERVAL};
use crate::effects::notify::{self, Notice};
use crate::effects::probe::{Asked, Prober};
use crate::effects::spawn;
use crate::effects::stand_in::StandIn;
use crate::logs::Stream;
use crate::machine::{Action, Edition, Event, Pace, Run};
use crate::postgres;
use crate::report;
use crate::spec::Kind;

impl EventLoop {
    pub(super) fn perform(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Spawn { run, edition, succeeds } => return Some(self.spawn(run, edition, succeeds)),
            Action::Signal { run, signal } => self.signal(run, signal),
            Action::StartProbing { run, pace } => self.start_probing(run, pace),
            Action::StopProbing { run } => {
                if let Some(process) = self.processes.get_mut(&run) {
                    process.prober = None;
                }
            }
            Action::Emit(transition) => {
                report::transition(&transition);
                self.status_board.step(&transition);
            }
            Action::Handover(handover) => {
                report::handover(&handover);
                self.status_board.handover(&handover);
            }
            Action::StandIn { child, retry_in } => self.stand_in(child, retry_in),
            Action::StandDown { child } => drop(self.stand_ins.remove(&child)),
            Action::Adopt => {
                tracing::info!("every process has been replaced");
                if let Some(candidate) = self.candidate.take() {
                    self.executable = candidate;
                }
                self.systemd.say("READY=1");
            }
            Action::Discard => {
                tracing::error!("the reload has failed");
                self.candidate = None;
                self.systemd.say("READY=1");
            }
            Action::Answer { id, result } => {
                if let Some(reply) = self.waiting.remove(&id) {
                    // It holds one answer and gets one; a client that has gone needs none.
                    let _ = reply.try_send(result.map(|words| (words, String::new())));
                }
            }
            Action::AllReady => {
                let seconds = self.started.elapsed().as_secs_f64();
                tracing::info!(seconds, "everything is ready");
                self.output.announce(&self.welcome);
                self.systemd.say("READY=1");
            }
            Action::Finish(code) => self.finished = Some(code),
        }
        None
    }

    fn spawn(&mut self, run: Run, edition: Edition, succeeds: bool) -> Event {
        let spec = &self.table[run.child];
        if let Some(database) = &spec.database {
            if let Err(reason) = postgres::make_way(database) {
                return Event::Blocked { run, reason };
            }
            if let Err(reason) = postgres::check_disk(database) {
                return Event::SpawnFailed { run, reason };
            }
        }
        let executable = match (edition, &self.candidate) {
            (Edition::Candidate, Some(candidate)) => candidate,
            _ => &self.executable,
        };
        let spawned = match spawn::spawn(spec, executable, succeeds) {
            Ok(spawned) => spawned,
            Err(error) => return Event::SpawnFailed { run, reason: error.to_string() },
        };
        let pid = spawned.pid;
        self.processes.insert(run, Process { pid, prober: None, pulse: spawned.pulse });
        let mut followed = self.output.follow(spec.name, Stream::Output, spawned.stdout);
        followed = followed.and_then(|()| self.output.follow(spec.name, Stream::Error, spawned.stderr));
        if let Some(pipe) = spawned.notify {
            let sender = self.sender.clone();
            let deliver = move |notice| {
                let event = match notice {
                    Notice::Ready => Event::NotifiedReady { run },
                    Notice::Stopping => Event::NotifiedStopping { run },
                };
                sender.send(Message::Event(event)).is_ok()
            };
            followed = followed.and_then(|()| notify::listen(pipe, deliver));
        }
        if let Err(error) = followed {
            // Without its pipes it will end by SIGPIPE or miss its start deadline; either way it is tried again.
            tracing::error!(child = spec.name, %error, "cannot start a thread to follow a child");
        }
        Event::Started { run, pid: pid.as_raw() }
    }

    fn signal(&self, run: Run, signal: Signal) {
        let Some(process) = self.processes.get(&run) else { return };
        let spec = &self.table[run.child];
        let sent = match spec.kind {
            Kind::Postgres => kill(process.pid, signal),
            Kind::Service | Kind::OneShot => killpg(process.pid, signal),
        };
        if let Err(errno) = sent {
            tracing::warn!(child = spec.name, signal = signal.as_str(), %errno, "cannot send a signal");
        }
    }

    fn start_probing(&mut self, run: Run, pace: Pace) {
        let spec = &self.table[run.child];
        let (Some(process), Some(probe)) = (self.processes.get_mut(&run), &spec.probe) else { return };
        let asked = Asked::of(probe, process.pid, process.pulse.as_ref());
        let patience = if spec.kind == Kind::Postgres { POSTGRES_PATIENCE } else { 1 };
        let (interval, timeout) = match pace {
            Pace::Starting => (STARTING_PROBE_INTERVAL, self.policy.probe_timeout * patience),
            Pace::Liveness => (self.policy.probe_interval * patience, self.policy.probe_timeout * patience),
        };
        let sender = self.sender.clone();
        let deliver = move |result: Result<(), String>, took| {
            // The loop has ended: so will this thread, as its prober is dropped with it.
            let _ = sender.send(Message::Probed { run, took, failure: result.err() });
        };
        process.prober = asked
            .and_then(|asked| Prober::start(asked, interval, timeout, deliver))
            .inspect_err(|error| tracing::error!(child = spec.name, %error, "cannot start a probe"))
            .ok();
    }

    fn stand_in(&mut self, child: usize, retry_in: Option<Duration>) {
        let spec = &self.table[child];
        let Some(socket) = &spec.socket else { return };
        match StandIn::start(socket.clone(), retry_in, spec.cors.clone()) {
            Ok(stand_in) => {
                tracing::warn!(child = spec.name, "answering 503 in its place");
                self.stand_ins.insert(child, stand_in);
            }
            Err(error) => tracing::error!(child = spec.name, %error, "cannot answer in its place"),
        }
    }
}
