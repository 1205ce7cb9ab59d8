//! The supervisor's decisions: a state machine without I/O. Time and randomness come in as arguments, so that whole
//! histories of crashes, hangs and signals can be simulated.

mod child;
mod clock;
mod commands;
mod handover;
mod hang;
mod memory;
mod reload;
mod stand_in;
mod stop;
mod types;

use std::time::Duration;

use firemode_runtime::backoff::Jitter;

use crate::exit::{CONFIGURATION, Exit, ExitCode};
use crate::policy::Policy;
use crate::spec::{ChildSpec, Kind};

use child::{Child, ChildState, Schedule, Then, schedule};
use clock::ActiveClock;
use commands::Wait;
use handover::SecondProcess;
use reload::Reload;
use stop::Stop;
pub use types::*;

/// How often a start that something is in the way of is tried again.
const BLOCKED_RETRY: Duration = Duration::from_millis(250);

/// The state of all children.
pub struct Machine {
    children: Vec<Child>,
    policy: Policy,
    jitter: Jitter,
    clock: ActiveClock,
    stop: Option<Stop>,
    reload: Option<Reload>,
    waits: Vec<Wait>,
    announced: bool,
    finished: bool,
}

impl Machine {
    /// A machine for this table, with nothing started: the first event, usually [`Event::Tick`], starts what can be.
    ///
    /// # Errors
    /// [`TableError`].
    pub fn new(table: &[ChildSpec], policy: Policy, jitter: Jitter) -> Result<Self, TableError> {
        let children = (0..table.len()).map(|index| Child::of(table, index)).collect::<Result<_, _>>()?;
        let clock = ActiveClock::default();
        Ok(Self {
            children,
            policy,
            jitter,
            clock,
            stop: None,
            reload: None,
            waits: Vec::new(),
            announced: false,
            finished: false,
        })
    }

    /// Takes one event and says what to do. `now` is the time since some fixed moment; it never goes back.
    pub fn handle(&mut self, now: Duration, event: Event) -> Vec<Action> {
        let (now, stood_still) = self.clock.advance(now);
        if stood_still {
            self.forget_failed_probes();
        }
        let mut actions = Vec::new();
        if self.finished {
            return actions;
        }
        self.apply(now, event, &mut actions);
        (0..self.children.len()).for_each(|index| self.pass_time(index, now, &mut actions));
        if self.stop.is_some() {
            self.go_on_stopping(now, &mut actions);
        } else {
            self.start_what_can(now, &mut actions);
            self.go_on_reloading(now, &mut actions);
            self.announce(&mut actions);
            self.stand_in_where_needed(now, &mut actions);
            self.settle_waits(&mut actions);
        }
        // Behind the starts: whoever hangs is killed when its successor is on its way.
        (0..self.children.len())
            .for_each(|index| self.send_due_signals_to_second_process(index, now, &mut actions));
        actions
    }

    /// When [`Machine::handle`] wants to be called with a [`Event::Tick`] at the latest; none after
    /// [`Action::Finish`].
    pub fn next_deadline(&self) -> Option<Duration> {
        let children = (0..self.children.len()).filter_map(|index| self.deadline(index));
        let stop = self.stop.iter().filter_map(Stop::deadline);
        (!self.finished).then(|| self.clock.wake_at(children.chain(stop).min()))
    }

    /// Each child's name and phase, in the order of the table.
    pub fn phases(&self) -> impl Iterator<Item = (&'static str, Phase)> {
        self.children.iter().map(|child| (child.name, child.phase()))
    }

    /// The present or last generation of a child.
    pub fn present(&self, child: usize) -> Run {
        self.children[child].run(child)
    }

    fn apply(&mut self, now: Duration, event: Event, actions: &mut Vec<Action>) {
        match event {
            Event::Tick => {}
            Event::StopRequested { signal } => self.stop_requested(now, signal, actions),
            Event::Commanded { id, command } => self.commanded(id, command, now, actions),
            event => self.apply_to_run(now, event, actions),
        }
    }

    /// An event of one generation, which may have gone meanwhile.
    fn apply_to_run(&mut self, now: Duration, event: Event, actions: &mut Vec<Action>) {
        let Some(run) = event.run() else { return };
        match self.children.get(run.child) {
            Some(child)
                if child.second_process.as_ref().is_some_and(|second| second.number() == run.number) =>
            {
                self.apply_to_second_process(run.child, now, event, actions);
            }
            Some(child) if child.generation == run.number && child.is_alive() => {
                self.apply_to_present(run.child, now, event, actions);
            }
            _ => {}
        }
    }

    fn apply_to_present(&mut self, index: usize, now: Duration, event: Event, actions: &mut Vec<Action>) {
        match event {
            Event::Started { pid, .. } => self.started(index, pid, actions),
            Event::SpawnFailed { reason, .. } => {
                self.failed(index, now, format!("cannot be started: {reason}"), actions);
            }
            Event::Blocked { reason, .. } => self.blocked(index, now, reason, actions),
            Event::NotifiedReady { .. } => self.now_ready(index, now, "says it is ready", actions),
            Event::NotifiedStopping { .. } => self.leaving(index, now, actions),
            Event::ProbeOk { .. } => self.probe_ok(index, now, actions),
            Event::ProbeFailed { reason, .. } => self.probe_failed(index, now, &reason, actions),
            Event::Measured { bytes, .. } => self.measured(index, now, bytes, actions),
            Event::Exited { exit, .. } => self.exited(index, now, exit, actions),
            Event::Tick | Event::StopRequested { .. } | Event::Commanded { .. } => {}
        }
    }

    /// When a child's state brings something about by time alone. During a stop only the stop decides who is ended, and
    /// in which order.
    fn deadline(&self, index: usize) -> Option<Duration> {
        let child = &self.children[index];
        let counts = self.stop.is_none() || matches!(child.state, ChildState::Ending { .. });
        let own = child.own_deadline(self.policy.backoff_forget).filter(|_| counts);
        own.into_iter().chain(child.second_process.as_ref().and_then(SecondProcess::deadline)).min()
    }

    /// What a child's state brings about by time alone.
    fn pass_time(&mut self, index: usize, now: Duration, actions: &mut Vec<Action>) {
        self.pass_time_of_second_process(index, now, actions);
        let child = &mut self.children[index];
        let counts = self.stop.is_none() || matches!(child.state, ChildState::Ending { .. });
        if !counts || child.own_deadline(self.policy.backoff_forget).is_none_or(|deadline| deadline > now) {
            return;
        }
        match &mut child.state {
            ChildState::Blocked { .. } | ChildState::Backoff { .. } => child.state = ChildState::Waiting,
            ChildState::Ready { .. } => child.backoff.forget(),
            ChildState::Starting { .. } => {
                let cause = format!("was not ready within {:?}", self.policy.start_max);
                self.end(index, now, self.policy.shutdown_max, cause, Then::Fail, actions);
            }
            ChildState::Leaving { .. } => {
                let cause =
                    format!("said it was stopping, and had not within {:?}", self.policy.shutdown_max);
                self.end(index, now, self.policy.shutdown_max, cause, Then::Fail, actions);
            }
            ChildState::Ending { .. } => self.send_due_signals(index, now, actions),
            ChildState::Waiting | ChildState::Done | ChildState::Stopped => {}
        }
    }

    fn start_what_can(&mut self, now: Duration, actions: &mut Vec<Action>) {
        for index in 0..self.children.len() {
            let child = &self.children[index];
            let may_be_two = child.hands_over || child.second_process.is_none();
            if matches!(child.state, ChildState::Waiting) && may_be_two && self.has_what_it_needs(index) {
                let child = &mut self.children[index];
                child.generation = child.next_number();
                child.state = ChildState::Starting { until: now + self.policy.start_max };
                let (run, edition, succeeds) =
                    (child.run(index), child.edition, child.second_process.is_some());
                actions.push(Action::Spawn { run, edition, succeeds });
            }
        }
    }

    /// Is everything that a child depends on ready?
    fn has_what_it_needs(&self, index: usize) -> bool {
        self.children[index].depends_on.iter().all(|&other| self.children[other].is_satisfied())
    }

    fn announce(&mut self, actions: &mut Vec<Action>) {
        if !self.announced && self.children.iter().all(Child::is_satisfied) {
            self.announced = true;
            actions.push(Action::AllReady);
        }
    }

    fn started(&mut self, index: usize, pid: i32, actions: &mut Vec<Action>) {
        let child = &mut self.children[index];
        child.blocked_since = None;
        let run = child.run(index);
        let cause = if run.number == 1 { "first start".to_owned() } else { format!("start {}", run.number) };
        if child.kind == Kind::Postgres && child.has_probe {
            actions.push(Action::StartProbing { run, pace: Pace::Starting });
        }
        self.report(index, cause, Details { pid: Some(pid), ..Details::default() }, actions);
    }

    fn blocked(&mut self, index: usize, now: Duration, reason: String, actions: &mut Vec<Action>) {
        let child = &mut self.children[index];
        let news = child.blocked_since.is_none();
        let since = *child.blocked_since.get_or_insert(now);
        if now.saturating_sub(since) >= self.policy.start_max {
            child.blocked_since = None;
            return self.failed(index, now, reason, actions);
        }
        child.state = ChildState::Blocked { retry_at: now + BLOCKED_RETRY };
        if news {
            self.report(
                index,
                reason,
                Details { retry_in: Some(BLOCKED_RETRY), ..Details::default() },
                actions,
            );
        }
    }

    fn now_ready(&mut self, index: usize, now: Duration, cause: &str, actions: &mut Vec<Action>) {
        let child = &mut self.children[index];
        if child.kind == Kind::OneShot || !matches!(child.state, ChildState::Starting { .. }) {
            return;
        }
        child.state = ChildState::Ready { since: now, failed_probes: 0, over_soft: 0 };
        child.was_ready = true;
        if child.has_probe {
            actions.push(Action::StartProbing { run: child.run(index), pace: Pace::Liveness });
        }
        self.report(index, cause.to_owned(), Details::default(), actions);
        self.stand_down(index, actions);
    }

    fn leaving(&mut self, index: usize, now: Duration, actions: &mut Vec<Action>) {
        if matches!(self.children[index].state, ChildState::Starting { .. } | ChildState::Ready { .. }) {
            self.stop_probing(index, actions);
            self.children[index].state = ChildState::Leaving { until: now + self.policy.shutdown_max };
            self.report(index, "stops by itself".to_owned(), Details::default(), actions);
        }
    }

    fn exited(&mut self, index: usize, now: Duration, exit: Exit, actions: &mut Vec<Action>) {
        let child = &mut self.children[index];
        let (cause, then) = match &child.state {
            ChildState::Ending { cause, then, .. } => (format!("{cause}; {exit}"), *then),
            _ => (exit.to_string(), Then::Fail),
        };
        let finished = child.kind == Kind::OneShot && exit.is_success() && child.phase() == Phase::Starting;
        let misconfigured = exit == Exit::Code(CONFIGURATION) && !child.was_ready;
        self.stop_probing(index, actions);
        if finished {
            self.children[index].state = ChildState::Done;
            self.children[index].backoff.forget();
            self.report(index, cause, Details::default(), actions);
        } else if self.stop.is_some() || then == Then::Rest {
            self.children[index].state = ChildState::Stopped;
            self.report(index, cause, Details::default(), actions);
        } else if then == Then::Start {
            self.children[index].state = ChildState::Waiting;
            self.report(index, cause, Details::default(), actions);
        } else if misconfigured {
            self.children[index].state = ChildState::Stopped;
            self.report(index, cause, Details::default(), actions);
            self.begin_stop(now, ExitCode::Configuration, actions);
        } else {
            self.failed(index, now, cause, actions);
        }
    }

    /// A failure of a child: its next start waits.
    fn failed(&mut self, index: usize, now: Duration, cause: String, actions: &mut Vec<Action>) {
        self.failed_since(index, now, now, cause, actions);
    }

    /// The same, where the wait has begun at `since`.
    fn failed_since(
        &mut self,
        index: usize,
        since: Duration,
        now: Duration,
        cause: String,
        actions: &mut Vec<Action>,
    ) {
        self.reload_suspect(index, &cause);
        let random = (self.jitter)();
        let child = &mut self.children[index];
        if self.stop.is_some() {
            child.state = ChildState::Stopped;
            return self.report(index, cause, Details::default(), actions);
        }
        let until = since + child.backoff.failed(self.policy.backoff_max, random);
        child.state = ChildState::Backoff { until };
        let retry_in = Some(until.saturating_sub(now));
        self.report(index, cause, Details { retry_in, ..Details::default() }, actions);
    }

    /// Begins to stop a child: the first signal now, the others by time, SIGKILL when `budget` is over.
    fn end(
        &mut self,
        index: usize,
        now: Duration,
        budget: Duration,
        cause: String,
        then: Then,
        actions: &mut Vec<Action>,
    ) {
        let schedule = schedule(self.children[index].kind, now, budget);
        self.end_on(index, now, schedule, cause, then, actions);
    }

    /// The same with signals of one's own.
    fn end_on(
        &mut self,
        index: usize,
        now: Duration,
        schedule: Schedule,
        cause: String,
        then: Then,
        actions: &mut Vec<Action>,
    ) {
        self.stop_probing(index, actions);
        self.children[index].state = ChildState::Ending { schedule, cause: cause.clone(), then };
        self.report(index, cause, Details::default(), actions);
        self.send_due_signals(index, now, actions);
    }

    fn send_due_signals(&mut self, index: usize, now: Duration, actions: &mut Vec<Action>) {
        let child = &mut self.children[index];
        let run = child.run(index);
        if let ChildState::Ending { schedule, .. } = &mut child.state {
            while let Some((_, signal)) = schedule.pop_front_if(|(at, _)| *at <= now) {
                actions.push(Action::Signal { run, signal });
            }
        }
    }

    fn stop_probing(&self, index: usize, actions: &mut Vec<Action>) {
        let child = &self.children[index];
        if child.has_probe && matches!(child.phase(), Phase::Starting | Phase::Ready) {
            actions.push(Action::StopProbing { run: child.run(index) });
        }
    }

    fn report(&mut self, index: usize, cause: String, details: Details, actions: &mut Vec<Action>) {
        let child = &mut self.children[index];
        let to = child.phase();
        let from = std::mem::replace(&mut child.reported, to);
        child.cause.clone_from(&cause);
        let failures = child.backoff.failures();
        actions.push(Action::Emit(Transition {
            child: child.name,
            from,
            to,
            cause,
            pid: details.pid,
            failures,
            crash_loop: failures >= self.policy.crash_loop_failures,
            retry_in: details.retry_in,
        }));
    }
}

/// What only some transitions have.
#[derive(Default)]
struct Details {
    pid: Option<i32>,
    retry_in: Option<Duration>,
}
