//! A client's own Automerge changes.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::legacy::{Key, ObjectId};
use automerge::{ActorId, Automerge, Change, ChangeHash, ExpandedChange, ObjId, Prop, ReadDoc};

use super::Preparation;
use crate::document::change::ParsedChange;
use crate::document::check::check_alone;
use crate::document::merge::applied;
use crate::document::pointer::Pointer;
use crate::document::refusal::{ChangeFault, Refusal};

impl Preparation<'_> {
    /// Checks a client's changes and stages those whose dependencies are there; gives back those that wait.
    pub(super) fn take_changes(&mut self, changes: Vec<(usize, Vec<u8>)>) -> Result<Vec<Change>, Refusal> {
        let mut open = Vec::new();
        let mut hashes = HashSet::new();
        let mut lines = HashSet::new();
        for (index, bytes) in changes {
            let parsed =
                ParsedChange::parse(&bytes, self.limits).map_err(|fault| Refusal::Change { index, fault })?;
            if self.is_known(&parsed.hash()) || !hashes.insert(parsed.hash()) {
                self.prepared.duplicates += 1;
                continue;
            }
            self.check_writer(index, &parsed)?;
            let (actor, seq) = parsed.line();
            if self.is_taken(&actor, seq) || !lines.insert((actor.clone(), seq)) {
                return Err(Refusal::Equivocation { index, actor, seq });
            }
            open.push((index, parsed));
        }
        let staged = self.stage_ready(&mut open)?;
        if !staged.is_empty() {
            self.try_on_copy(&staged)?;
        }
        for (index, parsed) in &open {
            check_alone(parsed).map_err(|fault| Refusal::Change { index: *index, fault })?;
        }
        Ok(open.into_iter().map(|(_, parsed)| parsed.change).collect())
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
        open: &mut Vec<(usize, ParsedChange)>,
    ) -> Result<Vec<(usize, ParsedChange)>, Refusal> {
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

    /// Applies a client's changes to a copy of the document, the last line of defence against what the
    /// checks do not know. Small documents are saved and loaded as well.
    fn try_on_copy(&mut self, staged: &[(usize, ParsedChange)]) -> Result<(), Refusal> {
        let changes: Vec<_> = staged.iter().map(|(_, parsed)| parsed.change.clone()).collect();
        let heads = self.history.hashes(&self.history.heads());
        let is_small = self.history.operation_count() <= self.limits.trial_save_operations_max;
        let tried = applied(&self.document, changes, &heads).and_then(|copy| {
            let checked = catch_unwind(AssertUnwindSafe(|| {
                let loads = || Automerge::load(&copy.save()).is_ok_and(|loaded| loaded.get_heads() == heads);
                let touched: BTreeSet<_> =
                    staged.iter().flat_map(|(_, parsed)| touched_by(&copy, &parsed.expanded)).collect();
                (!is_small || loads()).then_some(touched)
            }));
            checked.ok().flatten().map(|touched| (copy, touched))
        });
        let Some((copy, touched)) = tried else {
            let index = staged.first().map_or(0, |(index, _)| *index);
            return Err(Refusal::Change { index, fault: ChangeFault::NotApplicable });
        };
        self.document = Cow::Owned(copy);
        self.touched.extend(touched);
        Ok(())
    }
}

/// The places that a change touches in a document that has it.
fn touched_by(document: &Automerge, change: &ExpandedChange) -> Vec<Pointer> {
    let mut objects: HashMap<&ObjectId, Option<(Pointer, bool)>> = HashMap::new();
    let mut touched = Vec::new();
    for operation in &change.operations {
        let object = objects.entry(&operation.obj).or_insert_with(|| object_path(document, &operation.obj));
        let Some((path, is_map)) = object else { continue };
        match &operation.key {
            Key::Map(key) if *is_map => {
                let mut place = path.clone();
                place.push(key.as_str());
                touched.push(place);
            }
            _ => touched.push(path.clone()),
        }
    }
    touched.sort_unstable();
    touched.dedup();
    touched
}

/// The path of an object, and whether it is a map.
fn object_path(document: &Automerge, object: &ObjectId) -> Option<(Pointer, bool)> {
    let id = match object {
        ObjectId::Root => return Some((Pointer::default(), true)),
        ObjectId::Id(id) => ObjId::Id(id.counter(), id.actor().clone(), 0),
    };
    let is_map = !document.object_type(&id).ok()?.is_sequence();
    let segments = document.parents(&id).ok()?.path().into_iter().map(|(_, prop)| match prop {
        Prop::Map(key) => key,
        Prop::Seq(index) => index.to_string(),
    });
    Some((segments.collect(), is_map))
}
