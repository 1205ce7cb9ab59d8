//! A bound on how often something may happen.

use std::time::{Duration, Instant};

/// Allows so many events a second, and as many at once after a pause.
#[derive(Debug)]
pub(super) struct RateLimit {
    per_second: u32,
    left: u32,
    refilled: Instant,
}

impl RateLimit {
    pub(super) fn new(per_second: u32, now: Instant) -> Self {
        Self { per_second, left: per_second, refilled: now }
    }

    /// May it happen now?
    pub(super) fn allows(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.refilled) >= Duration::from_secs(1) {
            self.left = self.per_second;
            self.refilled = now;
        }
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }
}
