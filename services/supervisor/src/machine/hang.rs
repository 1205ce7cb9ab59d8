//! Children that do not answer their probes.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::Machine;
use super::child::{ChildState, Then};
use super::handover::SecondProcess;
use super::types::Action;
use crate::spec::Kind;

impl Machine {
    pub(super) fn probe_ok(&mut self, index: usize, now: Duration, actions: &mut Vec<Action>) {
        let child = &mut self.children[index];
        if let ChildState::Ready { failed_probes, .. } = &mut child.state {
            *failed_probes = 0;
            self.stand_down(index, actions);
        } else if child.kind == Kind::Postgres {
            self.now_ready(index, now, "accepts connections", actions);
        }
    }

    pub(super) fn probe_failed(
        &mut self,
        index: usize,
        now: Duration,
        reason: &str,
        actions: &mut Vec<Action>,
    ) {
        let ChildState::Ready { failed_probes, since, .. } = &mut self.children[index].state else { return };
        *failed_probes = failed_probes.saturating_add(1);
        if *failed_probes >= self.policy.probe_failures_max && self.stop.is_none() {
            let cause = format!("hangs: {failed_probes} probes in a row failed, the last with: {reason}");
            let since = *since;
            self.hangs(index, since, now, cause, actions);
        }
    }

    /// A process that stood still has not seen whether its children answered.
    pub(super) fn forget_failed_probes(&mut self) {
        for child in &mut self.children {
            if let ChildState::Ready { failed_probes, .. } = &mut child.state {
                *failed_probes = 0;
            }
        }
    }

    /// What hangs obeys nobody. A service is killed, and where two of it may be there at once, its successor starts before. The pause
    /// before that counts from when it was ready, so that one which has served for a while has none. PostgreSQL keeps its ladder.
    fn hangs(
        &mut self,
        index: usize,
        since: Duration,
        now: Duration,
        cause: String,
        actions: &mut Vec<Action>,
    ) {
        let kill = [(now, Signal::SIGKILL)].into();
        let child = &self.children[index];
        if child.kind == Kind::Postgres {
            self.end(index, now, self.policy.shutdown_max, cause, Then::Fail, actions);
        } else if child.hands_over && child.second_process.is_none() {
            self.stop_probing(index, actions);
            let child = &mut self.children[index];
            child.second_process = Some(SecondProcess::Leaving { number: child.generation, schedule: kill });
            self.failed_since(index, since, now, cause, actions);
        } else {
            self.end_on(index, now, kill, cause, Then::Fail, actions);
        }
    }
}
