//! What the tests are written with: stacks of real processes, a client, a device, and a way into the database.

pub(crate) mod answer;
pub(crate) mod client;
pub(crate) mod database;
pub(crate) mod device;
pub(crate) mod form;
pub(crate) mod keyring;
pub(crate) mod logs;
pub(crate) mod organisation;
pub(crate) mod plan_mode;
pub(crate) mod postgres;
pub(crate) mod processes;
pub(crate) mod relay;
pub(crate) mod sink;
pub(crate) mod site;
pub(crate) mod stack;
pub(crate) mod wait;

pub(crate) use answer::Answer;
pub(crate) use client::Client;
pub(crate) use database::Sql;
pub(crate) use device::Device;
pub(crate) use form::Form;
pub(crate) use organisation::Organisation;
pub(crate) use postgres::{Data, Postgres};
pub(crate) use site::Site;
pub(crate) use stack::{Folder, Stack};
pub(crate) use wait::eventually;

/// A new idempotency key.
pub(crate) fn new_key() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// SHA-256 in lower-case hex.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(bytes))
}

/// Bytes in base64.
pub(crate) fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
