//! Counts of what has become of the requests.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// What has become of all requests so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Requests, however often each was sent.
    pub(crate) requests: AtomicU64,
    /// Requests that were answered as they should be, in the end.
    pub(crate) acknowledged: AtomicU64,
    /// Connections that were refused.
    pub(crate) refused: AtomicU64,
    /// Attempts whose connection broke.
    pub(crate) cut: AtomicU64,
    /// Attempts that were answered with 503 or 504 and `Retry-After`.
    pub(crate) unavailable: AtomicU64,
    /// Attempts that were answered in any other wrong way.
    pub(crate) wrong: AtomicU64,
    /// Attempts after the first of a request.
    pub(crate) retried: AtomicU64,
    /// Retries that found their first attempt done.
    pub(crate) replayed: AtomicU64,
    /// Requests that were given up.
    pub(crate) given_up: AtomicU64,
    /// The first wrong answers, for people.
    pub(crate) examples: Mutex<Vec<String>>,
    /// Acknowledged results.
    results: Mutex<Vec<Acknowledgement>>,
}

/// A result that was acknowledged: by which appliance, when it was sent (for the last time), and when the answer came.
#[derive(Debug)]
struct Acknowledgement {
    appliance: usize,
    begun: Instant,
    done: Instant,
}

impl Tally {
    /// Notes an acknowledged result.
    pub(crate) fn acknowledge(&self, appliance: usize, begun: Instant) {
        self.results.lock().unwrap().push(Acknowledgement { appliance, begun, done: Instant::now() });
    }

    /// When an appliance first acknowledged a result that was sent after some moment.
    pub(crate) fn acknowledged_of_begun_after(&self, appliance: usize, moment: Instant) -> Option<Instant> {
        let results = self.results.lock().unwrap();
        let later = results.iter().filter(|result| result.appliance == appliance && result.begun > moment);
        later.map(|result| result.done).min()
    }

    /// Attempts that failed, in any way.
    pub(crate) fn failed(&self) -> u64 {
        [&self.refused, &self.cut, &self.unavailable, &self.wrong].iter().map(|n| get(n)).sum()
    }
}

pub(crate) fn get(number: &AtomicU64) -> u64 {
    number.load(Ordering::Relaxed)
}

pub(crate) fn count(number: &AtomicU64) {
    number.fetch_add(1, Ordering::Relaxed);
}
