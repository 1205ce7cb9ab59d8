//! The hot path: results, evidence and classification.
//!
//! This process speaks only to the API, which has checked who asks and says so in an internal token. Everything is answered
//! after its commit; results of many requests share one.

mod classify;
mod detached;
mod evidence;
mod figures;
mod internal_token;
mod memory;
mod principal;
mod profiles;
mod results;
mod server;
mod state;
mod uploads;
mod waiting;

pub use server::run;
