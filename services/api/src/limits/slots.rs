//! What is remembered of each caller: one number, in a table that never grows.

use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed, StateStore};

/// A fixed number of counts; a caller's hash says which is its own. With more callers than counts, some share one. A
/// table that grew, or that forgot the oldest, could be filled or emptied from outside.
#[derive(Debug)]
pub(super) struct Slots(Box<[InMemoryState]>);

impl Slots {
    pub(super) fn new(count: usize) -> Self {
        Self(std::iter::repeat_with(InMemoryState::default).take(count.max(1)).collect())
    }
}

impl StateStore for Slots {
    /// A hash that nobody outside can foresee.
    type Key = u64;

    fn measure_and_replace<T, F, E>(&self, hash: &u64, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        // The remainder is less than the number of counts, which is a usize.
        let slot = usize::try_from(hash % self.0.len() as u64).unwrap_or_default();
        self.0[slot].measure_and_replace(&NotKeyed::NonKey, decide)
    }
}
