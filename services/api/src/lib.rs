//! The public HTTP API: who asks, what they may do, and everything that is not the hot path, which is proxied.

mod access;
mod app;
mod auth;
mod docs;
mod etag;
mod handlers;
mod ingest_client;
mod limits;
mod maintenance;
mod proxy;
mod readiness;
mod roles_table;
mod routes;
mod snapshots;
mod spool;
mod state;

pub use app::{ApiError, run};
pub use auth::keys::{KeysError, Usage, check_at_start, usage};
pub use auth::passwords::Passwords;
pub use auth::vault::{Renewal, Vault};
pub use docs::openapi;
pub use roles_table::roles_table;
