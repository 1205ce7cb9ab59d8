//! What the jobs do.

pub(crate) mod sweep;
