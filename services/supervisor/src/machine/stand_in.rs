//! When the supervisor answers in a child's place.

use std::time::Duration;

use super::Machine;
use super::child::ChildState;
use super::types::Action;

/// When clients of a child that hangs are told to come again: by then it is well, or its successor is there.
const HANG_RETRY: Duration = Duration::from_secs(1);

/// A stand-in for a child, by what its clients are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StoodIn {
    /// The child's next start, where one is planned.
    back_at: Option<Duration>,
}

impl Machine {
    /// Begins to stand in for each child that will not serve for a while, or hangs.
    pub(super) fn stand_in_where_needed(&mut self, now: Duration, actions: &mut Vec<Action>) {
        let (after, failures_max) = (self.policy.stand_in_after, self.policy.probe_failures_max);
        for (index, child) in self.children.iter_mut().enumerate().filter(|(_, child)| child.stands_in) {
            let wanted = match child.state {
                ChildState::Ready { failed_probes, .. } if is_suspect(failed_probes, failures_max) => {
                    child.stood_in.or(Some(StoodIn { back_at: Some(now + HANG_RETRY) }))
                }
                ChildState::Backoff { until } if until.saturating_sub(now) > after => {
                    Some(StoodIn { back_at: Some(until) })
                }
                ChildState::Stopped if !child.has_process() => Some(StoodIn { back_at: None }),
                // Until it serves.
                _ => child.stood_in,
            };
            if let Some(stood_in) = wanted.filter(|_| wanted != child.stood_in) {
                child.stood_in = wanted;
                let retry_in = stood_in.back_at.map(|at| at.saturating_sub(now));
                actions.push(Action::StandIn { child: index, retry_in });
            }
        }
    }

    /// Leaves the socket to the child: it serves, or everything stops.
    pub(super) fn stand_down(&mut self, index: usize, actions: &mut Vec<Action>) {
        if self.children[index].stood_in.take().is_some() {
            actions.push(Action::StandDown { child: index });
        }
    }
}

/// Has it missed so many probes that its clients should not wait for it? It is not ended for that yet.
fn is_suspect(failed_probes: u32, failures_max: u32) -> bool {
    failed_probes > 0 && failed_probes >= failures_max.div_ceil(2)
}
