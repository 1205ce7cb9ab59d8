//! The actors that the server writes with, on behalf of users' devices.
//!
//! A device keeps one actor in a session, whichever process writes for it: the one that the record has. Automerge asks of an actor that
//! its changes are numbered without gaps, that each has seen the one before, and that its operations count on from there. All that
//! follows from the record, as long as no number is ever used for two changes that anybody can have seen. Nobody sees a change before it
//! is stored, and no two can be stored under one number; so the only danger is a record that has lost changes. The keeper of the
//! record says by [`WriterContext::may_go_on_with`] which actors come from before such a loss.

use std::collections::BTreeSet;

use automerge::ActorId;
use uuid::Uuid;

use super::history::History;
use super::limits::Limits;
use super::session::SessionDocument;
use super::unmerged::Unmerged;

/// Who writes.
pub struct WriterContext<'a> {
    /// The user.
    pub user_id: Uuid,
    /// An actor that nobody has ever written with, for a device that has none to go on with. Later ones have to sort behind earlier
    /// ones.
    pub new_actor: &'a mut dyn FnMut(&str) -> ActorId,
    /// May a device go on with this actor of its own?
    pub may_go_on_with: &'a dyn Fn(&ActorId) -> bool,
}

impl WriterContext<'_> {
    /// The actor with which a device goes on, or begins.
    pub(super) fn actor_of(
        &mut self,
        device: &str,
        history: &History,
        unmerged: &Unmerged,
        limits: &Limits,
    ) -> ActorId {
        // One of which changes wait for others has numbers that the index does not know.
        let is_whole = |actor: &&ActorId| unmerged.owner(actor).is_none();
        let own = || history.actors_of_device(self.user_id, device).filter(is_whole);
        let latest = own().filter(|actor| (self.may_go_on_with)(actor)).max();
        // In a document that has room for no more actors a known device goes on all the same.
        let is_full = history.actors().len() >= limits.document_actors_max;
        let latest = latest.or_else(|| own().max().filter(|_| is_full)).cloned();
        latest.unwrap_or_else(|| (self.new_actor)(device))
    }
}

impl SessionDocument {
    /// The actor with which the server writes for a device of this user.
    pub fn actor_of(&self, writer: &mut WriterContext<'_>, device: &str, limits: &Limits) -> ActorId {
        writer.actor_of(device, &self.history, &self.unmerged, limits)
    }

    /// All actors that stand for devices of this user.
    pub fn actors_of_user(&self, user_id: Uuid) -> BTreeSet<ActorId> {
        self.history.actors_of_user(user_id).cloned().collect()
    }
}
