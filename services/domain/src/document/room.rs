//! How much room a document has left.

use serde::Serialize;

use super::change::NewChange;
use super::limits::Limits;
use super::refusal::Refusal;
use super::session::SessionDocument;

/// From this part of a bound on, in hundredths, a document is near it.
const NEAR_PERCENT: usize = 80;

/// A bound of a document that is nearly reached. Another session takes what this one will not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct NearLimit {
    /// What there is much of: `actors`, `operations`, `bytes` of changes or `memory` in bytes.
    #[schema(example = "actors")]
    pub what: &'static str,
    /// How many there are.
    #[schema(example = 8_120)]
    pub count: usize,
    /// How many there may be.
    #[schema(example = 10_000)]
    pub max: usize,
}

impl SessionDocument {
    /// Which of its bounds are nearly reached: some fifth of each is left when that is first said.
    #[must_use]
    pub fn near_limits(&self, limits: &Limits) -> Vec<NearLimit> {
        let bounds = [
            ("actors", self.history.actors().len(), limits.document_actors_max),
            ("operations", self.history.operation_count(), limits.document_operations_max),
            ("bytes", self.change_bytes, limits.document_bytes_max),
            ("memory", self.size().index_bytes, limits.document_memory_max),
        ];
        let near = bounds.into_iter().filter(|(_, count, max)| count * 100 >= max * NEAR_PERCENT);
        near.map(|(what, count, max)| NearLimit { what, count, max }).collect()
    }

    /// Bounds the document with one more change of the server's own, as it is bounded for what clients send.
    ///
    /// # Errors
    /// [`Refusal::DocumentFull`].
    pub fn check_room_for(&self, change: &NewChange, limits: &Limits) -> Result<(), Refusal> {
        if self.change_bytes + change.bytes.len() > limits.document_bytes_max {
            return Err(Refusal::DocumentFull { what: "bytes", max: limits.document_bytes_max });
        }
        if self.size().index_bytes + change.bytes.len() > limits.document_memory_max {
            return Err(Refusal::memory_full(limits));
        }
        if change.seq == 1 && self.history.actors().len() >= limits.document_actors_max {
            return Err(Refusal::DocumentFull { what: "actors", max: limits.document_actors_max });
        }
        let operations = automerge::Change::from_bytes(change.bytes.clone()).map_or(0, |change| change.len());
        if self.history.operation_count() + operations > limits.document_operations_max {
            return Err(Refusal::DocumentFull { what: "operations", max: limits.document_operations_max });
        }
        Ok(())
    }
}
