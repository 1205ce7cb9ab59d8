//! Claiming jobs, what was known at a moment, and following results, against a real PostgreSQL.
#![expect(clippy::unwrap_used, reason = "in a test, what is not there ends the test")]

mod as_known;
mod histories;
mod observers;
mod server;
mod together;
