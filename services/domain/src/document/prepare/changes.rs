//! A client's own Automerge changes.

use std::collections::HashSet;
use std::sync::Arc;

use automerge::legacy::{Key, ObjectId};
use automerge::{ActorId, ChangeHash};

use super::touched::touched_by;
use super::{Preparation, Stranger, trial};
use crate::document::change::ParsedChange;
use crate::document::check::check_alone;
use crate::document::pointer::ITEMS;
use crate::document::refusal::{ChangeFault, Refusal};

/// The change alone decides, so this holds for changes that wait for others too. It is asked where changes are taken and never of stored
/// ones: two releases side by side would not agree, and what builds on such a change would be lost. What earlier releases took is
/// shown as if it had not been there, see `view`.
fn acts_on_items_as_a_whole(parsed: &ParsedChange) -> bool {
    let mut operations = parsed.expanded.operations.iter();
    operations.any(|operation| {
        operation.obj == ObjectId::Root && matches!(&operation.key, Key::Map(key) if key == ITEMS)
    })
}

impl Preparation<'_> {
    /// Checks a client's changes and stages those whose dependencies are there; gives back those that wait.
    pub(super) fn take_changes(
        &mut self,
        changes: Vec<(usize, Vec<u8>)>,
    ) -> Result<Vec<Arc<ParsedChange>>, Refusal> {
        let mut open = Vec::new();
        let mut hashes = HashSet::new();
        let mut lines = HashSet::new();
        for (index, bytes) in changes {
            let parsed =
                ParsedChange::parse(&bytes, self.limits).map_err(|fault| Refusal::Change { index, fault })?;
            if self.is_known(&parsed.hash()) || !hashes.insert(parsed.hash()) {
                self.prepared.duplicates += 1;
                self.prepared.repeated.insert(parsed.hash());
                continue;
            }
            if acts_on_items_as_a_whole(&parsed) {
                return Err(Refusal::Structure { index, field: None });
            }
            self.check_writer(index, &parsed)?;
            let (actor, seq) = parsed.line();
            if self.is_taken(&actor, seq) || !lines.insert((actor.clone(), seq)) {
                return Err(Refusal::Equivocation { index, actor, seq });
            }
            open.push((index, Arc::new(parsed)));
        }
        let staged = self.stage_ready(&mut open)?;
        if !staged.is_empty() {
            self.try_out(&staged)?;
            let touched = touched_by(&self.history, staged.iter().map(|(_, parsed)| &parsed.change));
            self.touched.extend(touched);
        }
        for (index, parsed) in &open {
            check_alone(parsed).map_err(|fault| Refusal::Change { index: *index, fault })?;
            let unknown =
                parsed.change.deps().iter().filter(|dep| !self.is_known(dep) && !hashes.contains(*dep));
            let strangers: Vec<Stranger> =
                unknown.map(|hash| Stranger { index: *index, hash: *hash }).collect();
            self.prepared.strangers.extend(strangers);
        }
        Ok(open.into_iter().map(|(_, parsed)| parsed).collect())
    }

    fn is_known(&self, hash: &ChangeHash) -> bool {
        self.history.find(hash).is_some() || self.unmerged.contains(hash)
    }

    fn is_taken(&self, actor: &ActorId, seq: u64) -> bool {
        let merged = self.history.actor_number(actor).and_then(|actor| self.history.change_of(actor, seq));
        merged.is_some() || self.unmerged.on_line(actor, seq).is_some()
    }

    /// An actor belongs to the user who brought it first; the server's actors to nobody.
    fn check_writer(&self, index: usize, parsed: &ParsedChange) -> Result<(), Refusal> {
        let actor = parsed.change.actor_id();
        let fault = match self.history.actor_number(actor).map(|number| self.history.actor(number)) {
            Some(known) if known.device.is_some() => ChangeFault::ServerActor { actor: actor.clone() },
            Some(known) if known.user_id == self.user_id => return Ok(()),
            None if self.unmerged.owner(actor).is_none_or(|owner| owner == self.user_id) => return Ok(()),
            _ => ChangeFault::ForeignActor { actor: actor.clone() },
        };
        Err(Refusal::Change { index, fault })
    }

    /// Moves changes from `open` into the history as long as their dependencies are there.
    fn stage_ready(
        &mut self,
        open: &mut Vec<(usize, Arc<ParsedChange>)>,
    ) -> Result<Vec<(usize, Arc<ParsedChange>)>, Refusal> {
        let mut staged = Vec::new();
        loop {
            let before = staged.len();
            let mut waiting = Vec::new();
            for (index, parsed) in open.drain(..) {
                if parsed.change.deps().iter().any(|dep| self.history.find(dep).is_none()) {
                    waiting.push((index, parsed));
                    continue;
                }
                self.stage(&parsed, None).map_err(|fault| Refusal::Change { index, fault })?;
                self.prepared.accepted += 1;
                staged.push((index, parsed));
            }
            *open = waiting;
            if staged.len() == before {
                return Ok(staged);
            }
        }
    }

    /// Tries a client's changes, the last line of defence against what the checks do not know.
    fn try_out(&mut self, staged: &[(usize, Arc<ParsedChange>)]) -> Result<(), Refusal> {
        let faulty = if self.history.operation_count() <= self.limits.trial_save_operations_max {
            let changes = staged.iter().map(|(_, parsed)| parsed.change.clone()).collect();
            let document = self.merged.up_to(&self.history, self.history.base().changes);
            let is_sound = trial::is_sound_with(document, changes);
            (!is_sound).then(|| staged.first()).flatten()
        } else {
            staged.iter().find(|(_, parsed)| !trial::is_sound_in_miniature(&self.history, parsed))
        };
        match faulty {
            Some((index, _)) => Err(Refusal::Change { index: *index, fault: ChangeFault::NotApplicable }),
            None => Ok(()),
        }
    }
}
