//! How often sessions were used lately, in a table of fixed size.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::SessionKey;

/// Sessions that share a place in the table are counted together; with fewer than this they rarely do.
const PLACES: usize = 1 << 16;

/// Nobody counts for more. So what was busy once does not stand in the way for long.
const COUNT_MAX: u8 = 15;

/// All counts are halved after so many uses for each session in memory: before most have come to the highest, and are all the same.
const USES_PER_SESSION: usize = 6;

/// Halving starts at so many, because it goes through the whole table.
const USES_MIN: usize = 256;

/// Counts of uses that fade: after some uses for each session in memory all of them are halved.
#[derive(Debug)]
pub(super) struct Uses {
    counts: Box<[u8]>,
    since_halved: usize,
}

impl Uses {
    pub(super) fn new() -> Self {
        Self { counts: vec![0; PLACES].into(), since_halved: 0 }
    }

    /// Counts a use, while so many sessions are in memory.
    pub(super) fn note(&mut self, key: &SessionKey, sessions: usize) {
        let count = &mut self.counts[place(key)];
        *count = (*count + 1).min(COUNT_MAX);
        self.since_halved += 1;
        if self.since_halved > (sessions * USES_PER_SESSION).max(USES_MIN) {
            self.since_halved = 0;
            self.counts.iter_mut().for_each(|count| *count /= 2);
        }
    }

    /// Was one session used clearly more often than another? In a round over all of them each is ahead by one for a while.
    pub(super) fn is_clearly_more_used(&self, one: &SessionKey, other: &SessionKey) -> bool {
        self.counts[place(one)] > self.counts[place(other)] + 1
    }
}

fn place(key: &SessionKey) -> usize {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish() as usize % PLACES
}
