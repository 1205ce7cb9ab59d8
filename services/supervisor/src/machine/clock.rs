//! A clock that leaves out the time in which this machine was frozen.

use std::time::Duration;

/// The event loop looks at the machine at least this often.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(1);

/// A longer silence than this means that this process stood still, alone or with the whole instance; platforms freeze what serves no
/// request.
const FREEZE_MIN: Duration = Duration::from_secs(2);

/// Turns the time since the start into the time that this instance was awake, so that no deadline passes in its sleep.
#[derive(Debug, Default)]
pub(super) struct ActiveClock {
    last: Duration,
    lost: Duration,
}

impl ActiveClock {
    /// Notes the present and gives it in active time, and whether this process stood still until now.
    pub(super) fn advance(&mut self, now: Duration) -> (Duration, bool) {
        let gap = now.saturating_sub(self.last);
        let stood_still = gap > FREEZE_MIN;
        if stood_still {
            self.lost += gap - HEARTBEAT;
        }
        self.last = self.last.max(now);
        (self.last.saturating_sub(self.lost), stood_still)
    }

    /// When to look again, in the caller's time, for a deadline in active time.
    pub(super) fn wake_at(&self, deadline: Option<Duration>) -> Duration {
        let heartbeat = self.last + HEARTBEAT;
        deadline.map_or(heartbeat, |deadline| (deadline + self.lost).min(heartbeat))
    }
}
