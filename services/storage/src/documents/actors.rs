//! The actors that the server writes with: which of those on record a device goes on with, and what new ones look like.

use std::collections::BTreeSet;

use firemode_domain::document::{ActorId, WriterContext};
use uuid::Uuid;

use crate::Lineage;
use crate::lineage::LINEAGE_BYTES;

/// Automerge keeps sixteen in place. The last of them name the lineage that an actor was made in; those before are the first of a UUID
/// that grows with time.
const ACTOR_BYTES: usize = 16;

/// The actors to write with in a session, for as long as nothing shows that the record has lost something.
#[derive(Debug, Clone, Default)]
pub struct ServerActors {
    lineage: Lineage,
    /// Those that were made before are not gone on with.
    not_before: Uuid,
    /// Neither are these.
    elsewhere: BTreeSet<ActorId>,
}

impl ServerActors {
    /// Those of a lineage.
    #[must_use]
    pub fn of(lineage: Lineage) -> Self {
        Self { lineage, ..Self::default() }
    }

    /// None that there is already: each device is to begin with a new one. For when the record is not what it was taken for.
    #[must_use]
    pub fn renewed(self) -> Self {
        Self { not_before: Uuid::now_v7(), ..self }
    }

    /// The same, but for those made before a moment.
    #[must_use]
    pub(super) fn not_before(self, moment: Uuid) -> Self {
        Self { not_before: self.not_before.max(moment), ..self }
    }

    /// The same, but for those that another document goes on with.
    #[must_use]
    pub(super) fn but(&self, elsewhere: BTreeSet<ActorId>) -> Self {
        Self { elsewhere, ..self.clone() }
    }

    pub(super) fn as_writer<T>(&self, user_id: Uuid, write: impl FnOnce(&mut WriterContext<'_>) -> T) -> T {
        let mut new_actor = |_: &str| self.new_actor();
        let may_go_on_with = |actor: &ActorId| self.has(actor);
        write(&mut WriterContext { user_id, new_actor: &mut new_actor, may_go_on_with: &may_go_on_with })
    }

    fn new_actor(&self) -> ActorId {
        let mut bytes = *Uuid::now_v7().as_bytes();
        bytes[ACTOR_BYTES - LINEAGE_BYTES..].copy_from_slice(self.lineage.as_bytes());
        ActorId::from(bytes)
    }

    fn has(&self, actor: &ActorId) -> bool {
        let made_at = actor.to_bytes().strip_suffix(self.lineage.as_bytes());
        let not_before = &self.not_before.as_bytes()[..ACTOR_BYTES - LINEAGE_BYTES];
        made_at.is_some_and(|made_at| made_at >= not_before) && !self.elsewhere.contains(actor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_goes_on_with_actors_of_this_lineage_that_were_made_in_time() {
        let actors = ServerActors::of(Lineage::named("1"));
        let actor = actors.new_actor();
        assert!(actors.has(&actor) && actor < actors.new_actor());
        assert!(!ServerActors::of(Lineage::named("2")).has(&actor));
        assert!(
            !actors.has(&firemode_domain::document::time_ordered_actor(Uuid::now_v7())),
            "of an earlier release"
        );
        assert!(!actors.but([actor.clone()].into()).has(&actor));
        let renewed = actors.clone().renewed();
        assert!(
            !renewed.has(&actor) && renewed.has(&renewed.new_actor()) && actors.has(&renewed.new_actor())
        );
    }
}
