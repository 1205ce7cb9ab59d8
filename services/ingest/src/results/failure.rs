//! Why nothing of a batch was stored, and whether it may be tried again.

use firemode_storage::StorageError;
use firemode_storage::changes::{EQUIVOCATION, OPERATION_APPLIED, RELIED_ON};
use firemode_web::Problem;

use super::refusal::equivocation;

/// Nothing of a batch was stored, as far as anybody knows.
#[derive(Debug)]
pub(super) enum Failure {
    /// It is not the requests' fault, or the commit may have happened: none of them is tried again here.
    OfAll(Problem),
    /// One of the requests may be at fault.
    Of(Problem),
    /// The same, and the documents were behind what is stored. Read again, the request may go through.
    Behind(Problem),
    /// The database has lost what the documents have. Read again, all of the requests may go through.
    Ahead(Problem),
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        match error.constraint() {
            Some(EQUIVOCATION) => {
                let detail = "A different change with the same actor and sequence number is stored already.";
                Self::Behind(equivocation(detail))
            }
            Some(OPERATION_APPLIED) => {
                let detail = "The same operation arrived twice at once. Try again.";
                Self::Behind(Problem::unavailable(detail).caused_by(error))
            }
            Some(RELIED_ON) => Self::Ahead(error.into()),
            _ if matches!(error, StorageError::Stale(_)) => Self::Behind(error.into()),
            _ if error.is_of_database() => Self::OfAll(error.into()),
            _ => Self::Of(error.into()),
        }
    }
}
