//! Real processes under a real supervisor.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

mod appliance;
mod operators;
mod reload;
mod supervised;
mod table;
