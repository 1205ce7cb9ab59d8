//! Claiming jobs, against a real PostgreSQL.
#![expect(clippy::unwrap_used, reason = "in a test, what is not there ends the test")]

mod histories;
mod server;
mod together;
