//! Transactions: the only way to a row, and each of them says whose rows it may see.

use std::sync::atomic::{AtomicBool, Ordering};

use deadpool_postgres::{Client, Object};
use futures_util::FutureExt as _;
use tokio::sync::OwnedSemaphorePermit;
use tokio_postgres::Row;

use crate::spans::traced;
use crate::sql::{self, Sendable, Statement};
use crate::{Database, StorageError, abandoned};

/// A transaction that only reads; it ends when it is dropped.
#[derive(Debug)]
pub struct ReadTransaction(Connection);

/// A transaction that may write; it rolls back when dropped, and gives back its turn.
#[derive(Debug)]
pub struct Transaction {
    connection: Connection,
    _turn: Option<OwnedSemaphorePermit>,
}

/// A connection of the pool with a transaction open on it. Dropping it rolls back and gives it to the next one.
#[derive(Debug)]
pub struct Connection {
    /// None once it is dropped.
    client: Option<Client>,
    database: Database,
    /// What the transaction begins with.
    beginning: String,
    is_open: bool,
    /// Nothing is lost with the transaction: it has done nothing yet, or only reads.
    may_begin_again: AtomicBool,
    is_reader: bool,
    /// A statement was stale, and could not be sent again.
    is_stale: AtomicBool,
    /// Something was sent, and its answer is waited for.
    is_busy: AtomicBool,
    /// It did not answer, and is no good to anybody.
    is_lost: AtomicBool,
}

impl ReadTransaction {
    pub(crate) fn begin(client: Client, database: &Database, sql: String) -> Result<Self, StorageError> {
        Ok(Self(Connection::begin(client, database, sql, true)?))
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.0
    }
}

impl Transaction {
    pub(crate) fn begin(
        client: Client,
        database: &Database,
        sql: String,
        turn: Option<OwnedSemaphorePermit>,
    ) -> Result<Self, StorageError> {
        Ok(Self { connection: Connection::begin(client, database, sql, false)?, _turn: turn })
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Its commit does not wait for the disk: a crash of the database may lose what it does.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn without_the_disk(&self) -> Result<(), StorageError> {
        self.connection.batch("set local synchronous_commit = off").await
    }

    /// Has a statement failed because the database plans it in another way by now? All of the transaction is as if it had not been, and
    /// would go through from its beginning.
    pub fn is_stale(&self) -> bool {
        self.connection.is_stale.load(Ordering::Relaxed)
    }

    /// Makes what was done durable.
    ///
    /// # Errors
    /// A deferred constraint refused it, or the connection broke, in which case nobody knows whether it was done.
    pub async fn commit(mut self) -> Result<(), StorageError> {
        if let Err(error) = self.connection.batch("commit").await {
            self.abandon().await;
            return Err(error);
        }
        self.connection.is_open = false;
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
        let rows = self.connection.pipeline(&statements).await?;
        rows.try_into().map_err(|_| StorageError::Damaged("a statement gave no rows".to_owned()))
    }

    /// Runs statements in their order and makes what was done durable, all in one round trip. Gives the rows of each.
    ///
    /// # Errors
    /// That of the first one that fails; then nothing of the transaction is stored. As for [`Self::commit`] nobody knows if the
    /// connection broke.
    pub(crate) async fn commit_with(
        mut self,
        mut statements: Vec<Statement<'_>>,
    ) -> Result<Vec<Vec<Row>>, StorageError> {
        // The database makes a rollback of the commit of a transaction in which a statement has failed.
        statements.push(Statement::new("commit", Vec::new()));
        match self.connection.pipeline(&statements).await {
            Ok(rows) => {
                self.connection.is_open = false;
                Ok(rows)
            }
            Err(error) => {
                self.abandon().await;
                Err(error)
            }
        }
    }

    /// Undoes what was done, and waits until it is: what it held, keys above all, is free then. Without it, that happens some time
    /// after, though a statement has failed: PostgreSQL reports the failure first and lets go of the locks then. A connection that
    /// broke undoes it too. No harm after a commit.
    pub async fn abandon(mut self) {
        match self.connection.batch("rollback").await {
            Ok(()) => self.connection.is_open = false,
            Err(error) => tracing::debug!(%error, "a transaction was not rolled back by hand"),
        }
    }
}

impl Connection {
    /// The statements begin a transaction and say what it may see. Their answer is not waited for: where they fail, what comes
    /// after them in the transaction fails too.
    fn begin(
        client: Client,
        database: &Database,
        beginning: String,
        is_reader: bool,
    ) -> Result<Self, StorageError> {
        let connection = Self {
            client: Some(client),
            database: database.clone(),
            beginning,
            is_open: true,
            may_begin_again: AtomicBool::new(true),
            is_reader,
            is_stale: AtomicBool::new(false),
            is_busy: AtomicBool::new(false),
            is_lost: AtomicBool::new(false),
        };
        connection.send(&connection.beginning)?;
        Ok(connection)
    }

    /// All rows of a statement.
    pub(crate) async fn rows(&self, statement: Sendable<'_>) -> Result<Vec<Row>, StorageError> {
        self.exchange(|| statement.rows(self.client(), self.database.types())).await
    }

    /// The number of rows that a statement changed.
    pub(crate) async fn run(&self, statement: Sendable<'_>) -> Result<u64, StorageError> {
        self.exchange(|| statement.run(self.client(), self.database.types())).await
    }

    /// The rows of several statements, in one round trip.
    async fn pipeline(&self, statements: &[Statement<'_>]) -> Result<Vec<Vec<Row>>, StorageError> {
        self.exchange(|| sql::pipeline(self.client(), self.database.types(), statements)).await
    }

    /// Statements without parameters or rows.
    pub(crate) async fn batch(&self, sql: &str) -> Result<(), StorageError> {
        self.answered(traced(sql, self.client().batch_execute(sql))).await
    }

    /// Sends statements and waits for what they give. Where the database does not know them any more, or has another plan for them than
    /// they were prepared with, they are prepared and sent again, unless something would be lost with the transaction.
    async fn exchange<T, F>(&self, send: impl Fn() -> F) -> Result<T, StorageError>
    where
        F: Future<Output = Result<T, tokio_postgres::Error>>,
    {
        let mut done = self.answered(send()).await;
        if matches!(done, Err(StorageError::Stale(_))) {
            self.database.forget_statements();
            if self.may_begin_again.load(Ordering::Relaxed) {
                self.send("rollback")?;
                self.send(&self.beginning)?;
                done = self.answered(send()).await;
            }
            self.is_stale.store(matches!(done, Err(StorageError::Stale(_))), Ordering::Relaxed);
        }
        if done.is_ok() && !self.is_reader {
            self.may_begin_again.store(false, Ordering::Relaxed);
        }
        done
    }

    /// Waits for an answer for as long as one may come.
    async fn answered<T>(
        &self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, StorageError> {
        if self.is_lost.load(Ordering::Relaxed) {
            return Err(StorageError::silent());
        }
        self.is_busy.store(true, Ordering::Relaxed);
        let answer = self.database.reach().answered(work).await;
        self.is_busy.store(false, Ordering::Relaxed);
        if answer.is_none() {
            self.is_lost.store(true, Ordering::Relaxed);
        }
        let done =
            answer.map_or_else(|| Err(StorageError::silent()), |done| done.map_err(StorageError::from));
        if let Err(error) = &done
            && !self.is_reader
        {
            self.database.note_failed_write(error);
        }
        done
    }

    /// Sends statements without parameters and does not wait for the answer.
    fn send(&self, sql: &str) -> Result<(), StorageError> {
        // Looked at once, it is on its way.
        Ok(self.client().batch_execute(sql).now_or_never().unwrap_or(Ok(()))?)
    }

    fn client(&self) -> &Client {
        self.client.as_ref().expect("a connection has its client until it is dropped")
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.is_lost.load(Ordering::Relaxed) {
            // Out of the pool, which makes another one in its place.
            self.client.take().map(Object::take);
        } else if self.is_busy.load(Ordering::Relaxed) {
            // Whoever waited for the answer has gone.
            if let Some(client) = self.client.take() {
                abandoned::clear(client, self.database.reach());
            }
        } else if self.is_open {
            // Nobody needs its answer: it is on its way before what the connection's next user sends.
            let _ = self.send("rollback");
        }
    }
}
