//! Room for requests that wait to be stored, bounded in number and bytes, and the keys that they work under.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use firemode_storage::idempotency::IdempotencyScope;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Room for so many requests with bodies of so many bytes.
#[derive(Debug)]
pub(crate) struct Room {
    requests: Arc<Semaphore>,
    requests_max: usize,
    bytes: Arc<Semaphore>,
}

/// A request's part of the room. Dropped, it is free.
#[derive(Debug)]
pub(crate) struct Place {
    _request: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
}

/// Keys that requests of this process work under.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeysInUse(Arc<Mutex<HashSet<IdempotencyScope>>>);

/// A key that a request of this process works under. Dropped, it is free.
#[derive(Debug)]
pub(crate) struct KeyInUse {
    all: KeysInUse,
    scope: IdempotencyScope,
}

impl Room {
    pub(crate) fn new(requests_max: usize, bytes_max: usize) -> Self {
        let requests = Arc::new(Semaphore::new(requests_max));
        Self { requests, requests_max, bytes: Arc::new(Semaphore::new(bytes_max)) }
    }

    /// A place for a body of this size, if there is room.
    pub(crate) fn take(&self, byte_count: usize) -> Option<Place> {
        let bytes = u32::try_from(byte_count).ok()?;
        Some(Place {
            _request: Arc::clone(&self.requests).try_acquire_owned().ok()?,
            _bytes: Arc::clone(&self.bytes).try_acquire_many_owned(bytes).ok()?,
        })
    }

    /// Requests that have a place.
    pub(crate) fn len(&self) -> usize {
        self.requests_max - self.requests.available_permits()
    }
}

impl KeysInUse {
    /// Takes a key, unless another request has it.
    pub(crate) fn claim(&self, scope: &IdempotencyScope) -> Option<KeyInUse> {
        let is_new = self.all().insert(scope.clone());
        is_new.then(|| KeyInUse { all: self.clone(), scope: scope.clone() })
    }

    fn all(&self) -> MutexGuard<'_, HashSet<IdempotencyScope>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for KeyInUse {
    fn drop(&mut self) {
        self.all.all().remove(&self.scope);
    }
}
