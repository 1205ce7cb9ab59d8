//! Which documents stay in memory: as many as fit into a bound of bytes.
//!
//! Those that were used longest ago make room. But where more is touched than fits, that alone would have each of them make room for
//! the next, just before it is used again, and every use would read a history. So a session that comes new stays only if it was used
//! clearly more often than those that would have to go; else it is let go itself, and the others stay useful.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::copies::DUE_MAX;
use super::uses::Uses;
use super::{DocumentFigures, Place, SessionKey};

/// Documents that wait for their copy take so much memory at most, unless it is a single one. Of others none is kept.
const LET_GO_BYTES_MAX: usize = 16 << 20;

#[derive(Debug)]
pub(super) struct Slots {
    by_session: HashMap<SessionKey, Slot>,
    /// The same, the one that was used longest ago first.
    by_use: BTreeMap<u64, SessionKey>,
    /// Numbers uses.
    last_use: u64,
    uses: Uses,
    memory_bytes: usize,
    memory_bytes_max: usize,
    /// Memory that was taken for what is under way.
    work_bytes: usize,
    /// What documents may take together with that.
    work_bytes_max: usize,
    /// Sessions in memory of which a copy is due.
    due: BTreeSet<SessionKey>,
    /// Documents that were let go and of which a copy is to be kept.
    let_go: LetGo,
}

/// Documents on their way out of memory: enough of them to keep the maker of copies busy, and no more.
#[derive(Debug, Default)]
pub(super) struct LetGo {
    waiting: Vec<(SessionKey, Arc<Place>, usize)>,
    memory_bytes: usize,
}

impl LetGo {
    fn push(&mut self, key: SessionKey, slot: Slot) {
        if self.waiting.is_empty() || self.memory_bytes + slot.memory_bytes <= LET_GO_BYTES_MAX {
            self.memory_bytes += slot.memory_bytes;
            self.waiting.push((key, slot.session, slot.memory_bytes));
        }
    }

    fn pop(&mut self) -> Option<(SessionKey, Arc<Place>)> {
        let (key, session, memory_bytes) = self.waiting.pop()?;
        self.memory_bytes -= memory_bytes;
        Some((key, session))
    }
}

#[derive(Debug, Default)]
struct Slot {
    session: Arc<Place>,
    used_at: u64,
    /// What its documents took when they were last put back.
    memory_bytes: usize,
    /// Is a copy to be kept when they are let go?
    is_copy_due: bool,
}

impl Slots {
    /// With documents in memory of so many bytes at most, and with what is under way of no more than the second bound together.
    pub(super) fn new(memory_bytes_max: usize, work_bytes_max: usize) -> Self {
        Self {
            by_session: HashMap::new(),
            by_use: BTreeMap::new(),
            last_use: 0,
            uses: Uses::new(),
            memory_bytes: 0,
            memory_bytes_max,
            work_bytes: 0,
            work_bytes_max,
            due: BTreeSet::new(),
            let_go: LetGo::default(),
        }
    }

    /// True where a quarter of the memory for documents is left, or less.
    pub(super) fn is_tight(&self) -> bool {
        self.memory_bytes > self.memory_bytes_max / 4 * 3
    }

    /// The place of a session that is about to be used.
    pub(super) fn session_of(&mut self, key: SessionKey) -> Arc<Place> {
        self.uses.note(&key, self.by_session.len());
        self.last_use += 1;
        let slot = self.by_session.entry(key).or_default();
        self.by_use.remove(&slot.used_at);
        slot.used_at = self.last_use;
        self.by_use.insert(slot.used_at, key);
        Arc::clone(&slot.session)
    }

    /// Notes what a slot holds at the end of a lease, and makes room.
    pub(super) fn returned(&mut self, key: SessionKey, memory_bytes: usize, is_copy_due: bool) {
        let Some(slot) = self.by_session.get_mut(&key) else { return };
        let is_new = slot.memory_bytes == 0;
        self.memory_bytes = self.memory_bytes - slot.memory_bytes + memory_bytes;
        slot.memory_bytes = memory_bytes;
        slot.is_copy_due = is_copy_due;
        // One reference is the slot's own and one the lease's that ends here; further ones are requests that wait.
        let is_wanted = Arc::strong_count(&slot.session) > 2;
        if memory_bytes == 0 && !is_wanted {
            self.remove(key);
        } else if self.memory_bytes > self.memory_bytes_max {
            self.make_room(key, is_new, is_wanted);
        }
    }

    fn make_room(&mut self, key: SessionKey, is_new: bool, is_wanted: bool) {
        let (unused, freed_bytes) = self.longest_unused(Some(key), self.memory_bytes_max);
        let would_fit = self.memory_bytes - freed_bytes <= self.memory_bytes_max;
        let is_worth_it = || unused.iter().all(|other| self.uses.is_clearly_more_used(&key, other));
        if !is_wanted && (!would_fit || (is_new && !is_worth_it())) {
            self.remove(key);
        } else {
            unused.into_iter().for_each(|other| self.remove(other));
        }
    }

    /// Takes memory for what is under way. Documents that nobody uses make room for it, and where that is not enough none of them does.
    /// What is large leaves some for what is small.
    pub(super) fn reserve(&mut self, bytes: usize) -> bool {
        let is_large = bytes > self.work_bytes_max / 16;
        let most = if is_large { self.work_bytes_max / 16 * 15 } else { self.work_bytes_max };
        let Some(left) = most.checked_sub(self.work_bytes + bytes) else { return false };
        let (unused, freed_bytes) = self.longest_unused(None, left);
        let fits = self.memory_bytes - freed_bytes <= left;
        if fits {
            unused.into_iter().for_each(|other| self.remove(other));
            self.work_bytes += bytes;
        }
        fits
    }

    /// Changes what was taken.
    pub(super) fn resize(&mut self, taken: usize, bytes: usize) {
        self.work_bytes = self.work_bytes - taken + bytes;
    }

    /// The most that can be taken at once.
    pub(super) fn work_bytes_max(&self) -> usize {
        self.work_bytes_max / 16 * 15
    }

    /// Notes that a copy of a document in memory is due.
    pub(super) fn note_due(&mut self, key: SessionKey) {
        if self.due.len() < DUE_MAX {
            self.due.insert(key);
        }
    }

    /// A document of which a copy is to be kept; its place, where it has left memory.
    pub(super) fn next_copy(&mut self) -> Option<(SessionKey, Option<Arc<Place>>)> {
        let let_go = self.let_go.pop().map(|(key, place)| (key, Some(place)));
        let_go.or_else(|| self.due.pop_first().map(|key| (key, None)))
    }

    /// True where a copy is to be kept.
    pub(super) fn is_any_copy_due(&self) -> bool {
        !self.let_go.waiting.is_empty() || !self.due.is_empty()
    }

    /// The slots that nobody holds or waits for and that were used longest ago, as many as have to go until no more than so many bytes are
    /// left, and what they take.
    fn longest_unused(&self, except: Option<SessionKey>, left: usize) -> (Vec<SessionKey>, usize) {
        let (mut unused, mut freed_bytes) = (Vec::new(), 0);
        for key in self.by_use.values().filter(|key| Some(**key) != except) {
            if self.memory_bytes - freed_bytes <= left {
                break;
            }
            let slot = &self.by_session[key];
            if Arc::strong_count(&slot.session) == 1 {
                unused.push(*key);
                freed_bytes += slot.memory_bytes;
            }
        }
        (unused, freed_bytes)
    }

    fn remove(&mut self, key: SessionKey) {
        if let Some(slot) = self.by_session.remove(&key) {
            self.by_use.remove(&slot.used_at);
            self.memory_bytes -= slot.memory_bytes;
            if slot.is_copy_due {
                self.let_go.push(key, slot);
            }
        }
    }

    pub(super) fn figures(&self) -> DocumentFigures {
        DocumentFigures {
            sessions: self.by_session.len(),
            memory_bytes: self.memory_bytes,
            work_bytes: self.work_bytes,
            // One reference is the slot's own.
            requests: self.by_session.values().map(|slot| Arc::strong_count(&slot.session) - 1).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const BYTES: usize = 1_000;

    /// Uses a session that takes so many bytes; true when its documents were in memory.
    fn touch(slots: &mut Slots, session: u128, bytes: usize) -> bool {
        let key = (Uuid::nil(), Uuid::from_u128(session));
        let lease = slots.session_of(key);
        let is_warm = slots.by_session[&key].memory_bytes > 0;
        slots.returned(key, bytes, false);
        drop(lease);
        assert_eq!(slots.by_use.len(), slots.by_session.len());
        assert_eq!(
            slots.memory_bytes,
            slots.by_session.values().map(|slot| slot.memory_bytes).sum::<usize>()
        );
        assert!(slots.memory_bytes <= slots.memory_bytes_max);
        is_warm
    }

    /// The share of uses that find their documents in memory.
    fn hits(slots: &mut Slots, uses: impl Iterator<Item = u128>) -> f64 {
        let (mut hits, mut all) = (0.0, 0.0);
        for session in uses {
            hits += f64::from(u8::from(touch(slots, session, BYTES)));
            all += 1.0;
        }
        hits / all
    }

    #[test]
    fn bytes_alone_bound_what_is_kept() {
        let mut slots = Slots::new(BYTES * 5_000, usize::MAX);
        assert!(hits(&mut slots, 0..5_000) < 0.001);
        assert!(hits(&mut slots, 0..5_000) > 0.999, "all that fits is kept");
        assert!(!touch(&mut slots, 9_999, BYTES * 6_000), "and what can never fit drives nothing out");
        assert!(!touch(&mut slots, 9_999, BYTES * 6_000));
        assert!(hits(&mut slots, 0..5_000) > 0.999);
        touch(&mut slots, 0, BYTES * 100);
        assert_eq!(slots.by_session.len(), 4_901, "what grows makes others go, however often they were used");
    }

    #[test]
    fn rounds_over_more_than_fits_find_what_fits() {
        let mut slots = Slots::new(BYTES * 500, usize::MAX);
        let rounds = (0..100_u128).flat_map(|_| 0..1_000);
        let share = hits(&mut slots, rounds);
        assert!(share > 0.45, "{share} of half");
    }

    #[test]
    fn what_is_used_more_often_comes_in_however_full_it_is() {
        let mut slots = Slots::new(BYTES * 100, usize::MAX);
        hits(&mut slots, (0..50_u128).flat_map(|_| 0..100));
        let until_warm = (0..100).position(|_| touch(&mut slots, 1_000, BYTES));
        assert!(until_warm.is_some_and(|uses| uses <= 17), "{until_warm:?}");
        // A few that everybody wants, among many that nobody wants twice; it takes a while until they have driven out what was busy before.
        let skewed = (0..60_000_u128).map(|use_number| match use_number % 2 {
            0 => 5_000 + use_number / 2 % 80,
            _ => 100_000 + use_number,
        });
        let share = hits(&mut slots, skewed);
        assert!(share > 0.45, "{share} of half");
    }

    /// Numbers that look random, below one.
    fn random() -> impl Iterator<Item = f64> {
        let mut state = 1_u64;
        std::iter::repeat_with(move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        })
    }

    #[test]
    fn what_is_wanted_most_is_kept_of_few_as_of_many() {
        for (sessions, kept) in [(200, 150), (200, 50), (5_000, 1_000), (40, 10)] {
            let mut slots = Slots::new(BYTES * kept, usize::MAX);
            let share = kept as f64 / sessions as f64;
            let uniform = random().map(|number| (number * sessions as f64) as u128);
            let hits_of_uniform = hits(&mut slots, uniform.take(60_000));
            assert!(hits_of_uniform > share * 0.9, "{hits_of_uniform} of {share}");
            // With the fourth power, a share of the sessions gets the fourth root of it of the uses.
            let skewed = random().map(|number| (number.powi(4) * sessions as f64) as u128 + 10_000);
            let hits_of_skewed = hits(&mut slots, skewed.take(60_000));
            assert!(hits_of_skewed > share.powf(0.25) * 0.85, "{hits_of_skewed} of {}", share.powf(0.25));
        }
    }

    #[test]
    fn what_is_under_way_makes_what_nobody_uses_go_and_leaves_some_for_what_is_small() {
        let mut slots = Slots::new(BYTES * 16, BYTES * 32);
        hits(&mut slots, 0..16);
        let key = (Uuid::nil(), Uuid::from_u128(0));
        let in_use = slots.session_of(key);
        assert!(
            !slots.reserve(BYTES * 30) && slots.by_session.len() == 16,
            "one is in use, and nothing goes in vain"
        );
        assert!(slots.reserve(BYTES * 25));
        assert_eq!((slots.by_session.len(), slots.figures().work_bytes), (5, BYTES * 25));
        assert!(!slots.reserve(BYTES * 5) && slots.reserve(BYTES * 2) && slots.reserve(BYTES * 2));
        slots.resize(BYTES * 25, BYTES);
        assert!(slots.reserve(BYTES * 20));
        drop(in_use);
    }

    #[test]
    fn what_somebody_waits_for_is_kept() {
        let mut slots = Slots::new(BYTES, usize::MAX);
        let key = (Uuid::nil(), Uuid::nil());
        let (lease, waiting) = (slots.session_of(key), slots.session_of(key));
        slots.returned(key, BYTES * 2, false);
        assert_eq!(slots.figures().sessions, 1);
        drop(lease);
        slots.returned(key, BYTES * 2, false);
        drop(waiting);
        slots.returned(key, 0, false);
        assert_eq!((slots.figures().sessions, slots.figures().memory_bytes), (0, 0));
    }
}
