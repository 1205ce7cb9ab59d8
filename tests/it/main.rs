//! Integration tests of the real binary: all of its processes, a PostgreSQL of its own, and nothing mocked.
//!
//! Most tests share one stack, in which each makes an organisation of its own. Tests that kill or configure something start
//! their own.
#![expect(clippy::unwrap_used, reason = "in a test, what is not there ends the test")]

mod access;
mod assets;
mod audit;
mod audit_leaves;
mod auth;
mod backup;
mod batches;
mod buildings;
mod bundle;
mod changes;
mod classification;
mod configuration;
mod conventions;
mod database_tls;
mod demo;
mod evidence;
mod evidence_ids;
mod evidence_stores;
mod examples;
mod feed;
mod health;
mod hidden;
mod history;
mod idempotency;
mod items;
mod key_claims;
mod keys;
mod late;
mod limits;
mod lists;
mod lost_changes;
mod migrations;
mod odd_values;
mod openapi;
mod operations;
mod paths;
mod personal_data;
mod private_files;
mod profiles;
mod receipts;
mod replit;
mod revocation;
mod row_security;
mod row_security_cost;
mod schema;
mod security_page;
mod sessions;
mod sign_in;
mod snapshots;
mod support;
mod survival;
mod sweeps;
mod tenants;
mod upload_breaks;
mod upload_keys;
mod upload_races;
mod uploads;
mod users;
mod values;
mod walks;
mod walkthrough;
mod wrong_session;
