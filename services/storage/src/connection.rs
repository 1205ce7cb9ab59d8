//! A connection from the pool, and a transaction on one.

use std::ops::Deref;

use crate::spans::traced;

/// A connection from the pool.
#[derive(Debug)]
pub struct Client(deadpool_postgres::Client);

/// A transaction on a connection; it rolls back when dropped.
pub struct Transaction<'a>(deadpool_postgres::Transaction<'a>);

impl Client {
    pub(crate) fn new(client: deadpool_postgres::Client) -> Self {
        Self(client)
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn transaction(&mut self) -> Result<Transaction<'_>, tokio_postgres::Error> {
        traced("begin", self.0.transaction()).await.map(Transaction)
    }
}

impl Transaction<'_> {
    /// Makes what was done durable.
    ///
    /// # Errors
    /// A deferred constraint refused it, or the connection broke, in which case nobody knows whether it was done.
    pub async fn commit(self) -> Result<(), tokio_postgres::Error> {
        traced("commit", self.0.commit()).await
    }
}

impl Deref for Client {
    type Target = deadpool_postgres::ClientWrapper;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<'a> Deref for Transaction<'a> {
    type Target = deadpool_postgres::Transaction<'a>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
