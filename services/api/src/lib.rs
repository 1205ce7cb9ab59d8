//! The public HTTP API: who asks, what they may do, and everything that is not the hot path, which is proxied.

mod access;
mod acts;
mod app;
mod auth;
mod call;
mod coverage;
mod docs;
mod etag;
mod handlers;
mod ingest_circuit;
mod ingest_client;
mod limits;
mod list;
mod object;
mod open_transactions;
mod people;
mod principal;
mod profile;
mod proxy;
mod readiness;
mod roles_table;
mod routes;
mod schema;
mod spool;
mod state;

pub use app::run;
pub use docs::openapi;
pub use roles_table::roles_table;
