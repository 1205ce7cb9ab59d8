//! Runs statements that are prepared once per connection, or once per process where a pooler keeps no statements.

use std::borrow::Cow;
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use deadpool_postgres::ClientWrapper;
use futures_util::FutureExt as _;
use futures_util::future::{MaybeDone, maybe_done};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, Row};

use crate::StorageError;
use crate::connection::{Connection, ReadTransaction, Transaction};
use crate::spans::traced;

/// Parameters of a statement.
pub(crate) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// A parameter that a [`Statement`] owns.
pub(crate) type Param<'a> = Box<dyn ToSql + Sync + Send + 'a>;

/// A statement and its parameters, which may be sent along with others.
pub(crate) struct Statement<'a> {
    sql: Cow<'a, str>,
    params: Vec<Param<'a>>,
}

/// The parameters of a [`Statement`].
macro_rules! params {
    ($($param:expr),* $(,)?) => { vec![$(Box::new($param) as $crate::sql::Param<'_>),*] };
}
pub(crate) use params;

impl<'a> Statement<'a> {
    pub(crate) fn new(sql: impl Into<Cow<'a, str>>, params: Vec<Param<'a>>) -> Self {
        Self { sql: sql.into(), params }
    }

    /// Runs it alone.
    pub(crate) async fn rows(&self, on: &impl Executor) -> Result<Vec<Row>, StorageError> {
        on.rows(&self.sql, &self.params()).await
    }

    fn params(&self) -> Vec<&(dyn ToSql + Sync)> {
        borrowed(&self.params)
    }
}

/// Owned parameters, as a statement takes them.
pub(crate) fn borrowed<'p>(params: &'p [Param<'_>]) -> Vec<&'p (dyn ToSql + Sync)> {
    params.iter().map(|param| &**param as &(dyn ToSql + Sync)).collect()
}

/// A statement that is sent by itself.
#[derive(Clone, Copy)]
pub(crate) struct Sendable<'a> {
    sql: &'a str,
    params: Params<'a>,
}

impl Sendable<'_> {
    pub(crate) async fn rows(
        &self,
        client: &ClientWrapper,
        types: Option<&ParameterTypes>,
    ) -> Result<Vec<Row>, Error> {
        let work =
            async { Prepared::of(client, types, self.sql).await?.rows(client, self.sql, self.params).await };
        traced(self.sql, work).await
    }

    pub(crate) async fn run(
        &self,
        client: &ClientWrapper,
        types: Option<&ParameterTypes>,
    ) -> Result<u64, Error> {
        let work =
            async { Prepared::of(client, types, self.sql).await?.run(client, self.sql, self.params).await };
        traced(self.sql, work).await
    }
}

/// What is known of a statement when it is sent.
enum Prepared {
    /// It is prepared on the connection.
    Named(tokio_postgres::Statement),
    /// It is sent as text, with its parameters' types: what a pooler that gives each transaction another connection needs not to know.
    Typed(Arc<[Type]>),
}

/// The types of statements' parameters, which the database was asked for once by this process.
#[derive(Debug, Default)]
pub(crate) struct ParameterTypes(Mutex<HashMap<String, Arc<[Type]>>>);

impl ParameterTypes {
    pub(crate) fn forget(&self) {
        self.known().clear();
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Arc<[Type]>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Prepared {
    async fn of(client: &ClientWrapper, types: Option<&ParameterTypes>, sql: &str) -> Result<Self, Error> {
        let Some(types) = types else { return Ok(Self::Named(client.prepare_cached(sql).await?)) };
        if let Some(known) = types.known().get(sql) {
            return Ok(Self::Typed(Arc::clone(known)));
        }
        // Dropped here, the statement is closed within the transaction, in which a pooler keeps the connection.
        let asked: Arc<[Type]> = client.prepare(sql).await?.params().into();
        types.known().insert(sql.to_owned(), Arc::clone(&asked));
        Ok(Self::Typed(asked))
    }

    /// Its first poll sends it.
    async fn rows(&self, client: &ClientWrapper, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Error> {
        match self {
            Self::Named(statement) => client.query(statement, params).await,
            Self::Typed(types) => client.query_typed(sql, &typed(params, types)).await,
        }
    }

    async fn run(&self, client: &ClientWrapper, sql: &str, params: Params<'_>) -> Result<u64, Error> {
        match self {
            Self::Named(statement) => client.execute(statement, params).await,
            Self::Typed(types) => client.execute_typed(sql, &typed(params, types)).await,
        }
    }
}

fn typed<'a>(params: Params<'a>, types: &[Type]) -> Vec<(&'a (dyn ToSql + Sync), Type)> {
    params.iter().copied().zip(types.iter().cloned()).collect()
}

/// Work whose first poll sends a message to the database, and the others wait for the answer.
type Sending<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// Runs statements in their order and in one round trip, each in a snapshot of its own, and gives the rows of each. One that cannot
/// be sent keeps those behind it from being sent; of several that the database refuses, the first is reported.
pub(crate) async fn pipeline(
    client: &ClientWrapper,
    types: Option<&ParameterTypes>,
    statements: &[Statement<'_>],
) -> Result<Vec<Vec<Row>>, Error> {
    // First all of them: between a statement and the next nothing may wait, or it would not be the next.
    let mut prepared = Vec::with_capacity(statements.len());
    for statement in statements {
        prepared.push(traced(&statement.sql, Prepared::of(client, types, &statement.sql)).await?);
    }
    let params: Vec<_> = statements.iter().map(Statement::params).collect();
    let queries = statements.iter().zip(&prepared).zip(&params).map(|((statement, prepared), params)| {
        let rows = prepared.rows(client, &statement.sql, params);
        Box::pin(traced(&statement.sql, rows)) as Sending<'_, _>
    });
    let mut sent: Vec<MaybeDone<Sending<'_, Vec<Row>>>> = Vec::with_capacity(statements.len());
    for message in queries {
        let mut message = maybe_done(message);
        // Looked at once, it is on its way.
        let _ = (&mut message).now_or_never();
        let is_refused = matches!(&message, MaybeDone::Done(Err(_)));
        sent.push(message);
        if is_refused {
            break;
        }
    }
    let mut rows = Vec::with_capacity(sent.len());
    for mut message in sent {
        (&mut message).await;
        rows.push(Pin::new(&mut message).take_output().unwrap_or_else(|| Ok(Vec::new()))?);
    }
    Ok(rows)
}

/// A transaction: what a statement runs on.
pub trait Executor: Sync {
    #[doc(hidden)]
    fn connection(&self) -> &Connection;

    /// All rows.
    #[doc(hidden)]
    fn rows(
        &self,
        sql: &str,
        params: Params<'_>,
    ) -> impl Future<Output = Result<Vec<Row>, StorageError>> + Send {
        async move { self.connection().rows(Sendable { sql, params }).await }
    }

    /// The number of rows that changed.
    #[doc(hidden)]
    fn run(&self, sql: &str, params: Params<'_>) -> impl Future<Output = Result<u64, StorageError>> + Send {
        async move { self.connection().run(Sendable { sql, params }).await }
    }
}

impl Executor for ReadTransaction {
    fn connection(&self) -> &Connection {
        self.connection()
    }
}

impl Executor for Transaction {
    fn connection(&self) -> &Connection {
        self.connection()
    }
}

/// The one row that a statement gives, if it gives any.
pub(crate) async fn optional(
    on: &impl Executor,
    sql: &str,
    params: Params<'_>,
) -> Result<Option<Row>, StorageError> {
    Ok(on.rows(sql, params).await?.into_iter().next())
}

/// The one row that a statement always gives.
pub(crate) async fn one(on: &impl Executor, sql: &str, params: Params<'_>) -> Result<Row, StorageError> {
    optional(on, sql, params)
        .await?
        .ok_or_else(|| StorageError::Damaged("a statement gave no row".to_owned()))
}

/// The index that a row's `with ordinality` stands for.
pub(crate) fn place(ordinality: i64) -> usize {
    usize::try_from(ordinality - 1).unwrap_or(usize::MAX)
}
