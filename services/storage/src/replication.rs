//! Whether the database is a standby, or has standbys that follow it, and how far they are behind.

use crate::{Executor, StorageError, sql};

/// Where the database stands among its copies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Replication {
    /// It follows another one and takes no writes.
    Standby {
        /// How old the last transaction is that it has; none where it has none yet.
        behind_seconds: Option<f64>,
    },
    /// Others follow it, or none does.
    Primary {
        /// How many.
        standbys: i64,
        /// How far the last of them is behind; none where nothing is written, or where the role may not see it.
        behind_seconds: Option<f64>,
    },
}

/// Looks.
///
/// # Errors
/// The database does not answer.
pub async fn find(on: &impl Executor) -> Result<Replication, StorageError> {
    let sql =
        "select pg_is_in_recovery(), extract(epoch from now() - pg_last_xact_replay_timestamp())::float8,
                      count(*), max(extract(epoch from replay_lag))::float8
               from pg_stat_replication";
    let row = sql::one(on, sql, &[]).await?;
    Ok(match row.get(0) {
        true => Replication::Standby { behind_seconds: row.get(1) },
        false => Replication::Primary { standbys: row.get(2), behind_seconds: row.get(3) },
    })
}
