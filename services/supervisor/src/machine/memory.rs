//! Children that take too much memory.

use std::time::Duration;

use super::Machine;
use super::child::{ChildState, Then};
use super::handover::Purpose;
use super::types::Action;

/// Measurements in a row over the soft limit that lead to a handover: a peak is not a leak.
const OVER_SOFT_MAX: u32 = 3;

impl Machine {
    /// Over the soft limit for some time, a next generation takes over; over the ceiling the child is ended at once.
    pub(super) fn measured(&mut self, index: usize, now: Duration, bytes: u64, actions: &mut Vec<Action>) {
        let forget = self.policy.backoff_forget;
        let has_needs = self.has_what_it_needs(index);
        let child = &mut self.children[index];
        let (Some(limits), ChildState::Ready { since, over_soft, .. }) = (child.memory, &mut child.state)
        else {
            return;
        };
        if self.stop.is_some() {
            return;
        }
        if bytes > limits.bytes_max {
            let cause = format!("takes {}, over its ceiling of {}", mb(bytes), mb(limits.bytes_max));
            return self.end(index, now, self.policy.shutdown_max, cause, Then::Fail, actions);
        }
        *over_soft = if bytes > limits.soft_bytes { *over_soft + 1 } else { 0 };
        // What starts with so much memory would hand over for ever.
        let may = now >= (*since + forget).max(child.recycle_from) && child.second_process.is_none();
        if *over_soft >= OVER_SOFT_MAX && may && has_needs && child.hands_over {
            *over_soft = 0;
            let (edition, soft) = (child.edition, limits.soft_bytes);
            let cause = format!("it takes {}, over its soft limit of {}", mb(bytes), mb(soft));
            self.begin_handover(index, now, edition, Purpose::Recycle, cause, actions);
        }
    }
}

fn mb(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}
