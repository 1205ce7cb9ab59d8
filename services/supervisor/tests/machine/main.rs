//! Single decisions of the state machine, one rule a test.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

mod bench;
mod handover;
mod hangs;
mod operators;
mod rules;
