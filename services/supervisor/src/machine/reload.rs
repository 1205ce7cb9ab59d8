//! Replacing every process of our own, one after the other, or none of them.

use std::collections::VecDeque;
use std::time::Duration;

use super::Machine;
use super::child::ChildState;
use super::handover::Purpose;
use super::types::{Action, Edition};
use crate::spec::Kind;

/// A reload in progress.
#[derive(Debug)]
pub(super) struct Reload {
    id: Option<u64>,
    /// Children that are still to be replaced; after a failure: those that go back to the adopted executable.
    left: VecDeque<usize>,
    active: Option<usize>,
    /// Services that run the candidate.
    taken: Vec<usize>,
    failure: Option<String>,
}

impl Machine {
    pub(super) fn begin_reload(&mut self, id: Option<u64>, actions: &mut Vec<Action>) {
        if self.reload.is_some() {
            return answer(id, Err("another reload is still running".to_owned()), actions);
        }
        let replaceable = |index: &usize| {
            let child = &self.children[*index];
            child.is_own && (child.hands_over || child.kind == Kind::OneShot)
        };
        let left = (0..self.children.len()).filter(replaceable).collect();
        self.reload = Some(Reload { id, left, active: None, taken: Vec::new(), failure: None });
    }

    pub(super) fn go_on_reloading(&mut self, now: Duration, actions: &mut Vec<Action>) {
        while let Some(reload) = self.reload.as_ref().filter(|reload| reload.active.is_none()) {
            let Some(&index) = reload.left.front() else { return self.finish_reload(actions) };
            let child = &self.children[index];
            match child.state {
                ChildState::Stopped => {
                    self.reload.iter_mut().for_each(|reload| reload.left.retain(|&left| left != index));
                    continue;
                }
                // Two of a one-shot at once would do the same work twice.
                ChildState::Starting { .. } if child.kind == Kind::OneShot => return,
                ChildState::Leaving { .. } | ChildState::Ending { .. } => return,
                _ if child.second_process.is_some() => return,
                _ => {}
            }
            let may_start = !matches!(child.state, ChildState::Waiting | ChildState::Blocked { .. })
                && self.has_what_it_needs(index);
            if !may_start {
                // On the way back there is nothing to give up for.
                if reload.failure.is_some() {
                    return;
                }
                self.reload_step_ended(index, Err("cannot start: what it needs is not ready".to_owned()));
                continue;
            }
            let Some(reload) = &mut self.reload else { return };
            reload.left.pop_front();
            reload.active = Some(index);
            let (edition, cause) = match reload.failure {
                None => (Edition::Candidate, "reload"),
                Some(_) => (Edition::Adopted, "back to the version before the failed reload"),
            };
            self.begin_handover(index, now, edition, Purpose::Reload, cause.to_owned(), actions);
        }
    }

    pub(super) fn reload_step_ended(&mut self, index: usize, result: Result<(), String>) {
        let child = &self.children[index];
        let Some(reload) = &mut self.reload else { return };
        reload.active = None;
        let runs_candidate = child.edition == Edition::Candidate && child.kind == Kind::Service;
        match result {
            // The failure of another came while this one was on its way.
            Ok(()) if runs_candidate && reload.failure.is_some() => reload.left.push_back(index),
            Ok(()) if runs_candidate => reload.taken.push(index),
            Ok(()) => {}
            Err(reason) if reload.failure.is_none() => {
                reload.failure = Some(format!("the new {} {reason}", child.name));
                reload.left = reload.taken.drain(..).rev().collect();
            }
            Err(_) => {}
        }
    }

    /// A child that already runs the candidate has failed before the reload was through.
    pub(super) fn reload_suspect(&mut self, index: usize, cause: &str) {
        let child = &mut self.children[index];
        if child.edition != Edition::Candidate {
            return;
        }
        child.edition = Edition::Adopted;
        if let Some(reload) = &mut self.reload
            && reload.failure.is_none()
        {
            reload.taken.retain(|&taken| taken != index);
            reload.failure = Some(format!("the new {} {cause}", child.name));
            reload.left = reload.taken.drain(..).rev().collect();
        }
    }

    /// The stop of everything overtakes a reload.
    pub(super) fn abandon_reload(&mut self, actions: &mut Vec<Action>) {
        if let Some(reload) = self.reload.take() {
            actions.push(Action::Discard);
            answer(reload.id, Err("FireMode is stopping".to_owned()), actions);
        }
    }

    fn finish_reload(&mut self, actions: &mut Vec<Action>) {
        let Some(reload) = self.reload.take() else { return };
        self.children.iter_mut().for_each(|child| child.edition = Edition::Adopted);
        match reload.failure {
            None => {
                actions.push(Action::Adopt);
                answer(reload.id, Ok("every process has been replaced".to_owned()), actions);
            }
            Some(reason) => {
                actions.push(Action::Discard);
                answer(reload.id, Err(format!("{reason}; the old version goes on serving")), actions);
            }
        }
    }
}

fn answer(id: Option<u64>, result: Result<String, String>, actions: &mut Vec<Action>) {
    actions.extend(id.map(|id| Action::Answer { id, result }));
}
