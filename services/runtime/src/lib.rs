//! What every process of the appliance shares: settings, telemetry, inherited sockets, readiness and shutdown.

#![warn(missing_docs)]

pub mod backoff;
pub mod control;
pub mod data_dir;
pub mod demo;
pub mod disk;
mod inherited;
pub mod listener;
pub mod memory;
pub mod notify;
pub mod open_files;
pub mod private_files;
pub mod process_id;
pub mod pulse;
pub mod settings;
pub mod shutdown;
pub mod telemetry;
