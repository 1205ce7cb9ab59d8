//! When a device acts.

use std::time::Duration;

use tokio::time::Instant;

/// A schedule that does not wait for answers: an action that comes late makes the next one late too, and each is measured
/// from the time it was due, so that a stall shows in full (no coordinated omission).
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    due: Option<Instant>,
    random: u64,
    milliseconds_min: u64,
    milliseconds_max: u64,
}

impl Pace {
    /// Intervals between the two bounds, evenly spread. The seed makes a device's intervals its own, and the same in every run.
    pub(crate) fn between(milliseconds_min: u64, milliseconds_max: u64, seed: u64) -> Self {
        assert!(milliseconds_min < milliseconds_max, "intervals must differ, or devices march in step");
        Self { due: None, random: seed, milliseconds_min, milliseconds_max }
    }

    /// When the next action is due. The first is due within one interval from now.
    pub(crate) fn next_due(&mut self) -> Instant {
        let due = match self.due {
            None => Instant::now() + Duration::from_millis(self.draw() % self.milliseconds_max),
            Some(due) => {
                let spread = self.milliseconds_max - self.milliseconds_min;
                due + Duration::from_millis(self.milliseconds_min + self.draw() % spread)
            }
        };
        self.due = Some(due);
        due
    }

    /// SplitMix64.
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_stay_within_their_bounds_and_do_not_wait() {
        let mut pace = Pace::between(1_000, 2_000, 7);
        let started = Instant::now();
        let first = pace.next_due();
        assert!(first < started + Duration::from_millis(2_100));
        let dues: Vec<Instant> = std::iter::once(first).chain((0..1_000).map(|_| pace.next_due())).collect();
        let intervals: Vec<Duration> = dues.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(intervals.iter().all(|interval| (1_000..2_000).contains(&interval.as_millis())));
        let mean = (dues[1_000] - first) / 1_000;
        assert!((1_450..1_550).contains(&mean.as_millis()), "{mean:?}");
    }

    #[test]
    fn devices_do_not_march_in_step() {
        let offset = |seed| {
            let mut pace = Pace::between(1_000, 2_000, seed);
            let first = pace.next_due();
            pace.next_due() - first
        };
        assert_ne!(offset(1), offset(2));
    }
}
