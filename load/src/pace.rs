//! When a device acts.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

/// How the devices of a form share out the time.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rhythm {
    /// Each for itself, at intervals between the two bounds, evenly spread.
    Apart { milliseconds_min: u64, milliseconds_max: u64 },
    /// All at the same moments.
    Together { milliseconds: u64 },
}

impl Rhythm {
    /// One action every 1.5 s on average: the pace of 120,000 requests by 50 users in an hour.
    pub(crate) const BUSY: Self = Self::Apart { milliseconds_min: 1_000, milliseconds_max: 2_000 };

    pub(crate) fn mean_milliseconds(self) -> f64 {
        match self {
            Self::Apart { milliseconds_min, milliseconds_max } => {
                (milliseconds_min + milliseconds_max) as f64 / 2.0
            }
            Self::Together { milliseconds } => milliseconds as f64,
        }
    }
}

impl fmt::Display for Rhythm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.mean_milliseconds() / 1_000.0;
        match self {
            Self::Apart { .. } => write!(f, "a request every {seconds} s by each"),
            Self::Together { .. } => write!(f, "a request by all at once every {seconds} s"),
        }
    }
}

/// A schedule that does not wait for answers: an action that comes late makes the next one late too, and each is measured
/// from the time it was due, so that a stall shows in full (no coordinated omission).
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    rhythm: Rhythm,
    due: Option<Instant>,
    /// Where the moments are counted from that all have in common.
    start: Instant,
    random: u64,
}

impl Pace {
    /// The start is the same for all devices of a form. The seed makes a device's intervals its own, and the same in every run.
    pub(crate) fn new(rhythm: Rhythm, start: Instant, seed: u64) -> Self {
        if let Rhythm::Apart { milliseconds_min, milliseconds_max } = rhythm {
            assert!(milliseconds_min < milliseconds_max, "intervals must differ, or devices march in step");
        }
        Self { rhythm, due: None, start, random: seed }
    }

    /// When the next action is due. The first is due within one interval from now.
    pub(crate) fn next_due(&mut self) -> Instant {
        let due = match (self.rhythm, self.due) {
            (Rhythm::Apart { milliseconds_max, .. }, None) => {
                Instant::now() + Duration::from_millis(self.draw() % milliseconds_max)
            }
            (Rhythm::Apart { milliseconds_min, milliseconds_max }, Some(due)) => {
                let spread = milliseconds_max - milliseconds_min;
                due + Duration::from_millis(milliseconds_min + self.draw() % spread)
            }
            (Rhythm::Together { milliseconds }, None) => {
                let past = self.start.elapsed().as_millis() as u64 / milliseconds;
                self.start + Duration::from_millis((past + 1) * milliseconds)
            }
            (Rhythm::Together { milliseconds }, Some(due)) => due + Duration::from_millis(milliseconds),
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
        let started = Instant::now();
        let mut pace = Pace::new(Rhythm::BUSY, started, 7);
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
            let mut pace = Pace::new(Rhythm::BUSY, Instant::now(), seed);
            let first = pace.next_due();
            pace.next_due() - first
        };
        assert_ne!(offset(1), offset(2));
    }

    #[test]
    fn a_burst_comes_at_one_moment_whenever_its_devices_began() {
        let start = Instant::now() - Duration::from_millis(2_500);
        let rhythm = Rhythm::Together { milliseconds: 1_000 };
        let mut early = Pace::new(rhythm, start, 1);
        early.due = Some(start + Duration::from_millis(2_000));
        let mut late = Pace::new(rhythm, start, 2);
        let due = late.next_due();
        assert_eq!(early.next_due(), due);
        assert_eq!(early.next_due(), late.next_due());
        assert!(due > Instant::now());
    }
}
