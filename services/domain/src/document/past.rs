//! The document as it was: which changes a clock covers.

use std::collections::HashMap;

use super::change::Provenance;
use super::clock::VectorClock;
use super::ids::{ActorId, ChangeHash};
use super::session::SessionDocument;
use super::unmerged::Held;
use super::view::DocumentView;

/// A change's place in the history, without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceInHistory {
    /// The hash that names it.
    pub hash: ChangeHash,
    /// The actor.
    pub actor: ActorId,
    /// The actor's sequence number, from 1.
    pub seq: u64,
    /// The changes it depends on.
    pub deps: Vec<ChangeHash>,
}

/// A clock names a change that is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("names change {seq} of actor {actor}, which is not on record here")]
pub struct UnknownPast {
    /// The actor in hex.
    pub actor: String,
    /// The sequence number.
    pub seq: u64,
}

/// For each change whether a clock covers it: it is named, or something that is named builds on it. A document made of these
/// is the document as a reader with this clock had seen it.
///
/// # Errors
/// [`UnknownPast`] when the clock names a change that is not among these.
pub fn covered_by(clock: &VectorClock, changes: &[PlaceInHistory]) -> Result<Vec<bool>, UnknownPast> {
    let by_hash: HashMap<&ChangeHash, usize> =
        changes.iter().enumerate().map(|(index, change)| (&change.hash, index)).collect();
    let by_line: HashMap<(String, u64), usize> = changes
        .iter()
        .enumerate()
        .filter(|(_, change)| clock.get(&change.actor.to_hex_string()) == change.seq)
        .map(|(index, change)| ((change.actor.to_hex_string(), change.seq), index))
        .collect();
    let mut open = Vec::with_capacity(clock.len());
    for (actor, seq) in clock.iter() {
        let named = by_line.get(&(actor.to_owned(), seq));
        open.push(*named.ok_or_else(|| UnknownPast { actor: actor.to_owned(), seq })?);
    }
    let mut covered = vec![false; changes.len()];
    while let Some(index) = open.pop() {
        if !std::mem::replace(&mut covered[index], true) {
            open.extend(changes[index].deps.iter().filter_map(|dep| by_hash.get(dep)));
        }
    }
    Ok(covered)
}

/// A document as a reader with some clock had seen it.
#[derive(Debug, Clone, PartialEq)]
pub struct PastDocument {
    /// What that reader had seen, with what it builds on.
    pub vector_clock: VectorClock,
    /// The changes that no other of them depends on, sorted.
    pub heads: Vec<ChangeHash>,
    /// The document.
    pub view: DocumentView,
}

impl SessionDocument {
    /// The document as a reader with this clock had seen it, from the index; none where the clock names what is not merged.
    #[must_use]
    pub fn at(&self, clock: &VectorClock) -> Option<PastDocument> {
        let history = &self.history;
        let named: Vec<_> = clock.iter().map(|entry| history.change_named(entry)).collect::<Option<_>>()?;
        let clock = history.clock_of(&named);
        let seen = history.actors().iter().zip(&clock).filter(|(_, seq)| **seq > 0);
        Some(PastDocument {
            vector_clock: VectorClock::of_known(seen.map(|(actor, seq)| (actor.id.clone(), (*seq).into()))),
            heads: history.hashes(&history.heads_of(&clock)),
            view: self.view_at(&clock),
        })
    }

    /// Changes that wait for dependencies, with who brought them and when, by hash.
    #[must_use]
    pub fn held_since(&self) -> Vec<(Held, Provenance)> {
        let held = self.unmerged.held.values();
        held.map(|pending| (self.held_of(&pending.change), pending.provenance.clone())).collect()
    }
}
