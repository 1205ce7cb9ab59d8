//! HTTP conventions that the API and the ingest process share: one body for every error, a transaction id on every answer,
//! strict JSON, idempotency keys and cursors.

#![warn(missing_docs)]

mod body;
pub mod catalogue;
mod client_address;
mod connections;
mod conventions;
mod cursor;
mod drain;
mod feed;
mod figures_text;
mod idempotency;
mod in_flight;
mod job_figures;
mod metrics;
mod observed;
mod params;
mod paths;
mod problem;
mod record_figures;
mod routing;
mod security;
mod server;
mod shares;
pub mod tus;
pub mod wire;

pub use body::{Body, BodyLimit, collect, collect_json, json, parse, refuse};
pub use catalogue::{CATALOGUE, Code};
pub use client_address::client_address;
pub use conventions::{KeepBody, RequestContext, TRANSACTION_ID, conventions, conventions_behind_api};
pub use cursor::{CursorKey, CursorScope, PageLimit, PageQuery, rows_max};
pub use feed::FeedRange;
pub use idempotency::{IDEMPOTENCY_KEY, IDEMPOTENT_REPLAYED, IdempotencyKey, Outcome, run_once};
pub use in_flight::{Held, InFlight, Place, announced_bytes, take_place};
pub use job_figures::{describe_job_figures, set_job_figures};
pub use metrics::{Metrics, whole};
pub use params::{Params, query_parameters, read_query};
pub use problem::{Problem, ProblemBody};
pub use record_figures::{AskedForRecord, describe_record_figures};
pub use routing::{Routed, Routes};
pub use server::{Server, ServerError};
pub use shares::Caller;
