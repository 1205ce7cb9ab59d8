//! Names of changes and of their writers.

pub use automerge::{ActorId, ChangeHash};
use uuid::Uuid;

/// The longest actor id that is accepted, in bytes. Automerge's own are 16, derived ones a few more.
pub(crate) const ACTOR_BYTES_MAX: usize = 64;

/// An actor id of the 16 bytes of a version 7 UUID.
///
/// A new actor that sorts *before* the existing ones costs Automerge about 25 times more to apply than one
/// that sorts after them, so the server hands out ids that grow with time.
#[must_use]
pub fn time_ordered_actor(uuid_v7: Uuid) -> ActorId {
    ActorId::from(*uuid_v7.as_bytes())
}
