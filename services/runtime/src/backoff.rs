//! How long to wait before something that failed is tried again.

use std::time::Duration;

/// Source of randomness: numbers in `[0, 1)`.
pub type Jitter = Box<dyn FnMut() -> f64 + Send>;

/// Jitter adds up to this share of the delay, so that what fell together does not rise together.
const JITTER_SHARE: f64 = 0.25;

/// Counts failures in a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Notes a failure and says how long to wait ([`delay`]).
    pub fn failed(&mut self, delay_max: Duration, random: f64) -> Duration {
        let delay = delay(self.failures, delay_max, random);
        self.failures = self.failures.saturating_add(1);
        delay
    }

    /// It has worked for long enough: its past is forgotten.
    pub fn forget(&mut self) {
        self.failures = 0;
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

/// How long to wait after so many failures before this one: `2^n` seconds with jitter, and never more than `delay_max`. `random` is in
/// `[0, 1)`.
pub fn delay(failures: u32, delay_max: Duration, random: f64) -> Duration {
    let base = Duration::from_secs(1_u64.checked_shl(failures).unwrap_or(u64::MAX)).min(delay_max);
    let spread = base.mul_f64(JITTER_SHARE * random.clamp(0.0, 1.0));
    let later = base.saturating_add(spread);
    // At the cap the spread goes downwards, or all that are capped would be in step.
    if later <= delay_max { later } else { base.saturating_sub(spread) }
}

/// Randomness from the system. It spreads tries and needs no quality beyond that.
pub fn system_jitter() -> Jitter {
    use std::hash::{BuildHasher as _, RandomState};
    let state = RandomState::new();
    let mut calls = 0_u64;
    Box::new(move || {
        calls += 1;
        (state.hash_one(calls) >> 11) as f64 / (1_u64 << 53) as f64
    })
}
