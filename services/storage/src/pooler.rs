//! Whether a pooler between us and the database keeps prepared statements.
//!
//! One that gives each transaction another connection may look as if it did, for as long as nobody else uses the connection that a
//! statement was prepared on. So it is asked while somebody else does.

use std::time::Duration;

use firemode_runtime::settings::Settings;
use tokio::time::timeout;
use tokio_postgres::{Client, Error, SimpleQueryMessage};

use crate::StorageError;
use crate::database::connect_beside_pool;
use crate::sqlstate::Meaning;

/// Transactions that are begun until one of them has the connection that the statement was prepared on: poolers give out the one that
/// was used last.
const OTHERS_MAX: usize = 4;

/// A pooler that has no further connection lets us wait.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// Why FireMode does not start behind a pooler.
#[derive(Debug, thiserror::Error)]
pub enum PoolerError {
    /// The database does not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// It keeps no prepared statements.
    #[error(
        "database.prepared_statements is true, and the pooler at database.url keeps no prepared statements: set it to false, or let the \
         pooler keep them (pgbouncer from 1.21 on, with max_prepared_statements above 0)"
    )]
    KeepsNoStatements,
    /// It has too few connections to be asked.
    #[error(
        "database.prepared_statements is true, and the pooler at database.url has too few connections to show that it keeps prepared \
         statements: give it more, or set database.prepared_statements to false"
    )]
    TooSmall,
}

impl From<Error> for PoolerError {
    fn from(error: Error) -> Self {
        match Meaning::of(&error) {
            Meaning::Stale => Self::KeepsNoStatements,
            _ => Self::Storage(error.into()),
        }
    }
}

/// Makes sure that prepared statements work between here and the database, if they are wanted.
///
/// # Errors
/// They do not, or the database does not answer.
pub async fn check(settings: &Settings) -> Result<(), PoolerError> {
    if !settings.database.prepared_statements || settings.uses_embedded_database() {
        return Ok(());
    }
    let client = connect_beside_pool(settings).await?;
    client.batch_execute("begin").await?;
    let statement = client.prepare("select 1").await?;
    let prepared_on = backend(&client).await?;
    client.batch_execute("commit").await?;
    let mut others = Vec::new();
    while others.len() < OTHERS_MAX {
        let other = connect_beside_pool(settings).await?;
        in_time(other.batch_execute("begin")).await?;
        let took_it = backend(&other).await? == prepared_on;
        others.push(other);
        if took_it {
            in_time(client.query(&statement, &[])).await?;
            break;
        }
    }
    Ok(())
}

async fn in_time<T>(asked: impl Future<Output = Result<T, Error>>) -> Result<T, PoolerError> {
    Ok(timeout(WAIT_MAX, asked).await.map_err(|_| PoolerError::TooSmall)??)
}

/// The server process that a transaction of this client has.
async fn backend(client: &Client) -> Result<Option<String>, PoolerError> {
    let messages = client.simple_query("select pg_backend_pid()").await?;
    Ok(messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    }))
}
