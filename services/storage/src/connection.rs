//! Transactions: the only way to a row, and each of them says whose rows it may see.

use deadpool_postgres::{Client, ClientWrapper};
use futures_util::FutureExt as _;

use crate::StorageError;
use crate::spans::traced;

/// A transaction that only reads; it ends when it is dropped.
#[derive(Debug)]
pub struct ReadTransaction(Connection);

/// A transaction that may write; it rolls back when dropped.
#[derive(Debug)]
pub struct Transaction(Connection);

/// A connection of the pool with a transaction open on it. Dropping it rolls back and gives it to the next one.
#[derive(Debug)]
struct Connection {
    client: Client,
    is_open: bool,
}

impl ReadTransaction {
    pub(crate) async fn begin(client: Client, sql: &str) -> Result<Self, StorageError> {
        Ok(Self(Connection::begin(client, sql).await?))
    }

    pub(crate) fn client(&self) -> &ClientWrapper {
        &self.0.client
    }
}

impl Transaction {
    pub(crate) async fn begin(client: Client, sql: &str) -> Result<Self, StorageError> {
        Ok(Self(Connection::begin(client, sql).await?))
    }

    pub(crate) fn client(&self) -> &ClientWrapper {
        &self.0.client
    }

    /// Makes what was done durable.
    ///
    /// # Errors
    /// A deferred constraint refused it, or the connection broke, in which case nobody knows whether it was done.
    pub async fn commit(mut self) -> Result<(), StorageError> {
        traced("commit", self.0.client.batch_execute("commit")).await?;
        self.0.is_open = false;
        Ok(())
    }

    /// Undoes what was done, and waits until it is: what it held is free then. Without it, that happens some time after.
    ///
    /// # Errors
    /// The connection broke, which undoes it too.
    pub async fn rollback(mut self) -> Result<(), StorageError> {
        traced("rollback", self.0.client.batch_execute("rollback")).await?;
        self.0.is_open = false;
        Ok(())
    }
}

impl Connection {
    /// One round trip: the statements begin a transaction and say what it may see.
    async fn begin(client: Client, sql: &str) -> Result<Self, StorageError> {
        // Open before it is: a caller that gives up while the answer is on its way must leave no open transaction behind.
        let connection = Self { client, is_open: true };
        traced("begin", connection.client.batch_execute(sql)).await?;
        Ok(connection)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.is_open {
            // Looked at once, it is on its way before whatever the connection's next user sends; nobody needs its answer.
            let _ = self.client.batch_execute("rollback").now_or_never();
        }
    }
}
