//! What is going on, one line at a time, while the load runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::{Instant, interval_at};

use crate::actions::Answer;

const LINE_SECONDS: u64 = 10;

/// Counts since the last line; only the users add up.
#[derive(Debug)]
pub(crate) struct Progress {
    /// An answer that takes this long or longer is slow.
    limit: Duration,
    users: AtomicUsize,
    right: AtomicUsize,
    slow: AtomicUsize,
    limited: AtomicUsize,
    wrong: AtomicUsize,
}

/// Prints lines until it is dropped.
pub(crate) struct Printer(AbortHandle);

impl Progress {
    pub(crate) fn new(limit: Duration) -> Self {
        let zero = AtomicUsize::default;
        Self { limit, users: zero(), right: zero(), slow: zero(), limited: zero(), wrong: zero() }
    }

    /// A user has started.
    pub(crate) fn user(&self) {
        self.users.fetch_add(1, Relaxed);
    }

    /// An answer came after this long.
    pub(crate) fn count(&self, answer: &Answer, elapsed: Duration) {
        let count = match answer {
            Answer::Right => &self.right,
            Answer::Limited => &self.limited,
            Answer::Wrong(_) => &self.wrong,
        };
        count.fetch_add(1, Relaxed);
        if elapsed >= self.limit && matches!(answer, Answer::Right) {
            self.slow.fetch_add(1, Relaxed);
        }
    }

    /// Starts to print.
    pub(crate) fn print(self: Arc<Self>) -> Printer {
        let started = Instant::now();
        let task = tokio::spawn(async move {
            let period = Duration::from_secs(LINE_SECONDS);
            let mut ticks = interval_at(started + period, period);
            loop {
                ticks.tick().await;
                println!("{:>5} s  {}", started.elapsed().as_secs(), self.line());
            }
        });
        Printer(task.abort_handle())
    }

    fn line(&self) -> String {
        let [right, slow, limited, wrong] =
            [&self.right, &self.slow, &self.limited, &self.wrong].map(|count| count.swap(0, Relaxed));
        let slow_percent = 100.0 * slow as f64 / right.max(1) as f64;
        format!(
            "{} users, {} answers a second, {slow_percent:.1} % of them too slow; {limited} limited, {wrong} errors",
            self.users.load(Relaxed),
            right / LINE_SECONDS as usize,
        )
    }
}

impl Drop for Printer {
    fn drop(&mut self) {
        self.0.abort();
    }
}
