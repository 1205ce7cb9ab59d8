//! What operators ask for.

use std::time::Duration;

use super::Machine;
use super::child::{ChildState, Then};
use super::handover::{Purpose, SecondProcess};
use super::types::{Action, Command, Phase};

/// Requests that may wait at the same time; further ones are told to look at the status.
const WAITS_MAX: usize = 64;

/// Somebody waits for a child to get somewhere.
#[derive(Debug)]
pub(super) struct Wait {
    id: u64,
    child: usize,
    goal: Goal,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goal {
    Serving,
    Stopped,
}

impl Machine {
    pub(super) fn commanded(
        &mut self,
        id: Option<u64>,
        command: Command,
        now: Duration,
        actions: &mut Vec<Action>,
    ) {
        if self.stop.is_some() {
            let result = Err("FireMode is stopping".to_owned());
            return actions.extend(id.map(|id| Action::Answer { id, result }));
        }
        if self.waits.len() >= WAITS_MAX {
            let result = Err("too many requests wait already; `firemode status` shows for what".to_owned());
            return actions.extend(id.map(|id| Action::Answer { id, result }));
        }
        match command {
            Command::Reload => self.begin_reload(id, actions),
            Command::Start(index) => {
                self.overtake_stops(index, actions);
                self.start_on_command(index, actions);
                self.wait_for(id, index, Goal::Serving);
            }
            Command::Stop(index) => {
                self.stop_on_command(index, now, actions);
                self.wait_for(id, index, Goal::Stopped);
            }
            Command::Restart(index) => {
                self.overtake_stops(index, actions);
                self.restart_on_command(id, index, now, actions);
            }
        }
    }

    /// Whoever waits for the end of a child waits in vain when somebody else starts it.
    fn overtake_stops(&mut self, index: usize, actions: &mut Vec<Action>) {
        let name = self.children[index].name;
        let (stops, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.waits)
            .into_iter()
            .partition(|wait| wait.child == index && wait.goal == Goal::Stopped);
        self.waits = others;
        let overtaken = |wait: Wait| {
            let result = Err(format!(
                "{name} was to start again before it had stopped: somebody else has asked for that"
            ));
            Action::Answer { id: wait.id, result }
        };
        actions.extend(stops.into_iter().map(overtaken));
    }

    /// Answers those whose wait is over.
    pub(super) fn settle_waits(&mut self, actions: &mut Vec<Action>) {
        let children = &self.children;
        self.waits.retain(|wait| {
            let child = &children[wait.child];
            let name = child.name;
            let result = match (wait.goal, child.phase()) {
                (Goal::Serving, Phase::Ready) => Ok(format!("{name} is ready")),
                (Goal::Serving, Phase::Done) => Ok(format!("{name} is done")),
                (Goal::Serving, Phase::Backoff | Phase::Stopped) => Err(format!("{name} {}", child.cause)),
                (Goal::Stopped, Phase::Stopped) if !child.has_process() => Ok(format!("{name} has stopped")),
                (Goal::Stopped, Phase::Done) => Ok(format!("{name} is done")),
                _ => return true,
            };
            actions.push(Action::Answer { id: wait.id, result });
            false
        });
    }

    /// The stop of everything overtakes what operators wait for.
    pub(super) fn abandon_waits(&mut self, actions: &mut Vec<Action>) {
        let stopping = || Err("FireMode is stopping".to_owned());
        actions.extend(self.waits.drain(..).map(|wait| Action::Answer { id: wait.id, result: stopping() }));
    }

    fn wait_for(&mut self, id: Option<u64>, child: usize, goal: Goal) {
        self.waits.extend(id.map(|id| Wait { id, child, goal }));
    }

    fn start_on_command(&mut self, index: usize, actions: &mut Vec<Action>) {
        let child = &mut self.children[index];
        match &mut child.state {
            ChildState::Stopped | ChildState::Backoff { .. } | ChildState::Blocked { .. } => {
                child.state = ChildState::Waiting;
                self.report(index, "asked to start".to_owned(), super::Details::default(), actions);
            }
            ChildState::Ending { then, .. } => *then = Then::Start,
            _ => {}
        }
    }

    fn stop_on_command(&mut self, index: usize, now: Duration, actions: &mut Vec<Action>) {
        let budget = self.policy.shutdown_max;
        self.end_second_process(index, now, budget, "is not wanted any more: it was asked to stop", actions);
        let child = &mut self.children[index];
        match &mut child.state {
            ChildState::Ready { .. } | ChildState::Starting { .. } | ChildState::Leaving { .. } => {
                let cause = "stopped by an operator".to_owned();
                self.end(index, now, budget, cause, Then::Rest, actions);
            }
            ChildState::Ending { then, .. } => *then = Then::Rest,
            ChildState::Backoff { .. } | ChildState::Waiting | ChildState::Blocked { .. } => {
                child.state = ChildState::Stopped;
                self.report(index, "stopped by an operator".to_owned(), super::Details::default(), actions);
            }
            ChildState::Stopped | ChildState::Done => {}
        }
    }

    fn restart_on_command(
        &mut self,
        id: Option<u64>,
        index: usize,
        now: Duration,
        actions: &mut Vec<Action>,
    ) {
        let has_needs = self.has_what_it_needs(index);
        let child = &mut self.children[index];
        let cause = "restarted by an operator".to_owned();
        match &mut child.state {
            ChildState::Ready { .. } if child.hands_over => {
                let obstacle = match &child.second_process {
                    Some(SecondProcess::Successor(_)) => Some("another handover is under way"),
                    Some(SecondProcess::Leaving { .. }) => {
                        Some("the generation before still finishes its requests")
                    }
                    None => (!has_needs).then_some("what it needs is not ready"),
                };
                if let Some(what) = obstacle {
                    let result = Err(format!("{}: {what}; try again in a moment", child.name));
                    return actions.extend(id.map(|id| Action::Answer { id, result }));
                }
                let edition = child.edition;
                return self.begin_handover(index, now, edition, Purpose::Command(id), cause, actions);
            }
            ChildState::Ready { .. } | ChildState::Starting { .. } | ChildState::Leaving { .. } => {
                self.end(index, now, self.policy.shutdown_max, cause, Then::Start, actions);
            }
            ChildState::Done => {
                child.state = ChildState::Waiting;
                self.report(index, cause, super::Details::default(), actions);
            }
            _ => self.start_on_command(index, actions),
        }
        self.wait_for(id, index, Goal::Serving);
    }
}
