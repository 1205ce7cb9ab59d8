//! Types and decisions of FireMode, without I/O.
//!
//! Everything here is a pure function of its arguments: no clock, no randomness, no database, no async.

#![warn(missing_docs)]

pub mod audit;
pub mod classification;
pub mod defect;
pub mod document;
pub mod evidence;
pub mod input;
pub mod job;
pub mod measure;
pub mod media_type;
pub mod party;
pub mod password;
pub mod place;
pub mod policy;
pub mod role;
pub mod session;
mod spelling;
pub mod totp;

/// What the macros of this crate write into others.
#[doc(hidden)]
pub mod reexport {
    pub use {serde, serde_json, utoipa};
}
