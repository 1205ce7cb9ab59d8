//! What the devices count while the load runs.

use std::mem::take;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::actions::Answer;

/// What has happened since it was taken last; only the users add up.
#[derive(Debug)]
pub(crate) struct Progress {
    /// An answer that takes this long or longer is slow.
    limit: Duration,
    counts: Mutex<Counts>,
}

/// What happened in some time.
#[derive(Debug, Default, Clone)]
pub(crate) struct Counts {
    pub(crate) users: usize,
    pub(crate) slow: usize,
    pub(crate) limited: usize,
    pub(crate) wrong: usize,
    /// How long each right answer took, in milliseconds.
    pub(crate) milliseconds: Vec<f32>,
}

impl Progress {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, counts: Mutex::default() }
    }

    /// A user has started.
    pub(crate) fn user(&self) {
        self.change(|counts| counts.users += 1);
    }

    /// An answer came after this long.
    pub(crate) fn count(&self, answer: &Answer, elapsed: Duration) {
        let is_slow = elapsed >= self.limit;
        self.change(|counts| match answer {
            Answer::Right => {
                counts.milliseconds.push(elapsed.as_secs_f32() * 1_000.0);
                counts.slow += usize::from(is_slow);
            }
            Answer::Limited => counts.limited += 1,
            Answer::Wrong(_) => counts.wrong += 1,
        });
    }

    /// What has happened since this was asked last.
    pub(crate) fn take(&self) -> Counts {
        self.change(|counts| {
            let users = counts.users;
            let taken = take(counts);
            counts.users = users;
            taken
        })
    }

    fn change<T>(&self, how: impl FnOnce(&mut Counts) -> T) -> T {
        how(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_users_add_up() {
        let progress = Progress::new(Duration::from_millis(300));
        progress.user();
        progress.count(&Answer::Right, Duration::from_millis(300));
        progress.count(&Answer::Right, Duration::from_millis(299));
        progress.count(&Answer::Limited, Duration::from_millis(1));
        let first = progress.take();
        assert_eq!((first.users, first.slow, first.limited, first.milliseconds.len()), (1, 1, 1, 2));
        let second = progress.take();
        assert_eq!((second.users, second.slow, second.limited, second.milliseconds.len()), (1, 0, 0, 0));
    }
}
