//! From one generation of a child to the next while the earlier one serves.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::Machine;
use super::child::{ChildState, Schedule, schedule};
use super::types::{Action, Edition, Event, Handover, HandoverStep, Pace, Run};
use crate::exit::Exit;
use crate::spec::{Kind, RETIRE};

/// A second process of a child. There are never more than two.
#[derive(Debug)]
pub(super) enum SecondProcess {
    /// Takes over as soon as it is ready. A one-shot's has only to succeed.
    Successor(Successor),
    /// Not needed any more, and on its way out.
    Leaving { number: u64, schedule: Schedule },
}

/// A generation that is to take over.
#[derive(Debug)]
pub(super) struct Successor {
    number: u64,
    pid: Option<i32>,
    until: Duration,
    edition: Edition,
    purpose: Purpose,
    cause: String,
}

/// Who waits for the end of a handover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The reload.
    Reload,
    /// An operator.
    Command(Option<u64>),
    /// Nobody: the earlier generation took too much memory.
    Recycle,
}

impl SecondProcess {
    pub(super) fn number(&self) -> u64 {
        match self {
            Self::Successor(successor) => successor.number,
            Self::Leaving { number, .. } => *number,
        }
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        match self {
            Self::Successor(successor) => Some(successor.until),
            Self::Leaving { schedule, .. } => schedule.front().map(|(at, _)| *at),
        }
    }
}

impl Machine {
    /// Starts a next generation beside the present one. The child must not have a second process.
    pub(super) fn begin_handover(
        &mut self,
        index: usize,
        now: Duration,
        edition: Edition,
        purpose: Purpose,
        cause: String,
        actions: &mut Vec<Action>,
    ) {
        let until = now + self.policy.start_max;
        let child = &mut self.children[index];
        debug_assert!(child.second_process.is_none(), "{} has a second process", child.name);
        let number = child.next_number();
        child.second_process =
            Some(SecondProcess::Successor(Successor { number, pid: None, until, edition, purpose, cause }));
        let succeeds = child.is_alive();
        actions.push(Action::Spawn { run: Run { child: index, number }, edition, succeeds });
    }

    /// An event of a child's second process.
    pub(super) fn apply_to_second_process(
        &mut self,
        index: usize,
        now: Duration,
        event: Event,
        actions: &mut Vec<Action>,
    ) {
        match event {
            Event::Started { pid, .. } => self.successor_started(index, pid, actions),
            Event::SpawnFailed { reason, .. } | Event::Blocked { reason, .. } => {
                let reason = format!("cannot be started: {reason}");
                self.successor_failed(index, now, reason, false, actions);
            }
            Event::NotifiedReady { .. } => self.take_over(index, now, actions),
            Event::Exited { exit, .. } => self.second_process_exited(index, now, exit, actions),
            _ => {}
        }
    }

    /// What a child's second process brings about by time alone.
    pub(super) fn pass_time_of_second_process(
        &mut self,
        index: usize,
        now: Duration,
        actions: &mut Vec<Action>,
    ) {
        if let Some(SecondProcess::Successor(successor)) = &self.children[index].second_process
            && successor.until <= now
        {
            let reason = format!("was not ready within {:?}", self.policy.start_max);
            self.successor_failed(index, now, reason, true, actions);
        }
    }

    /// Ends a child's second process within `budget`, the successor or the one that leaves.
    pub(super) fn end_second_process(
        &mut self,
        index: usize,
        now: Duration,
        budget: Duration,
        reason: &str,
        actions: &mut Vec<Action>,
    ) {
        if let Some(SecondProcess::Successor(_)) = &self.children[index].second_process {
            self.successor_failed(index, now, reason.to_owned(), true, actions);
        }
        let child = &mut self.children[index];
        let kind = child.kind;
        if let Some(SecondProcess::Leaving { schedule: left, .. }) = &mut child.second_process
            && let Some((kill_at, _)) = left.back()
        {
            *left = schedule(kind, now, budget.min(kill_at.saturating_sub(now)));
        }
        self.send_due_signals_to_second_process(index, now, actions);
    }

    fn successor_started(&mut self, index: usize, pid: i32, actions: &mut Vec<Action>) {
        if let Some(SecondProcess::Successor(successor)) = &mut self.children[index].second_process {
            successor.pid = Some(pid);
            let cause = successor.cause.clone();
            self.note(index, HandoverStep::Begun, cause, Some(pid), actions);
        }
    }

    /// The heir serves: from now on it is the child, and the earlier generation finishes what it has begun.
    fn take_over(&mut self, index: usize, now: Duration, actions: &mut Vec<Action>) {
        if self.children[index].kind != Kind::Service {
            return;
        }
        let Some(SecondProcess::Successor(successor)) = self.children[index]
            .second_process
            .take_if(|second| matches!(second, SecondProcess::Successor(_)))
        else {
            return;
        };
        let was_alive = self.children[index].is_alive();
        self.stop_probing(index, actions);
        let (handover_max, shutdown_max) = (self.policy.handover_max, self.policy.shutdown_max);
        let child = &mut self.children[index];
        let earlier = child.generation;
        let ready = ChildState::Ready { since: now, failed_probes: 0, over_soft: 0 };
        let schedule = match std::mem::replace(&mut child.state, ready) {
            ChildState::Ending { schedule, .. } => schedule,
            ChildState::Ready { .. } => [(now, RETIRE), (now + handover_max, Signal::SIGKILL)].into(),
            _ => schedule(child.kind, now, shutdown_max),
        };
        child.generation = successor.number;
        child.edition = successor.edition;
        child.was_ready = true;
        child.second_process = was_alive.then_some(SecondProcess::Leaving { number: earlier, schedule });
        if child.has_probe {
            actions.push(Action::StartProbing { run: child.run(index), pace: Pace::Liveness });
        }
        self.note(index, HandoverStep::Done, successor.cause, successor.pid, actions);
        self.report(
            index,
            "took over".to_owned(),
            super::Details { pid: successor.pid, ..Default::default() },
            actions,
        );
        self.stand_down(index, actions);
        self.handover_ended(index, successor.purpose, Ok(()), actions);
    }

    fn second_process_exited(&mut self, index: usize, now: Duration, exit: Exit, actions: &mut Vec<Action>) {
        let child = &mut self.children[index];
        match &child.second_process {
            Some(SecondProcess::Successor(successor)) if child.kind == Kind::OneShot && exit.is_success() => {
                let purpose = successor.purpose;
                child.second_process = None;
                self.note(index, HandoverStep::Done, exit.to_string(), None, actions);
                self.done_by_heir(index, actions);
                self.handover_ended(index, purpose, Ok(()), actions);
            }
            Some(SecondProcess::Successor(_)) => {
                self.successor_failed(index, now, exit.to_string(), false, actions)
            }
            Some(SecondProcess::Leaving { .. }) => {
                child.second_process = None;
                self.note(index, HandoverStep::Ended, exit.to_string(), None, actions);
            }
            None => {}
        }
    }

    /// What the earlier run of a one-shot has failed to do, the later one has done.
    fn done_by_heir(&mut self, index: usize, actions: &mut Vec<Action>) {
        let child = &mut self.children[index];
        if matches!(child.state, ChildState::Backoff { .. }) {
            child.state = ChildState::Done;
            child.backoff.forget();
            self.report(index, "done by a later run".to_owned(), super::Details::default(), actions);
        }
    }

    fn successor_failed(
        &mut self,
        index: usize,
        now: Duration,
        reason: String,
        lives: bool,
        actions: &mut Vec<Action>,
    ) {
        let budget = self.policy.shutdown_max;
        let forget = self.policy.backoff_forget;
        let child = &mut self.children[index];
        let Some(SecondProcess::Successor(successor)) = child.second_process.take() else { return };
        if lives {
            let schedule = schedule(child.kind, now, budget);
            child.second_process = Some(SecondProcess::Leaving { number: successor.number, schedule });
        }
        child.recycle_from = now + forget;
        self.note(index, HandoverStep::Failed, reason.clone(), successor.pid, actions);
        self.handover_ended(index, successor.purpose, Err(reason), actions);
    }

    fn handover_ended(
        &mut self,
        index: usize,
        purpose: Purpose,
        result: Result<(), String>,
        actions: &mut Vec<Action>,
    ) {
        let name = self.children[index].name;
        match purpose {
            Purpose::Reload => self.reload_step_ended(index, result),
            Purpose::Command(Some(id)) => {
                let result = result.map(|()| format!("a new {name} has taken over"));
                let result = result
                    .map_err(|reason| format!("the new {name} {reason}; what served before goes on serving"));
                actions.push(Action::Answer { id, result });
            }
            Purpose::Command(None) | Purpose::Recycle => {}
        }
    }

    pub(super) fn send_due_signals_to_second_process(
        &mut self,
        index: usize,
        now: Duration,
        actions: &mut Vec<Action>,
    ) {
        if let Some(SecondProcess::Leaving { number, schedule }) = &mut self.children[index].second_process {
            let run = Run { child: index, number: *number };
            while let Some((_, signal)) = schedule.pop_front_if(|(at, _)| *at <= now) {
                actions.push(Action::Signal { run, signal });
            }
        }
    }

    fn note(
        &self,
        index: usize,
        step: HandoverStep,
        cause: String,
        pid: Option<i32>,
        actions: &mut Vec<Action>,
    ) {
        let child = self.children[index].name;
        actions.push(Action::Handover(Handover { child, step, cause, pid }));
    }
}
