//! What the jobs do.

pub(crate) mod backup;
pub(crate) mod clocks;
pub(crate) mod defect_withdrawal;
mod keeper;
pub(crate) mod projection;
pub(crate) mod reencryption;
pub(crate) mod rule_impact;
pub(crate) mod sweep;
