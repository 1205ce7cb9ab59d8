//! Room in a document for what the server writes itself.

use super::change::NewChange;
use super::limits::Limits;
use super::refusal::Refusal;
use super::session::SessionDocument;

impl SessionDocument {
    /// Bounds the document with one more change of the server's own, as it is bounded for what clients send.
    ///
    /// # Errors
    /// [`Refusal::DocumentFull`].
    pub fn check_room_for(&self, change: &NewChange, limits: &Limits) -> Result<(), Refusal> {
        if self.change_bytes + change.bytes.len() > limits.document_bytes_max {
            return Err(Refusal::DocumentFull { what: "bytes", max: limits.document_bytes_max });
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
