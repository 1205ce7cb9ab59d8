//! Memory for what is under way, taken before it is needed: of what is in use nobody can be told to make room.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::WarmDocuments;
use crate::StorageError;

/// A request waits so long for memory that others give back.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// Memory that a request may use. It is given back when this is dropped.
#[derive(Debug)]
pub struct Room<'a> {
    documents: &'a WarmDocuments,
    bytes: usize,
}

impl WarmDocuments {
    /// Takes memory; documents in memory that nobody uses make room for it. Waits a little for others to give some back.
    ///
    /// # Errors
    /// [`StorageError::TooLarge`] where there is never so much, [`StorageError::NoRoom`] where there is not just now.
    pub(super) async fn room(&self, bytes: usize) -> Result<Room<'_>, StorageError> {
        let deadline = Instant::now() + WAIT_MAX;
        loop {
            let mut freed = pin!(self.is_any_freed.notified());
            freed.as_mut().enable();
            if let Some(room) = self.room_now(bytes)? {
                return Ok(room);
            }
            let no_room = |_| StorageError::NoRoom(format!("{bytes} bytes are wanted"));
            timeout_at(deadline, freed).await.map_err(no_room)?;
        }
    }

    /// The same without waiting: none where there is not so much just now.
    ///
    /// # Errors
    /// [`StorageError::TooLarge`].
    pub(super) fn room_now(&self, bytes: usize) -> Result<Option<Room<'_>>, StorageError> {
        let mut slots = self.slots();
        let bytes_max = slots.work_bytes_max();
        if bytes > bytes_max {
            return Err(StorageError::TooLarge { bytes, bytes_max });
        }
        // Made only if it was taken: it gives back what it has when it is dropped.
        Ok(slots.reserve(bytes).then(|| Room { documents: self, bytes }))
    }
}

impl Room<'_> {
    /// Holds it against what is really taken.
    pub(super) fn settle(&mut self, bytes: usize) {
        self.documents.slots().resize(self.bytes, bytes);
        self.bytes = bytes;
        self.documents.is_any_freed.notify_waiters();
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.settle(0);
    }
}
