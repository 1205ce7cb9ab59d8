//! What names one process among all that write to the same database.

use uuid::Uuid;

/// Names a process from its start to its end; the kernel gives its own numbers to others again. Processes that start later have
/// greater ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessId(Uuid);

impl ProcessId {
    /// The id of a process that starts now.
    #[must_use]
    pub fn of_new_process() -> Self {
        Self(Uuid::now_v7())
    }

    /// As it is stored.
    #[must_use]
    pub fn as_uuid(self) -> Uuid {
        self.0
    }
}
