//! When the supervisor answers in a child's place.

use std::time::Duration;

use super::Machine;
use super::child::{Child, ChildState};
use super::types::Action;

impl Machine {
    /// Begins to stand in for each child that has no process and will not have one for a while.
    pub(super) fn stand_in_where_needed(&mut self, now: Duration, actions: &mut Vec<Action>) {
        let after = self.policy.stand_in_after;
        for (index, child) in self.children.iter_mut().enumerate() {
            if child.stands_in && !child.stood_in_for && is_down_for(child, now, after) {
                child.stood_in_for = true;
                let retry_in = match child.state {
                    ChildState::Backoff { until } => Some(until.saturating_sub(now)),
                    _ => None,
                };
                actions.push(Action::StandIn { child: index, retry_in });
            }
        }
    }

    /// Leaves the socket to the child; said before each of its starts.
    pub(super) fn stand_down(&mut self, index: usize, actions: &mut Vec<Action>) {
        if std::mem::take(&mut self.children[index].stood_in_for) {
            actions.push(Action::StandDown { child: index });
        }
    }
}

fn is_down_for(child: &Child, now: Duration, long: Duration) -> bool {
    let down = match child.state {
        ChildState::Backoff { until } => until.saturating_sub(now) > long,
        ChildState::Stopped => true,
        _ => false,
    };
    down && !child.has_process()
}
