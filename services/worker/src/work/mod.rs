//! What the jobs do.

pub(crate) mod backup;
pub(crate) mod clocks;
pub(crate) mod reencryption;
pub(crate) mod rule_impact;
pub(crate) mod sweep;
