//! Stopping everything: in reverse order, each step with a deadline, all of them within one.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::Machine;
use super::child::{ChildState, Then};
use super::handover::SecondProcess;
use super::types::{Action, Run};
use crate::exit::ExitCode;
use crate::spec::Kind;

/// A request this soon after the first is the same one: `timeout(1)`, a terminal and some init systems signal both the
/// process and its group.
const REPEATED_AFTER: Duration = Duration::from_millis(300);

/// A stop in progress.
#[derive(Debug)]
pub(super) struct Stop {
    code: ExitCode,
    /// When somebody first asked for it; a stop for another reason has not been asked for.
    asked_at: Option<Duration>,
    /// Children below this index have not been asked yet.
    unasked: usize,
    /// Who was asked last, and until when the next one waits for it.
    current: Option<(usize, Duration)>,
    /// Who still lives then is killed.
    kill_at: Duration,
    killed: bool,
    /// Even the kernel's answers are not waited for after this.
    give_up_at: Duration,
    /// The time between the two.
    margin: Duration,
    hurried: bool,
}

impl Stop {
    pub(super) fn deadline(&self) -> Option<Duration> {
        let kill_at = if self.killed { self.give_up_at } else { self.kill_at };
        Some(self.current.map_or(kill_at, |(_, until)| until.min(kill_at)))
    }
}

impl Machine {
    pub(super) fn stop_requested(&mut self, now: Duration, signal: Signal, actions: &mut Vec<Action>) {
        if self.stop.is_none() {
            self.begin_stop(now, ExitCode::Stopped, actions);
        }
        let Some(stop) = &mut self.stop else { return };
        let asked_at = *stop.asked_at.get_or_insert(now);
        if !stop.hurried && now.saturating_sub(asked_at) >= REPEATED_AFTER {
            self.hurry(now, signal, actions);
        }
    }

    /// From now on nothing is started; [`Machine::go_on_stopping`] does the rest.
    pub(super) fn begin_stop(&mut self, now: Duration, code: ExitCode, actions: &mut Vec<Action>) {
        let total = self.policy.shutdown_max;
        let margin = total / 10;
        self.stop = Some(Stop {
            code,
            asked_at: None,
            unasked: self.children.len(),
            current: None,
            kill_at: now + total - margin,
            killed: false,
            give_up_at: now + total,
            margin,
            hurried: false,
        });
        self.abandon_reload(actions);
        self.abandon_waits(actions);
        for index in 0..self.children.len() {
            self.stand_down(index, actions);
            if let Some(SecondProcess::Successor(_)) = &self.children[index].second_process {
                self.end_second_process(index, now, total - margin, "is not needed any more", actions);
            }
            let child = &mut self.children[index];
            if !child.is_alive() && !matches!(child.state, ChildState::Done | ChildState::Stopped) {
                child.state = ChildState::Stopped;
                self.report(index, "not needed any more".to_owned(), super::Details::default(), actions);
            }
        }
    }

    pub(super) fn go_on_stopping(&mut self, now: Duration, actions: &mut Vec<Action>) {
        while let Some((index, budget)) = self.next_to_ask(now) {
            self.ask(index, now, budget, actions);
        }
        self.kill_when_late(now, actions);
        let Some(stop) = &self.stop else { return };
        let left = self.children.iter().any(|child| child.has_process());
        if !left || now >= stop.give_up_at {
            let code = if left { ExitCode::Failure } else { stop.code };
            self.finished = true;
            actions.push(Action::Finish(code));
        }
    }

    /// The next child to stop and the time it may take, unless the last one still has some of its own.
    fn next_to_ask(&mut self, now: Duration) -> Option<(usize, Duration)> {
        let stop = self.stop.as_mut()?;
        if let Some((current, until)) = stop.current
            && self.children[current].has_process()
            && now < until
        {
            return None;
        }
        stop.current = None;
        let index = self.children[..stop.unasked].iter().rposition(|child| child.has_process());
        stop.unasked = index.unwrap_or(0);
        let index = index?;
        // Time that one child leaves unused goes to those after it.
        let alive = self.children[..=index].iter().filter(|child| child.has_process());
        let weights: u32 = alive.map(|child| child.kind.stop_weight()).sum();
        let left = stop.kill_at.saturating_sub(now);
        let budget = left * self.children[index].kind.stop_weight() / weights;
        stop.current = Some((index, now + budget + stop.margin / 4));
        Some((index, budget))
    }

    fn ask(&mut self, index: usize, now: Duration, budget: Duration, actions: &mut Vec<Action>) {
        self.end_second_process(index, now, budget, "is not needed any more", actions);
        if !self.children[index].is_alive() {
            return;
        }
        if let ChildState::Ending { schedule, .. } = &mut self.children[index].state {
            // It is on its ladder already (it hung): only its time gets shorter.
            schedule.iter_mut().for_each(|(at, _)| *at = (*at).min(now + budget));
            self.send_due_signals(index, now, actions);
        } else {
            self.end(index, now, budget, "asked to stop".to_owned(), Then::Rest, actions);
        }
    }

    fn kill_when_late(&mut self, now: Duration, actions: &mut Vec<Action>) {
        let Some(stop) = self.stop.as_mut().filter(|stop| now >= stop.kill_at && !stop.killed) else {
            return;
        };
        stop.killed = true;
        for (index, child) in self.children.iter().enumerate() {
            let present = child.is_alive().then(|| child.run(index));
            let second =
                child.second_process.as_ref().map(|second| Run { child: index, number: second.number() });
            let both = present.into_iter().chain(second);
            actions.extend(both.map(|run| Action::Signal { run, signal: Signal::SIGKILL }));
        }
    }

    /// A second request: no more waiting. PostgreSQL still gets a moment to take its backends and shared memory along.
    fn hurry(&mut self, now: Duration, signal: Signal, actions: &mut Vec<Action>) {
        let Some(stop) = &mut self.stop else { return };
        stop.hurried = true;
        stop.code = ExitCode::Failure;
        stop.unasked = 0;
        stop.current = None;
        stop.kill_at = stop.kill_at.min(now + stop.margin);
        stop.give_up_at = stop.give_up_at.min(now + 2 * stop.margin);
        let kill_at = stop.kill_at;
        for index in 0..self.children.len() {
            self.end_second_process(index, now, Duration::ZERO, "is not needed any more", actions);
            if !self.children[index].is_alive() {
                continue;
            }
            let cause = format!("a second {} cuts the stop short", signal.as_str());
            self.stop_probing(index, actions);
            let child = &mut self.children[index];
            let schedule = match child.kind {
                Kind::Postgres => [(now, Signal::SIGQUIT), (kill_at, Signal::SIGKILL)].into(),
                Kind::Service | Kind::OneShot => [(now, Signal::SIGKILL)].into(),
            };
            child.state = ChildState::Ending { schedule, cause: cause.clone(), then: Then::Rest };
            self.report(index, cause, super::Details::default(), actions);
            self.send_due_signals(index, now, actions);
        }
    }
}
