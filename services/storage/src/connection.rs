//! Transactions: the only way to a row, and each of them says whose rows it may see.

use deadpool_postgres::{Client, ClientWrapper};
use futures_util::FutureExt as _;
use tokio_postgres::Row;

use crate::StorageError;
use crate::spans::traced;
use crate::sql::{self, Statement};

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
    pub(crate) fn begin(client: Client, sql: &str) -> Result<Self, StorageError> {
        Ok(Self(Connection::begin(client, sql)?))
    }

    pub(crate) fn client(&self) -> &ClientWrapper {
        &self.0.client
    }
}

impl Transaction {
    pub(crate) fn begin(client: Client, sql: &str) -> Result<Self, StorageError> {
        Ok(Self(Connection::begin(client, sql)?))
    }

    pub(crate) fn client(&self) -> &ClientWrapper {
        &self.0.client
    }

    /// Its commit does not wait for the disk: a crash of the database may lose what it does.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn without_the_disk(&self) -> Result<(), StorageError> {
        traced("synchronous_commit", self.client().batch_execute("set local synchronous_commit = off"))
            .await?;
        Ok(())
    }

    /// Makes what was done durable.
    ///
    /// # Errors
    /// A deferred constraint refused it, or the connection broke, in which case nobody knows whether it was done.
    pub async fn commit(mut self) -> Result<(), StorageError> {
        if let Err(error) = traced("commit", self.0.client.batch_execute("commit")).await {
            self.abandon().await;
            return Err(error.into());
        }
        self.0.is_open = false;
        Ok(())
    }

    /// Runs statements in their order and in one round trip, and gives the rows of each.
    ///
    /// # Errors
    /// That of the first one that fails. Those behind it fail too.
    pub(crate) async fn pipeline<const N: usize>(
        &self,
        statements: [Statement<'_>; N],
    ) -> Result<[Vec<Row>; N], StorageError> {
        let rows = sql::pipeline(&self.0.client, &statements).await?;
        rows.try_into().map_err(|_| StorageError::Damaged("a statement gave no rows".to_owned()))
    }

    /// Runs statements in their order and makes what was done durable, all in one round trip.
    ///
    /// # Errors
    /// That of the first one that fails; then nothing of the transaction is stored. As for [`Self::commit`] nobody knows if the
    /// connection broke.
    pub(crate) async fn commit_with(
        mut self,
        mut statements: Vec<Statement<'_>>,
    ) -> Result<(), StorageError> {
        // The database makes a rollback of the commit of a transaction in which a statement has failed.
        statements.push(Statement::new("commit", Vec::new()));
        if let Err(error) = sql::pipeline(&self.0.client, &statements).await {
            self.abandon().await;
            return Err(error.into());
        }
        self.0.is_open = false;
        Ok(())
    }

    /// Undoes what was done, and waits until it is: what it held, keys above all, is free then. Without it, that happens some time
    /// after, though a statement has failed: PostgreSQL tells of the failure first and lets go of the locks then. A connection that
    /// broke undoes it too. No harm after a commit.
    pub async fn abandon(mut self) {
        match traced("rollback", self.0.client.batch_execute("rollback")).await {
            Ok(()) => self.0.is_open = false,
            Err(error) => tracing::debug!(%error, "a transaction was not rolled back by hand"),
        }
    }
}

impl Connection {
    /// The statements begin a transaction and say what it may see. Their answer is not waited for: where they fail, whatever comes
    /// after them in the transaction fails too.
    fn begin(client: Client, sql: &str) -> Result<Self, StorageError> {
        let connection = Self { client, is_open: true };
        send(&connection.client, sql)?;
        Ok(connection)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.is_open {
            // Nobody needs its answer: it is on its way before whatever the connection's next user sends.
            let _ = send(&self.client, "rollback");
        }
    }
}

/// Sends statements without parameters and does not wait for the answer.
fn send(client: &ClientWrapper, sql: &str) -> Result<(), tokio_postgres::Error> {
    // Looked at once, it is on its way.
    client.batch_execute(sql).now_or_never().unwrap_or(Ok(()))
}
