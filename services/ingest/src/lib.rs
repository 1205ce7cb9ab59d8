//! The hot path: results, evidence and classification.
//!
//! This process speaks only to the API, which has checked who asks and says so in an internal token. Each request is one
//! transaction: it is decoded and prepared, committed, and answered after the commit.

mod caller;
mod classify;
mod detached;
mod evidence;
mod figures;
mod memory;
mod results;
mod server;
mod state;

pub use server::{IngestError, run};
