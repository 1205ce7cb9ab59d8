//! What the ingest process says of itself to the API.

use firemode_storage::WriteFault;
use serde::{Deserialize, Serialize};

/// Its health.
#[derive(Debug, Serialize, Deserialize)]
pub struct IngestHealth {
    /// `ok`: it answers.
    pub status: String,
    /// Why it cannot write to the database; none: its last write succeeded.
    pub write_fault: Option<WriteFault>,
}
