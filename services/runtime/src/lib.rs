//! What every process of the appliance shares: settings, telemetry, inherited sockets, readiness and shutdown.

pub mod data_dir;
pub mod listener;
pub mod notify;
pub mod settings;
pub mod shutdown;
pub mod telemetry;
