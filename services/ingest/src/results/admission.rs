//! Merges are admitted by the memory that they are going to take.
//!
//! The estimate comes from what was sent, before anything is taken apart. It is held against what the process really takes meanwhile
//! (`firemode_merge_estimated_bytes_total`, `firemode_merge_taken_bytes_total`), and load/RESULTS.md says how far it is right.

use std::sync::Arc;

use firemode_runtime::memory::Memory;
use metrics::{counter, describe_counter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::queue::Request;

/// While it is merged, an operation takes so much: its parsed form, its place in the index and in the document, its row.
const OPERATION_BYTES: usize = 512;

/// A request takes so much besides, and so many times the size of its body.
const REQUEST_BYTES: usize = 8 << 10;
const TIMES_BODY: usize = 3;

/// The semaphore counts in these.
const UNIT_BYTES: usize = 1 << 10;

/// Smaller merges drown in what else a process takes and gives back.
const MEASURED_BYTES_MIN: usize = 8 << 20;

const ESTIMATED: &str = "firemode_merge_estimated_bytes_total";
const TAKEN: &str = "firemode_merge_taken_bytes_total";

/// The room for merges of this process.
#[derive(Debug)]
pub(crate) struct MergeRoom {
    units: Arc<Semaphore>,
    units_max: u32,
    bytes_max: usize,
}

/// The right to merge, with what that was expected to take.
#[derive(Debug)]
pub(super) struct Admitted {
    _units: Option<OwnedSemaphorePermit>,
    estimated_bytes: usize,
    resident_before: Option<u64>,
}

/// What merging a request is going to take, in bytes.
pub(super) fn estimate(request: &Request) -> usize {
    REQUEST_BYTES + request.byte_count * TIMES_BODY + request.operation_count * OPERATION_BYTES
}

impl MergeRoom {
    pub(crate) fn new(bytes_max: usize) -> Self {
        describe_counter!(ESTIMATED, "Memory that large merges were expected to take, in bytes.");
        describe_counter!(TAKEN, "Memory that the process grew by during those merges, in bytes.");
        let units_max = u32::try_from(bytes_max.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX);
        let units = Arc::new(Semaphore::new(usize::try_from(units_max).unwrap_or(Semaphore::MAX_PERMITS)));
        Self { units, units_max, bytes_max }
    }

    /// What one batch may take, unless it is a single request: with several lanes more than one is under way.
    pub(super) fn batch_bytes_max(&self) -> usize {
        self.bytes_max / 4
    }

    /// Waits until there is room. A merge that would take more than all of it waits until it is alone.
    pub(super) async fn admit(&self, estimated_bytes: usize) -> Admitted {
        let units =
            u32::try_from(estimated_bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX).min(self.units_max);
        // The semaphore is never closed.
        let units = Arc::clone(&self.units).acquire_many_owned(units).await.ok();
        let is_measured = estimated_bytes >= MEASURED_BYTES_MIN;
        let resident_before = if is_measured { resident_bytes() } else { None };
        Admitted { _units: units, estimated_bytes, resident_before }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        if let Some((before, after)) = self.resident_before.zip(resident_bytes()) {
            let taken_bytes = after.saturating_sub(before);
            counter!(ESTIMATED).increment(self.estimated_bytes as u64);
            counter!(TAKEN).increment(taken_bytes);
            tracing::debug!(estimated_bytes = self.estimated_bytes, taken_bytes, "a large merge");
        }
    }
}

fn resident_bytes() -> Option<u64> {
    Memory::now().ok()?.rss_bytes
}
