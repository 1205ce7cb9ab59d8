//! Background work.

crate::words! {
    /// Where a job stands.
    pub enum JobState {
        /// Until it is due and a worker is free.
        Waiting = "waiting",
        /// A worker holds it.
        Running = "running",
        /// It did what it was for.
        Done = "done",
        /// It was given up.
        Failed = "failed",
        /// Somebody did not want it any more.
        Cancelled = "cancelled",
    }
}
