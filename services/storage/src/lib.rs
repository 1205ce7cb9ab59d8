//! PostgreSQL and the evidence store.
//!
//! One file holds the SQL of one aggregate. Functions take a transaction, so that the caller decides what commits together; it
//! begins with whose rows it may see ([`TenantScope`]), and every statement names the organisation besides.

mod abandoned;
pub mod account_tokens;
pub mod assets;
pub mod audit;
pub mod audit_leaves;
pub mod baselines;
pub mod buildings;
pub mod changes;
pub mod clocks;
mod connection;
mod database;
mod database_address;
pub mod defects;
pub mod demo;
pub mod documents;
pub mod dump;
mod error;
pub mod evidence;
pub mod evidence_leases;
pub mod evidence_store;
pub mod evidence_uploads;
pub mod exports;
pub mod fault_sites;
pub mod feed;
pub mod following;
pub mod history;
pub mod idempotency;
pub mod idempotency_leases;
pub mod jobs;
pub mod limits;
mod lineage;
mod look_alikes;
pub mod measures;
pub mod migrations;
pub mod observed;
pub mod open_transactions;
pub mod organisations;
pub mod page;
pub mod parties;
pub mod personal_data;
pub mod pg_snapshot;
pub mod places;
pub mod policies;
pub mod pooler;
mod pulse;
mod reach;
pub mod recent_sessions;
pub mod record_figures;
pub mod refresh_tokens;
pub mod replication;
pub mod reports;
pub mod results;
pub mod revocations;
mod row;
mod rows_of_json;
pub mod rule_impacts;
pub mod rules;
pub mod second_factors;
mod session_copies;
pub mod session_summaries;
pub mod sessions;
mod spans;
mod sql;
mod sqlstate;
pub mod table;
mod tenant_scope;
pub mod throttle;
pub mod users;
mod writes;

use firemode_runtime::settings::Settings;

use self::database_address::Address;

pub use connection::{ReadTransaction, Transaction};
pub use database::{Database, PoolFigures};
pub use error::{StorageError, WriteFault};
pub use lineage::Lineage;
pub use row::Row;
pub use sql::Executor;
pub use table::{Hold, Table};
pub use tenant_scope::{Purpose, TenantScope};

// Days, in what is shown to clients.
time::serde::format_description!(iso_date, Date, "[year]-[month]-[day]");

/// What is wrong with the settings of the database and of the evidence store, as far as they say it themselves: a process that
/// connects meets the same.
#[must_use]
pub fn problems(settings: &Settings) -> Vec<(&'static str, String)> {
    let database = Address::of(settings).err();
    let migrations = Address::of_migrations(settings).err().filter(|fault| Some(fault) != database.as_ref());
    database.into_iter().chain(migrations).chain(evidence_store::EvidenceStore::problem(settings)).collect()
}
