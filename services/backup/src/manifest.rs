//! What a backup says about itself.

use firemode_storage::dump::{Sequence, Table};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// The layout of the archive; a new one gets a new number, and those before it can still be read.
pub(super) const FORMAT: u32 = 2;

/// The archive's first member.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// See [`FORMAT`].
    pub(super) format: u32,
    /// Version of the FireMode that wrote it.
    pub(super) firemode: String,
    /// When it was begun; its rows are those of this moment.
    #[serde(with = "time::serde::rfc3339")]
    pub(super) created_at: OffsetDateTime,
    /// Version of the database's schema.
    pub(super) schema_version: i32,
    /// Each table comes after those that it refers to.
    pub(super) tables: Vec<Table>,
    /// Sequences that have given a number.
    pub(super) sequences: Vec<Sequence>,
}
