//! What a person runs by hand: a first admin, a demo organisation to look at, a token to try requests with.
//!
//! The demo data comes through the public HTTP API, as a technician's device would bring it, so that it looks like what the
//! product makes and not like what somebody put into its tables.

pub mod admin;
pub mod audit;
pub mod demo;
pub mod doctor;
pub mod readiness;
pub mod seed;
