//! Claiming jobs, and what was known at a moment, against a real PostgreSQL.
#![expect(clippy::unwrap_used, reason = "in a test, what is not there ends the test")]

mod as_known;
mod histories;
mod server;
mod together;
