//! Which of the requests that went as they should have a line in the log.

use std::sync::atomic::{AtomicU8, Ordering};

use uuid::Uuid;

static PERCENT: AtomicU8 = AtomicU8::new(100);

/// Keeps the lines of so many of a hundred requests from now on.
pub(super) fn keep(percent: u8) {
    PERCENT.store(percent, Ordering::Relaxed);
}

/// Has a request of this transaction id a line, where nothing else speaks for one? Every process says the same.
pub fn is_request_logged(transaction_id: Uuid) -> bool {
    // The bits at the end are random in every version of UUIDs that is in use.
    transaction_id.as_u128() % 100 < u128::from(PERCENT.load(Ordering::Relaxed))
}
