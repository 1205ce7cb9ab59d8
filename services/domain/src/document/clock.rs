//! Vector clocks as clients and the HTTP contract write them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::ids::{ACTOR_BYTES_MAX, ActorId};

/// What a reader has seen: the highest sequence number of each actor.
///
/// As JSON a plain object from actor (lower-case hex of 1 to 64 bytes) to sequence number (1 or more), with
/// at most [`VectorClock::ENTRIES_MAX`] entries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "BTreeMap<String, u64>")]
#[schema(value_type = BTreeMap<String, u64>)]
pub struct VectorClock(BTreeMap<String, u64>);

/// Why a vector clock is not valid.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ClockError {
    /// A key is not an actor id.
    #[error("`{actor}` is not an actor id: lower-case hex of 1 to 64 bytes is expected")]
    Actor {
        /// The key, shortened.
        actor: String,
    },
    /// A sequence number is zero.
    #[error("the sequence number of actor {actor} must be 1 or more")]
    Sequence {
        /// The actor in hex.
        actor: String,
    },
    /// Too many entries.
    #[error("a vector clock has at most {} entries, this one has {entries}", VectorClock::ENTRIES_MAX)]
    TooLarge {
        /// How many there are.
        entries: usize,
    },
}

impl VectorClock {
    /// The largest number of entries.
    pub const ENTRIES_MAX: usize = 10_000;

    /// The clock that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// True when nothing has been seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of actors.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The highest sequence number seen of an actor (hex), 0 if none.
    #[must_use]
    pub fn get(&self, actor: &str) -> u64 {
        self.0.get(actor).copied().unwrap_or(0)
    }

    /// Actors (hex) and their highest sequence numbers, by actor.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(actor, seq)| (actor.as_str(), *seq))
    }

    /// Takes in what another clock has seen.
    pub fn merge(&mut self, other: &Self) {
        for (actor, seq) in &other.0 {
            let entry = self.0.entry(actor.clone()).or_insert(0);
            *entry = (*entry).max(*seq);
        }
    }

    /// True when this clock has seen everything that the other has.
    #[must_use]
    pub fn dominates(&self, other: &Self) -> bool {
        other.iter().all(|(actor, seq)| self.get(actor) >= seq)
    }

    /// The clock of known changes; its entries are valid by construction.
    pub(super) fn of_known(entries: impl Iterator<Item = (ActorId, u64)>) -> Self {
        Self(entries.map(|(actor, seq)| (actor.to_hex_string(), seq)).collect())
    }
}

impl TryFrom<BTreeMap<String, u64>> for VectorClock {
    type Error = ClockError;

    fn try_from(entries: BTreeMap<String, u64>) -> Result<Self, ClockError> {
        if entries.len() > Self::ENTRIES_MAX {
            return Err(ClockError::TooLarge { entries: entries.len() });
        }
        for (actor, seq) in &entries {
            if !is_actor_hex(actor) {
                return Err(ClockError::Actor { actor: actor.chars().take(2 * ACTOR_BYTES_MAX).collect() });
            }
            if *seq == 0 {
                return Err(ClockError::Sequence { actor: actor.clone() });
            }
        }
        Ok(Self(entries))
    }
}

fn is_actor_hex(text: &str) -> bool {
    let is_lower_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (2..=2 * ACTOR_BYTES_MAX).contains(&text.len())
        && text.len().is_multiple_of(2)
        && text.bytes().all(is_lower_hex)
}
